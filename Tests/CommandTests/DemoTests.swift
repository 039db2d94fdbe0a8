import Foundation
import Testing

/// The demo as a newcomer runs it, without the fortunes.
@Suite(.serialized) struct DemoTests {
    /// A demo that runs until it is told otherwise.
    private final class RunningDemo {
        let process = Process()
        let directory: TemporaryDirectory
        let base: Int

        init(in directory: TemporaryDirectory, base: Int) throws {
            self.directory = directory
            self.base = base
            let log = "\(directory.path)/demo.log"
            _ = FileManager.default.createFile(atPath: log, contents: nil)
            process.executableURL = try Program.executable()
            process.arguments = ["demo", "--data", "\(directory.path)/demo", "--no-load", "--port-base", String(base)]
            process.environment = Program.environment([:], home: directory.path)
            process.standardOutput = try open(FileHandle(forWritingAtPath: log))
            process.standardError = process.standardOutput
            process.standardInput = FileHandle.nullDevice
            try process.run()
        }

        var output: String { (try? String(contentsOfFile: "\(directory.path)/demo.log", encoding: .utf8)) ?? "" }

        func wait(for text: String, within seconds: Double = 30) async throws {
            let deadline = Date(timeIntervalSinceNow: seconds)
            while !output.contains(text) {
                guard process.isRunning, Date() < deadline else {
                    Issue.record("the demo never said \"\(text)\"; it said:\n\(output)")
                    throw CancellationError()
                }
                try await Task.sleep(for: .milliseconds(50))
            }
        }

        /// Process ids of the servers, as their logs say.
        var servers: [Int32] {
            ["a", "b", "c"].compactMap { name in
                let log = (try? String(contentsOfFile: "\(directory.path)/demo/\(name).log", encoding: .utf8)) ?? ""
                let line = log.split(separator: "\n").last { $0.contains("pid ") }
                return line?.split(separator: "pid ").last?.split(separator: ",").first.flatMap { Int32($0) }
            }
        }
    }

    private func waitUntilGone(_ pids: [Int32]) async throws {
        let deadline = Date(timeIntervalSinceNow: 15)
        while pids.contains(where: { kill($0, 0) == 0 }) {
            guard Date() < deadline else {
                Issue.record("servers of the demo still run")
                return
            }
            try await Task.sleep(for: .milliseconds(50))
        }
    }

    @Test("A demo ends cleanly and finds all as it was") func aDemoEndsCleanlyAndFindsAllAsItWas() async throws {
        let directory = try TemporaryDirectory()
        let base = Ports.base(for: 3)
        for round in 1...2 {
            let demo = try RunningDemo(in: directory, base: base)
            defer { if demo.process.isRunning { demo.process.terminate() } }
            try await demo.wait(for: "What to try")
            for port in 0..<3 { #expect(demo.output.contains("http://127.0.0.1:\(base + 40 + port)/")) }
            let servers = demo.servers
            #expect(servers.count == 3)
            // No flags: the demo has saved how to reach it.
            if round == 1 {
                let post = try await Program.run(["post", "--user", "me", "--topic", "t", "stays"], in: directory)
                #expect(post.code == 0, "\(post.errors)")
            } else {
                #expect(try await Program.run(["topic", "t"], in: directory).output.contains("stays"))
            }
            kill(servers[1], SIGKILL)
            try await demo.wait(for: "server b (pid \(servers[1])) was killed (signal 9)")
            #expect(demo.output.contains("serve --data \(directory.path)/demo/b --name b --plan"))
            #expect(try await Program.run(["timeline"], in: directory).code == 0)
            demo.process.interrupt()
            try await Program.waitForEnd(demo.process, within: 20, ["demo"])
            #expect(demo.process.terminationStatus == 0, "\(demo.output)")
            try await waitUntilGone(servers)
        }
    }

    @Test("Servers never outlive a demo that is killed") func serversNeverOutliveADemoThatIsKilled() async throws {
        let demo = try RunningDemo(in: try TemporaryDirectory(), base: Ports.base(for: 3))
        try await demo.wait(for: "What to try")
        let servers = demo.servers
        #expect(servers.count == 3 && servers.allSatisfy { kill($0, 0) == 0 })
        kill(demo.process.processIdentifier, SIGKILL)
        try await waitUntilGone(servers)
    }

    @Test("A port in use is named before anything starts") func aPortInUseIsNamedBeforeAnythingStarts() async throws {
        let directory = try TemporaryDirectory()
        let base = Ports.base(for: 3)
        let listener = try Ports.Listener(port: base + 41)
        let result = try await Program.run(
            ["demo", "--data", "demo", "--no-load", "--port-base", String(base)], in: directory)
        withExtendedLifetime(listener) {}
        #expect(result.code == 1)
        #expect(result.errors.contains("port \(base + 41) is in use") && result.errors.contains("--port-base"))
    }

    @Test("The directory of another demo keeps its number of servers")
    func theDirectoryOfAnotherDemoKeepsItsNumberOfServers() async throws {
        let directory = try TemporaryDirectory()
        let base = Ports.base(for: 3)
        let list = "a=127.0.0.1:\(base)"
        #expect(
            try await Program.run(["cluster", "plan", "--servers", list, "--out", "demo/plan"], in: directory).code == 0
        )
        let result = try await Program.run(["demo", "--data", "demo", "--servers", "3"], in: directory)
        #expect(result.code == 1)
        #expect(result.errors.contains("holds a demo of 1 servers, and not of 3"), "\(result.errors)")
    }

    @Test("The whole story holds") func theWholeStoryHolds() async throws {
        let directory = try TemporaryDirectory()
        let fortunes = try directory.write(
            "Short.\n%\n" + String(repeating: "Long. ", count: 200) + "\n", to: "fortunes/wise")
        let result = try await Program.run(
            ["demo", "--check", "--fortunes", (fortunes as NSString).deletingLastPathComponent], in: directory,
            within: 120)
        #expect(result.code == 0, "\(result.output)\(result.errors)")
        #expect(result.output.contains("1 quotation too long for one post, so in 3 numbered posts"))
        #expect(result.output.hasSuffix("everything held\n"))
    }
}
