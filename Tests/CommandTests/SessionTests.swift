import Foundation
import FoundationNetworking
import Testing

/// Sessions over HTTP with real servers and real deaths.
@Suite(.serialized) struct SessionTests {
    private struct Answer: Equatable {
        var status: Int
        var body: String
    }

    private func post(
        _ address: String, _ path: String, _ body: String, headers: [String: String] = [:]
    ) async throws -> Answer {
        var request = URLRequest(url: try #require(URL(string: "http://\(address)/v1\(path)")))
        request.httpMethod = "POST"
        request.httpBody = Data(body.utf8)
        request.timeoutInterval = 40
        for (name, value) in headers.merging(["Content-Type": "application/json"], uniquingKeysWith: { a, _ in a }) {
            request.setValue(value, forHTTPHeaderField: name)
        }
        let (data, response) = try await URLSession.shared.data(for: request)
        let status = try #require(response as? HTTPURLResponse).statusCode
        return Answer(status: status, body: String(decoding: data, as: UTF8.self))
    }

    private func openSession(_ address: String, _ body: String) async throws -> String {
        let answer = try await post(address, "/sessions", body)
        try #require(answer.status == 201, "\(answer)")
        return String(try #require(answer.body.firstMatch(of: #/"session":"([0-9]+)"/#)?.1))
    }

    @Test("The example of docs/http-api.md does what it says")
    func example() async throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let page = try String(contentsOf: root.appendingPathComponent("docs/http-api.md"), encoding: .utf8)
        let block = try #require(page.firstMatch(of: #/(?s)\n    api=localhost:7480.*?\n\n/#)).output
        try await withCluster(servers: 1) { cluster in
            let script = block.replacing("localhost:7480", with: cluster.httpAddress("a"))
            let process = Process()
            process.executableURL = URL(fileURLWithPath: "/bin/bash")
            process.arguments = ["-euo", "pipefail", "-c", String(script)]
            let output = Pipe()
            process.standardOutput = output
            try process.run()
            try await Program.waitForEnd(process, within: 60, ["the example"])
            let said = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
            #expect(process.terminationStatus == 0)
            let lines = said.split(separator: "\n")
            #expect(lines.count == 4 && lines.allSatisfy { !$0.contains("error") }, "\(said)")
            #expect(said.contains(#""tuple":["resize","cat.png"]"#))
            for (space, template, count) in [
                ("jobs", "[null,null]", 0), ("done", "[null,null]", 1), ("deaths", "[null,null]", 0),
            ] {
                #expect(try await cluster.run(["tuple", "count", space, template]).output == "\(count)\n", "\(space)")
            }
        }
    }

    @Test(
        "A worker's server is killed: it asks another one again; the worker dies: others have its job, and learn of it")
    func deaths() async throws {
        try await withCluster(servers: 3) { cluster in
            let session = try await openSession(
                cluster.httpAddress("a"), #"{"timeout":5,"failure":[{"space":"deaths","tuple":["worker",7]}]}"#)
            let headers: (Int) -> [String: String] = { ["Starling-Session": session, "Starling-Sequence": "\($0)"] }
            let write = #"{"tuple":["job",1]}"#
            let written = try await post(cluster.httpAddress("a"), "/spaces/jobs/tuples", write, headers: headers(1))
            let take = #"{"template":["job",null],"timeout":20}"#
            let taken = try await post(cluster.httpAddress("a"), "/spaces/jobs/take", take, headers: headers(2))
            #expect(taken.status == 200 && taken.body.contains(#"["job",1]"#))

            cluster.kill("a")
            var again = try await post(cluster.httpAddress("b"), "/spaces/jobs/take", take, headers: headers(2))
            while again.status >= 503 {
                again = try await post(cluster.httpAddress("b"), "/spaces/jobs/take", take, headers: headers(2))
            }
            #expect(again == taken)
            #expect(
                try await post(cluster.httpAddress("c"), "/spaces/jobs/tuples", write, headers: headers(1)) == written)
            let others = try await post(cluster.httpAddress("c"), "/spaces/jobs/count", #"{"template":[null,null]}"#)
            #expect(others.body == "{\"count\":0}\n", "it was written once, and is held")

            // From here on the worker says nothing more.
            let death = try await post(
                cluster.httpAddress("c"), "/spaces/deaths/take", #"{"template":["worker",null],"timeout":30}"#)
            #expect(death.body.contains(#"["worker",7]"#), "\(death)")
            let job = try await post(cluster.httpAddress("b"), "/spaces/jobs/take", #"{"template":["job",null]}"#)
            #expect(job.body == taken.body, "its job is back under its id")
            let late = try await post(cluster.httpAddress("b"), "/spaces/jobs/take", take, headers: headers(2))
            #expect(late.status == 410 && late.body.contains("session-expired"))
        }
    }
}
