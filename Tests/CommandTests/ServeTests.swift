import Foundation
import Testing

/// What keeps a server from starting, each in a clear sentence.
@Suite(.serialized) struct ServeTests {
    @Test("A damaged plan is named with its field") func aDamagedPlanIsNamedWithItsField() async throws {
        let cluster = try await TestCluster(servers: 1)
        let path = try cluster.directory.write(
            #"{"format":"starling-server-plan","version":1}"#, to: "plan/x.plan.json")
        let result = try await Program.run(
            ["serve", "--data", "x", "--name", "x", "--plan", path], in: cluster.directory)
        #expect(result.code == 1)
        #expect(result.errors.contains(path) && result.errors.contains("is missing"), "\(result.errors)")
    }

    @Test("Another server's plan is refused") func anothersPlanIsRefused() async throws {
        let cluster = try await TestCluster(servers: 3)
        let result = try await Program.run(
            ["serve", "--data", "x", "--name", "b", "--plan", "plan/a.plan.json"], in: cluster.directory)
        #expect(result.code == 2)
        #expect(result.errors.contains("is for server a, and not for b"), "\(result.errors)")
    }

    @Test("Clients and browsers of other machines are let in only on purpose", arguments: ["--http", "--client"])
    func loopbackOnly(flag: String) async throws {
        let cluster = try await TestCluster(servers: 1)
        for host in ["0.0.0.0", "*", "192.0.2.1", "example.org"] {
            let result = try await Program.run(
                cluster.serveArguments("a") + [flag, "\(host):7000"], in: cluster.directory)
            #expect(result.code == 2)
            #expect(result.errors.contains("is not on this machine alone"), "\(result.errors)")
            #expect(result.errors.contains("say --open"), "\(result.errors)")
        }
    }

    @Test("A port in use is named", arguments: [("peers", 0), ("clients", 20), ("HTTP", 40)])
    func portInUse(door: String, offset: Int) async throws {
        let cluster = try await TestCluster(servers: 1)
        let listener = try Ports.Listener(port: cluster.base + offset)
        let result = try await Program.run(cluster.serveArguments("a"), in: cluster.directory)
        withExtendedLifetime(listener) {}
        #expect(result.code == 1)
        #expect(
            result.errors.contains(
                "cannot listen for \(door) at 127.0.0.1:\(cluster.base + offset): the port is in use"),
            "\(result.errors)")
    }

    @Test("A directory that holds something else is left alone") func aDirectoryThatHoldsSomethingElseIsLeftAlone()
        async throws
    {
        let cluster = try await TestCluster(servers: 1)
        let file = try cluster.directory.write("letters to my aunt", to: "data-a/letter.txt")
        let result = try await Program.run(cluster.serveArguments("a"), in: cluster.directory)
        #expect(result.code == 1)
        #expect(result.errors.contains("data-a"), "\(result.errors)")
        #expect(try String(contentsOfFile: file, encoding: .utf8) == "letters to my aunt")
    }

    @Test("A data directory of another cluster is refused") func aDataDirectoryOfAnotherClusterIsRefused() async throws
    {
        try await withCluster(servers: 1) { cluster in
            #expect(try await cluster.stop("a") == 0)
            let other = try await TestCluster(servers: 1)
            let result = try await Program.run(
                ["serve", "--data", "\(cluster.directory.path)/data-a", "--name", "a", "--plan", "plan/a.plan.json"],
                in: other.directory)
            #expect(result.code == 1)
            #expect(result.errors.contains("cluster"), "\(result.errors)")
        }
    }

    @Test("Two servers on one directory are one too many") func twoServersOnOneDirectoryAreOneTooMany() async throws {
        try await withCluster(servers: 1) { cluster in
            let base = Ports.base()
            let result = try await Program.run(
                cluster.serveArguments("a") + [
                    "--peer", "127.0.0.1:\(base)", "--client", "127.0.0.1:\(base + 20)", "--http",
                    "127.0.0.1:\(base + 40)",
                ], in: cluster.directory)
            #expect(result.code == 1)
            #expect(result.errors.contains("in use") && result.errors.contains("pid"), "\(result.errors)")
            // The first one goes on.
            #expect(try await cluster.run(["tuple", "count", "blog", "[null]"]).code == 0)
        }
    }

    @Test("A server ends with whoever started it") func aServerEndsWithWhoeverStartedIt() async throws {
        let cluster = try await TestCluster(servers: 1)
        let result = try await Program.run(cluster.serveArguments("a") + ["--ends-with-input"], in: cluster.directory)
        // Its input ended at once.
        #expect(result.output.contains("server a of cluster"))
    }
}
