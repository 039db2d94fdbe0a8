import Foundation
import Testing

/// The recipes of docs/operations, under a load that tells whether a request failed.
@Suite(.serialized) struct RecipeTests {
    /// Writers that write without pause until they are told to end.
    private final class Writers {
        private let process = Process()
        private let input = Pipe()
        private let path: String

        init(_ cluster: TestCluster) throws {
            path = cluster.directory.path + "/pulse"
            _ = FileManager.default.createFile(atPath: path, contents: nil)
            process.executableURL = try Program.executable("chaos-clients")
            process.arguments = [
                "pulse", "--writers", "4", "--client-file", cluster.directory.path + "/plan/client.json",
            ]
            process.standardInput = input
            process.standardOutput = try open(FileHandle(forWritingAtPath: path))
            process.standardError = FileHandle.nullDevice
            try process.run()
        }

        /// - Returns: how many writes succeeded and how many failed; and the longest pause between two, in seconds.
        func end() async throws -> (done: Int, failed: Int, pause: Double) {
            try input.fileHandleForWriting.close()
            try await Program.waitForEnd(process, within: 30, ["pulse"])
            #expect(process.terminationStatus == 0)
            let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
            let ends = lines.filter { $0.hasSuffix(" ok") }.compactMap { UInt64($0.split(separator: " ")[1]) }.sorted()
            let pause = zip(ends, ends.dropFirst()).map { $1 - $0 }.max() ?? 0
            return (ends.count, lines.count - ends.count, Double(pause) / 1e9)
        }
    }

    private func voters(_ cluster: TestCluster, _ count: Int) async throws -> [String] {
        try await MembersTests.status(cluster) { $0.voters.count == count }.voters
    }

    private func done(_ cluster: TestCluster, _ arguments: [String]) async throws {
        let result = try await cluster.run(arguments)
        try #require(result.code == 0, "\(arguments): \(result.output)\(result.errors)")
    }

    @Test(
        "A rolling upgrade: old and new servers side by side under load, what only the new know is refused until the last is new",
        arguments: [1, 2, 3])
    func upgrade(level: Int) async throws {
        let old = ["--feature-level", "\(level)"]
        try await withCluster(servers: 3, old) { cluster in
            let writers = try Writers(cluster)
            try await done(cluster, ["tuple", "write", "kept", #"["before"]"#])
            let lease = ["tuple", "write", "kept", #"["leased"]"#, "--lease", "600"]
            let policy = ["admin", "policy", "set", "kept", #"{"take":"signed-in"}"#]
            for name in cluster.names {
                for (needed, command) in [(3, lease), (4, policy)] where needed > level {
                    let refused = try await cluster.run(command)
                    let sentence = "this needs feature level \(needed), and the cluster is at \(level)"
                    #expect(refused.code == 1 && refused.errors.contains(sentence), "\(refused)")
                }
                #expect(try await cluster.stop(name) == 0)
                try cluster.start(name)
                try await cluster.waitUntilReady(name)
            }
            let deadline = ContinuousClock.now + .seconds(20)
            var taken = try await cluster.run(policy)
            while taken.code != 0, ContinuousClock.now < deadline { taken = try await cluster.run(policy) }
            #expect(taken.code == 0, "\(taken)")
            try await done(cluster, lease)
            let forbidden = try await cluster.run(["tuple", "take", "kept", "[null]"])
            #expect(
                forbidden.code != 0 && forbidden.errors.contains("may not take from the space kept"), "\(forbidden)")
            #expect(try await cluster.run(["tuple", "count", "kept", #"[{"regex":"."}]"#]).output == "2\n")
            let (written, failed, _) = try await writers.end()
            #expect(failed == 0 && written > 100)
            // The way back is closed: an older program says so, and does not start.
            #expect(try await cluster.stop("a") == 0)
            try cluster.start("a", old)
            #expect(try await cluster.waitForEnd("a") == 1)
            #expect(cluster.log("a").contains("feature level"))
        }
    }

    @Test("From one server to three, to five, and back to one, under load without a failed request")
    func growsUnderLoad() async throws {
        try await withCluster(servers: 1) { cluster in
            let writers = try Writers(cluster)
            for name in ["d", "e", "f", "g"] {
                try cluster.startJoining(name)
                try await done(cluster, ["cluster", "add", name, "--yes"])
            }
            #expect(try await voters(cluster, 5) == ["a", "d", "e", "f", "g"])
            try await done(cluster, ["cluster", "remove", "f", "g"])
            try await done(cluster, ["cluster", "remove", "e"])
            try await done(cluster, ["cluster", "remove", "d"])
            for name in ["d", "e", "f", "g"] { #expect(try await cluster.waitForEnd(name) == 6) }
            #expect(try await voters(cluster, 1) == ["a"])
            let (written, failed, _) = try await writers.end()
            #expect(failed == 0 && written > 100)
            // Each of them is there, once.
            let count = try await cluster.run(["tuple", "count", "pulse", "[null, null, null]"])
            #expect(count.output.contains("\(written)"), "\(written) were acknowledged, and there are \(count.output)")
        }
    }

    @Test("A machine that died for good is replaced; its wiped disk makes no second self of it")
    func replacesADeadMachine() async throws {
        try await withCluster(servers: 3) { cluster in
            let writers = try Writers(cluster)
            cluster.kill("c")
            try FileManager.default.removeItem(atPath: "\(cluster.directory.path)/data-c")
            try cluster.start("c")
            #expect(try await cluster.waitForEnd("c") == 1)
            #expect(
                cluster.log("c").contains(
                    "belongs to a running cluster that does not know this server's data directory"))
            try await done(cluster, ["cluster", "remove", "c"])
            // Its name is free now.
            try FileManager.default.removeItem(atPath: "\(cluster.directory.path)/data-c")
            try cluster.startJoining("c")
            try await done(cluster, ["cluster", "add", "c", "--yes"])
            #expect(try await voters(cluster, 3) == ["a", "b", "c"])
            // Two of three are enough again, whichever.
            cluster.kill("b")
            try await done(cluster, ["tuple", "write", "after", "[1]"])
            #expect(try await writers.end().failed == 0)
        }
    }

    @Test("Servers are restarted one after another without a failed request") func rollingRestart() async throws {
        try await withCluster(servers: 3) { cluster in
            let writers = try Writers(cluster)
            for name in cluster.names {
                #expect(try await cluster.stop(name) == 0)
                try cluster.start(name)
                try await cluster.waitUntilReady(name)
            }
            let (written, failed, pause) = try await writers.end()
            #expect(failed == 0 && written > 100)
            // The figure is measured apart, on an idle machine.
            #expect(pause < 2, "the longest pause was \(pause) s")
        }
    }

    @Test("Data directories that were swapped are noticed, and left as they are") func swappedDirectories() async throws
    {
        try await withCluster(servers: 3) { cluster in
            for name in ["b", "c"] { #expect(try await cluster.stop(name) == 0) }
            let path = cluster.directory.path
            let files = FileManager.default
            try files.moveItem(atPath: "\(path)/data-b", toPath: "\(path)/data-x")
            try files.moveItem(atPath: "\(path)/data-c", toPath: "\(path)/data-b")
            try cluster.start("b")
            #expect(try await cluster.waitForEnd("b") == 1)
            #expect(cluster.log("b").contains("was initialised already, as"), "\(cluster.log("b"))")
            try files.moveItem(atPath: "\(path)/data-b", toPath: "\(path)/data-c")
            try files.moveItem(atPath: "\(path)/data-x", toPath: "\(path)/data-b")
            for name in ["b", "c"] { try cluster.start(name) }
            for name in ["b", "c"] { try await cluster.waitUntilReady(name) }
        }
    }
}
