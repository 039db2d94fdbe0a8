import Foundation
import Testing

/// `starling up`: real servers, which are killed and paused.
@Suite(.serialized) struct UpTests {
    private func file(_ cluster: TestCluster) -> String {
        var text = "logs: logs\ndefaults:\n  snapshot-entries: 1000\nservers:\n"
        for name in cluster.names {
            text += "  - name: \(name)\n    data: data-\(name)\n    plan: plan/\(name).plan.json\n"
        }
        return text
    }

    private func pid(_ cluster: TestCluster, _ name: String) throws -> pid_t {
        let lines = cluster.log("up").split(separator: "\n").filter { $0.contains("server \(name) starts: pid ") }
        let digits = try #require(lines.last?.split(separator: "pid ").last?.prefix { $0.isNumber })
        return try #require(pid_t(digits))
    }

    /// Waits until something has been said so many times.
    private func waitUntil(_ cluster: TestCluster, says text: String, times: Int, within seconds: Double = 60)
        async throws
    {
        let deadline = Date(timeIntervalSinceNow: seconds)
        while cluster.log("up").components(separatedBy: text).count - 1 < times {
            guard Date() < deadline else {
                throw TestCluster.NotReady(
                    description: "it never said \"\(text)\" \(times) times, but:\n\(cluster.log("up"))")
            }
            try await Task.sleep(for: .milliseconds(50))
        }
    }

    @Test("Servers that are killed or hang are started again, and all end in order with it") func watches() async throws
    {
        let cluster = try await TestCluster(servers: 3)
        defer { cluster.end() }
        _ = try cluster.directory.write(file(cluster), to: "cluster.yaml")
        try cluster.launch("up", ["up", "-c", "cluster.yaml"])
        for name in cluster.names { try await cluster.waitUntil("up", says: "server \(name) serves") }
        #expect(try await cluster.run(["tuple", "write", "jobs", "[1]"]).code == 0)

        let first = try pid(cluster, "a")
        #expect(Glibc.kill(first, SIGKILL) == 0)
        try await cluster.waitUntil(
            "up", says: "server a was killed (signal 9): it is started again in 500 ms, for the 1st time")
        try await waitUntil(cluster, says: "server a serves", times: 2)
        #expect(try pid(cluster, "a") != first)

        // Neither answers nor ends: as a process that is stuck.
        let hanging = try pid(cluster, "b")
        #expect(Glibc.kill(hanging, SIGSTOP) == 0)
        try await cluster.waitUntil("up", says: "server b runs, but has not answered for", within: 30)
        try await cluster.waitUntil("up", says: "server b does not end by itself", within: 30)
        try await waitUntil(cluster, says: "server b serves", times: 2)
        #expect(try await cluster.run(["tuple", "count", "jobs", "[null]"]).output.contains("1"))

        // A member that is removed ends by itself, for good.
        #expect(try await cluster.run(["cluster", "remove", "c"]).code == 0)
        try await cluster.waitUntil("up", says: "server c was removed from its cluster: it is not started again")

        #expect(try await cluster.stop("up") == 0)
        for name in ["a", "b"] {
            #expect(cluster.log("up").contains("server \(name) exited with 0"))
            #expect(Glibc.kill(try pid(cluster, name), 0) == -1, "nothing is left running")
        }
        #expect(try String(contentsOfFile: "\(cluster.directory.path)/logs/a.log", encoding: .utf8).contains("page at"))
    }

    @Test("It ends, saying so, when no server can be started with its settings") func wrongSettings() async throws {
        let cluster = try await TestCluster(servers: 1)
        defer { cluster.end() }
        _ = try cluster.directory.write(file(cluster) + "    log-level: loud\n", to: "cluster.yaml")
        let result = try await Program.run(["up", "-c", "cluster.yaml"], in: cluster.directory)
        #expect(result.code == 2 && result.output.contains("mend its settings"), "\(result.output)")
        #expect(result.errors.contains("server a cannot be started with its settings"), "\(result.errors)")
    }

    @Test(
        "What is wrong in the file is named with its line, and nothing is started",
        arguments: [
            ("servers:\n  - name: a\n    dat: x\n", "line 3: \"dat\" is not a setting of a server"),
            ("servers:\n  - name: a\n", "line 2: server a has no data directory"),
            ("servers:\n  - data: x\n", "line 2: a server has a name"),
            ("servers: 7\n", "line 1: servers is a list"),
            ("logs: l\n", "servers is missing"),
            ("server:\n  - name: a\n", "line 1: \"server\" is not known here; the keys are logs, defaults and servers"),
            ("servers:\n  - {name: a, data: x}\n  - {name: a, data: y}\n", "line 3: server a is there twice"),
            ("servers:\n  - {name: a, data: x}\n  - {name: b, data: ./x}\n", "one data directory"),
            (
                "defaults: {name: a}\nservers:\n  - {name: a, data: x}\n",
                "line 1: \"name\" is not a setting of all servers"
            ),
            ("servers:\n  - {name: a, data: x, plan: nowhere.json}\n", "its HTTP address is not known"),
            ("servers: [\n", "is not YAML"),
            ("", "servers is missing"),
        ])
    func badFiles(text: String, problem: String) async throws {
        let directory = try TemporaryDirectory()
        _ = try directory.write(text, to: "cluster.yaml")
        let up = try await Program.run(["up", "-c", "cluster.yaml"], in: directory)
        #expect(up.code == 2 && up.errors.contains(problem), "\(up.errors)")
        guard text.hasPrefix("servers:\n  -") else { return }
        let validated = try await Program.run(["config", "validate", "cluster.yaml"], in: directory)
        #expect(validated.code == 2 && validated.errors.contains(problem), "\(validated.errors)")
    }

    @Test("Good files are said to be good, and what they would start") func goodFiles() async throws {
        let cluster = try await TestCluster(servers: 1)
        _ = try cluster.directory.write(file(cluster), to: "cluster.yaml")
        _ = try cluster.directory.write("servers: [127.0.0.1:7460]\ncurve: no\n", to: "config.yaml")
        _ = try cluster.directory.write("curve: perhaps\n", to: "bad.yaml")
        let up = try await Program.run(["config", "validate", "cluster.yaml"], in: cluster.directory)
        #expect(up.code == 0 && up.output.contains("good; it starts a"), "\(up.errors)")
        let config = try await Program.run(["config", "validate", "config.yaml"], in: cluster.directory)
        #expect(config.code == 0 && config.output.contains("good"), "\(config.errors)")
        for (setting, problem) in [
            ("open: maybe", "is yes or no"), ("http: 10.0.0.1:7480", "is not on this machine alone"),
        ] {
            _ = try cluster.directory.write(file(cluster) + "    \(setting)\n", to: "wrong.yaml")
            let wrong = try await Program.run(["config", "validate", "wrong.yaml"], in: cluster.directory)
            #expect(
                wrong.code == 2 && wrong.errors.contains("server a: ") && wrong.errors.contains(problem),
                "\(wrong.errors)")
        }
        let bad = try await Program.run(["config", "validate", "bad.yaml"], in: cluster.directory)
        #expect(bad.code == 2 && bad.errors.contains("is yes or no, and not \"perhaps\""), "\(bad.errors)")
    }

    @Test("A service manager hears that a server is ready, that it is well, and that it stops")
    func notifies() async throws {
        let cluster = try await TestCluster(servers: 1)
        defer { cluster.end() }
        let path = "\(cluster.directory.path)/notify"
        let listener = try NotifyListener(path)
        try cluster.launch(
            "a", cluster.serveArguments("a"), environment: ["NOTIFY_SOCKET": path, "WATCHDOG_USEC": "300000"])
        #expect(try await listener.next(within: 20) == "READY=1\nSTATUS=server a serves")
        for _ in 0..<3 { #expect(try await listener.next(within: 5) == "WATCHDOG=1") }
        cluster.send(SIGTERM, to: "a")
        var last: String?
        while let next = try await listener.next(within: 3) {
            last = next
            if next == "STOPPING=1" { break }
        }
        #expect(last == "STOPPING=1")
    }
}

/// The socket of a service manager.
final class NotifyListener {
    private let descriptor: Int32

    init(_ path: String) throws {
        descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        try #require(bytes.count < MemoryLayout.size(ofValue: address.sun_path))
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let bound = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        try #require(bound == 0)
    }

    deinit { close(descriptor) }

    func next(within seconds: Double) async throws -> String? {
        let deadline = Date(timeIntervalSinceNow: seconds)
        var buffer = [UInt8](repeating: 0, count: 1_024)
        while Date() < deadline {
            let count = recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
            if count > 0 { return String(decoding: buffer[..<count], as: UTF8.self) }
            try await Task.sleep(for: .milliseconds(10))
        }
        return nil
    }
}
