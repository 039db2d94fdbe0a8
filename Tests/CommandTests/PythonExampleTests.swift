import Foundation
import Testing

/// Examples/python, written from docs/formats alone, with real servers.
@Suite(.serialized) struct PythonExampleTests {
    private static let python = "/usr/bin/python3"
    private static let folder = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().appending(path: "../../Examples/python").standardizedFileURL

    private static let isAvailable: Bool = {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: python)
        process.arguments = ["-c", "import zmq"]
        process.standardError = FileHandle.nullDevice
        guard (try? process.run()) != nil else { return false }
        process.waitUntilExit()
        return process.terminationStatus == 0
    }()

    private struct Server: Decodable {
        var client: String
        var publicKey: String
    }

    private func servers(_ cluster: TestCluster) throws -> [Server] {
        struct File: Decodable { var servers: [Server] }
        let text = try Data(contentsOf: URL(fileURLWithPath: cluster.directory.path + "/plan/client.json"))
        return try JSONDecoder().decode(File.self, from: text).servers
    }

    /// Both its outputs go to the file.
    private func start(_ arguments: [String], _ output: FileHandle) throws -> Process {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: Self.python)
        process.arguments = ["-B"] + arguments
        process.currentDirectoryURL = Self.folder
        process.standardOutput = output
        process.standardError = output
        try process.run()
        return process
    }

    private func startWorker(_ cluster: TestCluster, _ output: FileHandle) throws -> Process {
        let servers = try servers(cluster)
        let lists = [servers.map(\.client), servers.map(\.publicKey)].map { $0.joined(separator: ",") }
        return try start(["worker.py"] + lists, output)
    }

    private let operations = """
        from starling_client import *
        from starling_statements import *
        import starling_statements as statements
        import sys
        from zmq.utils import z85
        with Starling((sys.argv[1], z85.decode(sys.argv[2]))) as space:
            # Leases, and tuples by id.
            id = space.write("s", ["a", 1], lease=60)
            assert space.renew("s", id, 3600) and space.renew("s", id, None) and not space.renew("s", 7, 1)
            assert space.replace("s", id, ["a", 2]) and space.read("s", ["a", ANY]) == ["a", 2]
            assert space.take_id("s", id) == ["a", 2] and space.take_id("s", id) is None
            assert not space.replace("s", id, ["a", 3])
            space.write("s", ["gone"], lease=0)
            assert space.read("s", ["gone"]) is None
            # Patterns and pages.
            ids = [space.write("s", [word, n]) for n, word in enumerate(["apple", "bat", "cat", "axe"])]
            def numbers(first, second=ANY, **more): return [t[1] for _, t in space.read_all("s", [first, second], **more)]
            assert numbers(regex("^a.*e$")) == [0, 3] and numbers(prefix("c")) == [2]
            assert numbers(ANY, between(1, 3)) == [1, 2, 3] and numbers(ANY, between(1, 3, open=True)) == [1, 2]
            assert numbers(of_type("string"), of_type("int")) == [0, 1, 2, 3] and numbers(of_type("bool")) == []
            assert numbers(ANY, limit=2) == [0, 1] and numbers(ANY, after=ids[1]) == [2, 3]
            assert numbers(ANY, newest=True, before=ids[2]) == [1, 0] and numbers(ANY, after=ids[0], before=ids[2]) == [1]
            assert [t[1] for _, t in space.take_all("s", [regex("a"), ANY], limit=3, newest=True)] == [3, 2, 1]
            assert space.take_all("s", ["none", ANY]) == []
            # Statements.
            done, (taken_, written) = run(
                space, [taken("s", ["apple", bind(0, "int")]), write("t", ["x", formal(0), id_of(0)], lease=60)])
            assert (done, taken_, written[1]) == (0, (ids[0], ["apple", 0]), None)
            assert space.read_all("t", [ANY] * 3) == [(written[0], ["x", 0, ids[0]])]
            done, results = run(space, [taken("t", ["none"])], [seen("t", ["x", ANY, ANY]), statements.replace(0, ["y"])])
            assert done == 1 and results[0][0] == results[1][0] == written[0]
            assert run(space, [taken("t", ["none"])], timeout=0.1) is None
            insert = [always, absent("t", ["z"]), write("t", ["z"])]
            assert run(space, insert)[1][:2] == [None, None]
            assert run(space, [always, take_if_any("t", ["none"]), read("t", ["z"]), take("t", ["y"])])[1][3][1] == ["y"]
            # What fails says why.
            for failing in (lambda: run(space, insert), lambda: space.read("s", [regex("(")]),
                            lambda: space.write("s", []), lambda: space.renew("", 1, 1)):
                try: failing()
                except StarlingError as error: print(error.code)
        """

    @Test(
        "Leases, takes by id and of all, patterns, pages and statements are done from Python", .enabled(if: isAvailable)
    )
    func operationsOfTheSpecification() async throws {
        try await withCluster(servers: 1) { cluster in
            let server = try #require(try servers(cluster).first)
            let path = try cluster.directory.write("", to: "python.log")
            let log = try open(FileHandle(forWritingAtPath: path))
            let process = try start(["-c", operations, server.client, server.publicKey], log)
            try await Program.waitForEnd(process, within: 30, ["python"])
            let said = try String(contentsOfFile: path, encoding: .utf8)
            #expect(said == "statement-failed\nmalformed\nmalformed\ninvalid-space\n")
        }
    }

    @Test("Workers do each job once though the leader dies, and one of them", .enabled(if: isAvailable))
    func deaths() async throws {
        try await withCluster(servers: 3) { cluster in
            let count = 600
            let jobs = (1...count).map { "write [\"job\",\($0)]\n" }.joined()
            let written = try await cluster.run(["tuple", "shell", "jobs"], input: jobs)
            try #require(written.code == 0, "\(written.errors)")
            let path = try cluster.directory.write("", to: "workers.log")
            let log = try open(FileHandle(forWritingAtPath: path))
            let workers = try (0..<3).map { _ in try startWorker(cluster, log) }
            defer { for worker in workers where worker.isRunning { worker.terminate() } }
            try await waitForResults(count / 10, cluster)
            kill(workers[0].processIdentifier, SIGKILL)
            struct Status: Decodable { var leader: String? }
            let leader = try #require(try await cluster.run(["cluster", "status", "--json"]).json(Status.self).leader)
            #expect(try await results(cluster) < count, "all was done before the death that it should bear")
            cluster.kill(leader)
            let names = cluster.names.filter { $0 != leader }
            for worker in workers.dropFirst() {
                try await Program.waitForEnd(worker, within: 60, ["worker.py"])
                #expect(worker.terminationStatus == 0, "\((try? String(contentsOfFile: path, encoding: .utf8)) ?? "")")
            }
            // The job that the dead worker held returns with the end of its session.
            try await waitForResults(count - 1, cluster, at: names)
            if try await results(cluster, at: names) < count {
                _ = try await cluster.run(["tuple", "read", "jobs", "[null,null]", "--timeout", "30"], at: names)
                try await Program.waitForEnd(try startWorker(cluster, log), within: 60, ["worker.py"])
            }
            #expect(try await results(cluster, at: names) == count)
            let all = try await cluster.run(
                ["tuple", "read-all", "results", "[null,null,null]", "--limit", "1000"], at: names)
            let done = Set(all.output.split(separator: "\n").compactMap { $0.split(separator: "  ").last })
            #expect(done == Set((1...count).map { "[\"result\",\($0),\($0 * $0)]" }))
        }
    }

    private func results(_ cluster: TestCluster, at servers: [String]? = nil) async throws -> Int {
        let counted = try await cluster.run(["tuple", "count", "results", "[null,null,null]"], at: servers)
        return try #require(Int(counted.output.trimmingCharacters(in: .whitespacesAndNewlines)), "\(counted.errors)")
    }

    private func waitForResults(_ count: Int, _ cluster: TestCluster, at servers: [String]? = nil) async throws {
        let deadline = Date(timeIntervalSinceNow: 30)
        while try await results(cluster, at: servers) < count {
            try #require(Date() < deadline, "the workers do not work")
        }
    }
}
