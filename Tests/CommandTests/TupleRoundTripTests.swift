import Foundation
import Testing

private struct Written: Decodable {
    var id: String
    var position: String
}

private struct Found: Decodable {
    var id: String
    var tuple: [String]
}

private struct Page: Decodable {
    var tuples: [Found]
    var more: Bool
}

private struct Posts: Decodable {
    struct Post: Decodable {
        var user: String
        var topic: String
        var message: String
    }
    var posts: [Post]
}

private struct Status: Decodable {
    struct Member: Decodable {
        var name: String
        var role: String
        var reachable: Bool
    }
    var leader: String?
    var members: [Member]
}

private struct Bench: Decodable {
    var operation: String
    var sessions: Int
    var requests: Int
    var errors: Int
    var rate: Double
    var p50Ms: Double
    var p99Ms: Double
}

/// Commands that speak with a cluster.
@Suite(.serialized) struct TupleRoundTripTests {
    @Test("One server keeps tuples through commands and a restart")
    func oneServerKeepsTuplesThroughCommandsAndARestart() async throws {
        try await withCluster(servers: 1) { cluster in
            try await writeReadTake(cluster)
            #expect(try await cluster.run(["tuple", "write", "kept", #"["x",1]"#]).code == 0)
            #expect(try await cluster.stop("a") == 0)
            try await cluster.startAll()
            #expect(try await cluster.run(["tuple", "read", "kept", "[null,1]"]).output == "[\"x\",1]\n")
        }
    }

    @Test("Another cluster's id exits 4, another cluster's key exits 5, and each says why")
    func strangers() async throws {
        try await withCluster(servers: 1) { cluster in
            let list = "a=127.0.0.1:\(cluster.base)"
            let plan = try await Program.run(
                ["cluster", "plan", "--servers", list, "--out", "other"], in: cluster.directory)
            #expect(plan.code == 0)
            let other = try String(contentsOfFile: "\(cluster.directory.path)/other/client.json", encoding: .utf8)
            let own = try String(contentsOfFile: "\(cluster.directory.path)/plan/client.json", encoding: .utf8)
            func id(_ text: String) throws -> String {
                struct File: Decodable { var cluster: String }
                return try JSONDecoder().decode(File.self, from: Data(text.utf8)).cluster
            }
            let mixed = try cluster.directory.write(
                own.replacingOccurrences(of: try id(own), with: try id(other)), to: "mixed.json")
            let wrongID = try await cluster.run(["tuple", "count", "s", "[1]", "--client-file", mixed])
            #expect(wrongID.code == 4 && wrongID.errors.contains("belongs to cluster"), "\(wrongID.errors)")
            let wrongKey = try await cluster.run(
                ["tuple", "count", "s", "[1]", "--client-file", "other/client.json", "--request-timeout", "1"])
            #expect(wrongKey.code == 5 && wrongKey.errors.contains("does not hold the key"), "\(wrongKey.errors)")
        }
    }

    @Test("Leases end, take-all takes, watch shows, and a statement is done as one, by the commands")
    func completeTuples() async throws {
        try await withCluster(servers: 1) { cluster in
            let (directory, environment) = (cluster.directory, cluster.environment())
            async let watching = Program.run(
                ["tuple", "watch", "jobs", "--after", "0.0", "--count", "5", "--json"], in: directory,
                environment: environment)
            let leased = try await cluster.run(["tuple", "write", "jobs", #"["a"]"#, "--lease", "0.2", "--json"])
            #expect(leased.code == 0, "\(leased.errors)")
            for name in ["b", "c"] {
                #expect(try await cluster.run(["tuple", "write", "jobs", "[\"\(name)\"]"]).code == 0)
            }
            let taken = try await cluster.run([
                "tuple", "take-all", "jobs", #"[{"regex":"^[bc]$"}]"#, "--newest", "--limit", "1",
            ])
            #expect(taken.code == 0 && taken.output.hasSuffix("  [\"c\"]\n"), "\(taken)")
            struct Seen: Decodable {
                var kind: String
                var tuple: [String]
            }
            let lines = try await watching.output.split(separator: "\n")
            let seen = try lines.map { try JSONDecoder().decode(Seen.self, from: Data($0.utf8)) }
            #expect(Set(seen.map { $0.kind + $0.tuple[0] }) == ["writea", "expirea", "writeb", "writec", "takec"])
            let move =
                #"[{"guard":{"take":{"space":"jobs","template":[{"bind":"x"}]}},"steps":[{"write":{"space":"done","tuple":[{"formal":"x"},1]}}]}]"#
            let moved = try await cluster.run(["tuple", "run", move])
            #expect(moved.code == 0 && moved.output.hasPrefix("done by alternative 1\n  0  "), "\(moved)")
            #expect(try await cluster.run(["tuple", "read", "done", "[null,null]"]).output == "[\"b\",1]\n")
            #expect(try await cluster.run(["tuple", "run", "-"], input: move).code == 3)
            let failed = try await cluster.run([
                "tuple", "run", #"[{"steps":[{"take":{"space":"jobs","template":[1]}}]}]"#,
            ])
            #expect(failed.code == 1 && failed.errors.contains("statement-failed"), "\(failed.errors)")
            for (arguments, part) in [
                (["tuple", "run", "[{}"], "JSON"),
                (["tuple", "write", "s", "[1]", "--lease", "x"], "--lease is a number of seconds"),
                (["tuple", "take-all", "s", "[1]", "--limit", "0"], "--limit is 1 to 1000"),
                (["tuple", "watch", "s", "--after", "x"], "--after is a position"),
                (["tuple", "read", "s", #"[{"regex":"("}]"#], "a ) is missing"),
            ] {
                let result = try await cluster.run(arguments)
                #expect(result.code == 2 && result.errors.contains(part), "\(result)")
            }
        }
    }

    @Test("An unencrypted server serves unencrypted clients") func anUnencryptedServerServesUnencryptedClients()
        async throws
    {
        try await withCluster(servers: 1, ["--no-curve"]) { cluster in
            let write = try await cluster.run(["tuple", "write", "s", "[1]", "--no-curve"])
            #expect(write.code == 0, "\(write.errors)")
            let take = try await cluster.run(["tuple", "take", "s", "[1]", "--no-curve"])
            #expect(take.output == "[1]\n", "\(take.errors)")
        }
    }

    @Test("Three servers serve the same and bear the loss of one") func threeServersServeTheSameAndBearTheLossOfOne()
        async throws
    {
        try await withCluster(servers: 3) { cluster in
            try await writeReadTake(cluster)
            try await postsShowEverywhere(cluster)
            try await statusAndBench(cluster)
            let status = try await cluster.run(["cluster", "status", "--json"]).json(Status.self)
            let leader = try #require(status.leader)
            cluster.kill(leader)
            let others = cluster.names.filter { $0 != leader }
            let written = try await cluster.run(["tuple", "write", "after", #"["kill"]"#], at: others)
            #expect(written.code == 0, "\(written.errors)")
            try cluster.start(leader)
            try await cluster.waitUntilReady(leader)
            let read = try await cluster.run(["tuple", "read", "after", "[null]"], at: [leader])
            #expect(read.output == "[\"kill\"]\n", "\(read.errors)")
            try await withoutAMajority(cluster)
        }
    }

    private func writeReadTake(_ cluster: TestCluster) async throws {
        let key = ["tuple", "write", "s", #"["a","b"]"#, "--json", "--key", "k1"]
        let first = try await cluster.run(key).json(Written.self)
        #expect(try await cluster.run(key).json(Written.self).id == first.id)
        let mismatch = try await cluster.run(["tuple", "write", "s", #"["other"]"#, "--key", "k1"])
        #expect(mismatch.code == 1 && mismatch.errors.contains("idempotency-mismatch"), "\(mismatch.errors)")
        let found = try await cluster.run(["tuple", "read", "s", #"["a",{"type":"string"}]"#, "--json"]).json(
            Found.self)
        #expect(found.id == first.id && found.tuple == ["a", "b"])
        _ = try await cluster.run(["tuple", "write", "s", #"["a","c"]"#])
        let page = try await cluster.run([
            "tuple", "read-all", "s", #"["a",null]"#, "--newest", "--limit", "1", "--json",
        ])
        .json(Page.self)
        #expect(page.tuples.map(\.tuple) == [["a", "c"]] && page.more)
        #expect(try await cluster.run(["tuple", "count", "s", #"["a",null]"#]).output == "2\n")
        #expect(try await cluster.run(["tuple", "take", "s", #"["a",{"prefix":"b"}]"#]).output == "[\"a\",\"b\"]\n")
        let again = try await cluster.run(["tuple", "take", "s", #"["a",{"prefix":"b"}]"#, "--timeout", "0.2"])
        #expect(again.code == 3)
        #expect(again.errors.contains("no tuple in space s matches within 200 ms"), "\(again.errors)")
        let local = try await cluster.run(
            ["tuple", "read", "s", #"["a","c"]"#, "--consistency", "sequential", "--position", first.position])
        #expect(local.code == 0, "\(local.errors)")
        let large = try await cluster.run(["tuple", "write", String(repeating: "s", count: 129), "[1]"])
        #expect(large.code == 2 && large.errors.contains("128"), "\(large.errors)")
    }

    private func postsShowEverywhere(_ cluster: TestCluster) async throws {
        let text = String(repeating: "word ", count: 200)
        #expect(try await cluster.run(["post", "--user", "alice", "first #hello here"], at: ["a"]).code == 0)
        #expect(try await cluster.run(["post", "--user", "bob", "-", "--topic", "long"], input: text).code == 2)
        let split = try await cluster.run(["post", "--user", "bob", "--split", "-", "--topic", "long"], input: text)
        #expect(split.code == 0, "\(split.errors)")
        for name in cluster.names {
            let topic = try await cluster.run(["topic", "hello", "--json"], at: [name]).json(Posts.self)
            #expect(topic.posts.map(\.message) == ["first #hello here"])
            let bob = try await cluster.run(["timeline", "--user", "bob", "--json"], at: [name]).json(Posts.self)
            #expect(bob.posts.count == 3 && bob.posts.last?.message.hasPrefix("(1/3) word") == true)
        }
        let words = try await cluster.run(["timeline", "--limit", "1"])
        #expect(words.output.contains("bob in long") && words.output.contains("older: --before"))
    }

    private func statusAndBench(_ cluster: TestCluster) async throws {
        let status = try await cluster.run(["cluster", "status", "--json"]).json(Status.self)
        #expect(status.members.map(\.name).sorted() == cluster.names)
        #expect(status.members.filter { $0.role == "leader" }.map(\.name) == [status.leader])
        let table = try await cluster.run(["cluster", "status"])
        #expect(table.output.contains("★") && table.output.contains("TRAILS BY"))
        for operation in ["write", "read", "take", "post"] {
            let run = try await cluster.run(
                ["bench", operation, "--sessions", "4", "--requests", "40", "--size", "16", "--json"])
            let bench = try run.json(Bench.self)
            #expect(bench.operation == operation && bench.sessions == 4 && bench.requests == 40 && bench.errors == 0)
            #expect(bench.rate > 0 && bench.p50Ms > 0 && bench.p99Ms >= bench.p50Ms)
        }
    }

    /// Ends the cluster: no majority, then nobody at all.
    private func withoutAMajority(_ cluster: TestCluster) async throws {
        cluster.kill("a")
        cluster.kill("b")
        let write = try await cluster.run(["tuple", "write", "s", "[1]", "--request-timeout", "2"], at: ["c"])
        #expect(write.code == 5, "\(write.errors)")
        cluster.kill("c")
        let nobody = try await cluster.run(["tuple", "count", "s", "[1]", "--request-timeout", "1"])
        #expect(nobody.code == 5)
        #expect(nobody.errors.contains("unavailable"), "\(nobody.errors)")
    }
}
