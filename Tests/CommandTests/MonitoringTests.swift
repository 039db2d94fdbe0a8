import Foundation
import Testing

/// Prometheus itself, with our alerts and the dashboard's queries, on a cluster that runs.
@Suite(.serialized) struct MonitoringTests {
    private static let packaging = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("packaging")

    private func tool(_ name: String, _ arguments: [String]) async throws -> (code: Int32, output: String) {
        let process = Process()
        let pipe = Pipe()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/\(name)")
        process.arguments = arguments
        process.standardOutput = pipe
        process.standardError = pipe
        try process.run()
        let output = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: output, as: UTF8.self))
    }

    @Test("promtool finds the alerts sound, and they fire when they should and not otherwise") func alerts()
        async throws
    {
        let prometheus = Self.packaging.appendingPathComponent("prometheus").path
        let checked = try await tool("promtool", ["check", "rules", "\(prometheus)/starling-alerts.yml"])
        #expect(checked.code == 0 && checked.output.contains("SUCCESS: 12 rules found"), "\(checked.output)")
        let tested = try await tool("promtool", ["test", "rules", "\(prometheus)/starling-alerts.test.yml"])
        #expect(tested.code == 0, "\(tested.output)")
    }

    @Test("systemd finds the units sound") func units() async throws {
        for unit in ["starling@.service", "starling-up.service"] {
            let path = Self.packaging.appendingPathComponent("systemd/\(unit)").path
            let verified = try await tool("systemd-analyze", ["verify", "--man=no", path])
            // The program is not installed where the tests run; nothing else may be said.
            let complaints = verified.output.split(separator: "\n").filter {
                !$0.contains("/usr/bin/starling is not executable")
            }
            #expect(complaints.isEmpty, "\(verified.output)")
        }
    }

    private struct Dashboard: Decodable {
        struct Panel: Decodable {
            struct Target: Decodable { var expr: String }
            var title: String
            var targets: [Target]
        }
        var panels: [Panel]
    }

    private struct Answer: Decodable {
        struct Data: Decodable {
            var result: [Series]
        }
        struct Series: Decodable {}
        var status: String
        var data: Data?
    }

    @Test(
        "A real Prometheus takes the metrics, knows the alerts, and answers every query of the dashboard",
        .timeLimit(.minutes(3)))
    func queries() async throws {
        try await withCluster(servers: 3) { cluster in
            let port = Ports.base()
            let targets = cluster.names.map { "'\(cluster.httpAddress($0))'" }.joined(separator: ", ")
            let rules = Self.packaging.appendingPathComponent("prometheus/starling-alerts.yml").path
            let config = try cluster.directory.write(
                """
                global: {scrape_interval: 1s, evaluation_interval: 1s}
                rule_files: ['\(rules)']
                scrape_configs:
                  - job_name: starling
                    static_configs: [{targets: [\(targets)]}]
                """, to: "prometheus.yml")
            let process = Process()
            process.executableURL = URL(fileURLWithPath: "/usr/bin/prometheus")
            process.arguments = [
                "--config.file=\(config)", "--storage.tsdb.path=\(cluster.directory.path)/tsdb",
                "--web.listen-address=127.0.0.1:\(port)",
                "--log.level=error",
            ]
            process.standardOutput = FileHandle.nullDevice
            process.standardError = FileHandle.nullDevice
            try process.run()
            defer {
                process.terminate()
                process.waitUntilExit()
            }
            // Something to see: writes, reads, a hand-over.
            #expect(try await cluster.run(["bench", "write", "--sessions", "4", "--requests", "2000"]).code == 0)
            for name in cluster.names { _ = Ports.ask("/topics/x", port: try cluster.httpPort(name)) }
            #expect(try await cluster.run(["cluster", "transfer"]).code == 0)
            #expect(try await cluster.run(["bench", "write", "--sessions", "4", "--requests", "2000"]).code == 0)

            let file = Self.packaging.appendingPathComponent("grafana/starling.json")
            let dashboard = try JSONDecoder().decode(Dashboard.self, from: try Data(contentsOf: file))
            #expect(dashboard.panels.count == 18)
            var unanswered = dashboard.panels.flatMap { panel in panel.targets.map { (panel.title, $0.expr) } }
            // Rates need two scrapes.
            let deadline = Date(timeIntervalSinceNow: 60)
            while !unanswered.isEmpty, Date() < deadline {
                var still: [(String, String)] = []
                for target in unanswered where try await !isAnswered(target.1, port) { still.append(target) }
                unanswered = still
                if !unanswered.isEmpty { try await Task.sleep(for: .milliseconds(500)) }
            }
            #expect(unanswered.isEmpty, "\(unanswered.map { "\($0.0): \($0.1)" }.joined(separator: "\n"))")
            let alerts = try await tool("curl", ["-s", "-m", "5", "http://127.0.0.1:\(port)/api/v1/rules"]).output
            #expect(alerts.contains("StarlingNoLeader") && !alerts.contains("\"health\":\"err\""), "\(alerts)")
        }
    }

    private func isAnswered(_ query: String, _ port: Int) async throws -> Bool {
        let query = query.replacingOccurrences(of: "$job", with: "starling").replacingOccurrences(
            of: "$__rate_interval", with: "1m")
        let escaped = try #require(query.addingPercentEncoding(withAllowedCharacters: .alphanumerics))
        let answer = try await tool(
            "curl", ["-s", "-m", "5", "http://127.0.0.1:\(port)/api/v1/query?query=\(escaped)"])
        let decoded = try? JSONDecoder().decode(Answer.self, from: Data(answer.output.utf8))
        return decoded?.status == "success" && decoded?.data?.result.isEmpty == false
    }
}
