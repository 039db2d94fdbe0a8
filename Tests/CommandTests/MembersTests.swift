import Foundation
import Testing

/// A cluster that people grow, shrink and move, by the commands alone.
@Suite(.serialized) struct MembersTests {
    struct Status: Decodable {
        struct Member: Decodable {
            var name: String
            var peer: String
            var voter: Bool
            var version: String?
            var publicKey: String
            var nextPublicKey: String?
        }
        struct Joiner: Decodable {
            var name: String
            var peer: String
            var publicKey: String
        }
        var leader: String?
        var members: [Member]
        var joining: [Joiner]

        var voters: [String] { members.filter(\.voter).map(\.name) }
    }

    /// How a server sees the cluster, once it sees it so: one that does not lead is some heartbeats late. As it does after ten seconds, if it
    /// does not.
    static func status(
        _ cluster: TestCluster, at names: [String]? = nil, when holds: (Status) -> Bool = { _ in true }
    ) async throws -> Status {
        let deadline = ContinuousClock.now + .seconds(10)
        while true {
            let result = try await cluster.run(["cluster", "members", "--json"], at: names)
            try #require(result.code == 0, "\(result.errors)")
            let status = try result.json(Status.self)
            if holds(status) || ContinuousClock.now > deadline { return status }
        }
    }

    /// Runs a command that has to succeed.
    @discardableResult
    private func done(_ cluster: TestCluster, _ arguments: [String]) async throws -> Program.Result {
        let result = try await cluster.run(arguments)
        #expect(result.code == 0, "\(arguments): \(result.output)\(result.errors)")
        return result
    }

    @Test(
        "A cluster of one grows to three and shrinks back to one, its data with it, in either order of asking and adding"
    )
    func growsAndShrinks() async throws {
        try await withCluster(servers: 1) { cluster in
            try await done(cluster, ["tuple", "write", "jobs", #"["kept", 1]"#])
            // Asked first, added then.
            try cluster.startJoining("d")
            try await cluster.waitUntil("d", says: "waits to be added: starling cluster add d")
            let unasked = try await cluster.run(["cluster", "add", "d"])
            #expect(unasked.code == 2 && unasked.errors.contains("give --key"), "\(unasked.errors)")
            let wrong = try await cluster.run([
                "cluster", "add", "d", "--wait", "0", "--key", String(repeating: "0", count: 40),
            ])
            #expect(wrong.code == 3 && wrong.errors.contains("no server asks to join as d"), "\(wrong.errors)")
            let key = try #require(try await Self.status(cluster) { !$0.joining.isEmpty }.joining.first?.publicKey)
            let added = try await done(cluster, ["cluster", "add", "d", "--key", key])
            #expect(added.output.contains("It becomes a learner, and a voter as soon as it has caught up."))
            #expect(added.output.contains("after: 2 voters (a and d): none of them may fail"))
            #expect(added.output.contains("d is a voter"))
            try await cluster.waitUntil("d", says: "server d is a member of cluster")
            // Added first, asked then.
            let (directory, environment) = (cluster.directory, cluster.environment())
            async let waiting = Program.run(["cluster", "add", "e", "--yes"], in: directory, environment: environment)
            try await Task.sleep(for: .milliseconds(300))
            let base = try cluster.startJoining("e")
            let second = try await waiting
            #expect(second.code == 0 && second.errors.contains("waiting for server e to ask"), "\(second)")
            #expect(second.output.contains("Now: 3 voters (a, d and e): 1 of them may fail at once"))
            let grown = try await Self.status(cluster) { $0.voters.count == 3 }
            #expect(grown.voters == ["a", "d", "e"] && grown.joining.isEmpty)
            // What was there is at the new ones, and so is the program's own way to them.
            let read = try await Program.run(
                ["tuple", "read", "jobs", #"["kept", null]"#, "--servers", "127.0.0.1:\(base + 20)", "--no-curve"],
                in: cluster.directory)
            #expect(read.code != 0, "its clients' door is encrypted as all others are")
            try await done(cluster, ["cluster", "members", "--save-client-file", "all.json"])
            let through = try await Program.run(
                [
                    "tuple", "read", "jobs", #"["kept", null]"#, "--servers", "127.0.0.1:\(base + 20)", "--client-file",
                    "all.json",
                ],
                in: cluster.directory)
            #expect(through.code == 0 && through.output.contains("kept"), "\(through.errors)")
            // Doing it again changes nothing.
            #expect(try await done(cluster, ["cluster", "add", "e", "--yes"]).output.contains("e is a voter"))

            // A restart needs no more than the first start.
            #expect(try await cluster.stop("e") == 0)
            try cluster.launch("e", ["serve", "--data", "data-e", "--name", "e"])
            while !Ports.ask("/readyz", port: base + 40).hasPrefix("HTTP/1.1 200") {
                try await Task.sleep(for: .milliseconds(50))
            }

            for name in ["d", "e"] {
                let removed = try await done(cluster, ["cluster", "remove", name])
                #expect(removed.output.contains("\(name) is no member any more"))
                #expect(try await cluster.waitForEnd(name) == 6)
                #expect(cluster.log(name).contains("was removed from the cluster"))
            }
            #expect(try await Self.status(cluster) { $0.voters.count == 1 }.voters == ["a"])
            #expect(try await done(cluster, ["tuple", "read", "jobs", #"["kept", null]"#]).output.contains("kept"))
        }
    }

    @Test("Only an operator changes the cluster, and is told which file says who that is")
    func permission() async throws {
        try await withCluster(servers: 1) { cluster in
            let none = try await cluster.run(["cluster", "transfer", "--operator-file", ""])
            #expect(none.code == 2, "\(none.errors)")
            let other = try await Program.run(
                ["cluster", "plan", "--servers", "z=127.0.0.1:9000", "--out", "other"], in: cluster.directory)
            #expect(other.code == 0)
            let foreign = try await cluster.run(["cluster", "remove", "a", "--operator-file", "other/operator.json"])
            #expect(foreign.code == 2 && foreign.errors.contains("is of cluster"), "\(foreign.errors)")
            // The right cluster's id with another key.
            func lines(_ file: String) throws -> [Substring] {
                try String(contentsOfFile: "\(cluster.directory.path)/\(file)", encoding: .utf8).split(separator: "\n")
            }
            let id = try #require(try lines("plan/operator.json").first { $0.contains("\"cluster\"") })
            let forged = try lines("other/operator.json").map { $0.contains("\"cluster\"") ? id : $0 }
            _ = try cluster.directory.write(forged.joined(separator: "\n"), to: "forged.json")
            let refused = try await cluster.run(["cluster", "transfer", "--operator-file", "forged.json"])
            #expect(
                refused.code == 4 && refused.errors.contains("only an operator may change the cluster"),
                "\(refused.errors)")
        }
    }

    @Test("What would break the cluster is refused, with the reason, and changes nothing")
    func refusals() async throws {
        try await withCluster(servers: 3) { cluster in
            let unknown = try await cluster.run(["cluster", "remove", "zoe"])
            #expect(
                unknown.code == 3
                    && unknown.errors.contains("no member of the cluster is called zoe; the members are a, b, c"))
            let majority = try await cluster.run(["cluster", "remove", "b", "c"])
            #expect(
                majority.code == 1 && majority.errors.contains("are a majority of the 3 voters"), "\(majority.errors)")
            let all = try await cluster.run(["cluster", "remove", "a", "b", "c", "--force"])
            #expect(all.code == 1 && all.errors.contains("without a voter"), "\(all.errors)")
            // With one dead, another cannot go: two would be left, of which one is heard.
            cluster.kill("c")
            try await Task.sleep(for: .seconds(2))
            for force in [[], ["--force"]] {
                let dead = try await cluster.run(["cluster", "remove", "b"] + force)
                #expect(dead.code == 1, "\(dead.errors)")
                #expect(dead.errors.contains("heard"), "\(dead.errors)")
            }
            // The dead one can.
            try await done(cluster, ["cluster", "remove", "c"])
            #expect(try await Self.status(cluster) { $0.voters.count == 2 }.voters == ["a", "b"])
            // Its directory is of no use any more, and says so.
            try cluster.start("c")
            #expect(try await cluster.waitForEnd("c") == 6)
        }
    }

    @Test("Leadership goes to whoever is named, and is said to be there already when asked again")
    func transfer() async throws {
        try await withCluster(servers: 3) { cluster in
            let before = try await Self.status(cluster)
            let target = try #require(["a", "b", "c"].first { $0 != before.leader })
            let told = try await done(cluster, ["cluster", "transfer", target])
            #expect(told.output.contains("\(target) leads"))
            #expect(try await Self.status(cluster).leader == target)
            #expect(
                try await done(cluster, ["cluster", "transfer", target]).output.contains("\(target) leads already"))
            #expect(try await done(cluster, ["cluster", "transfer"]).output.contains(" leads"))
        }
    }

    @Test("All servers move to new addresses at once, and find one another by the member file")
    func moves() async throws {
        try await withCluster(servers: 3) { cluster in
            try await done(cluster, ["tuple", "write", "jobs", #"["kept", 1]"#])
            let base = Ports.base(for: 3)
            let list = ["a", "b", "c"].enumerated().map { "\($0.element)=127.0.0.1:\(base + $0.offset)" }.joined(
                separator: ",")
            let moved = try await done(cluster, ["cluster", "move", list])
            #expect(moved.output.contains("the cluster knows the new addresses"))
            try await done(cluster, ["cluster", "members", "--save-client-file", "moved.json"])
            for name in cluster.names { #expect(try await cluster.stop(name) == 0) }
            for (i, name) in cluster.names.enumerated() {
                try cluster.start(
                    name,
                    [
                        "--peer", "127.0.0.1:\(base + i)", "--client", "127.0.0.1:\(base + 20 + i)", "--http",
                        "127.0.0.1:\(base + 40 + i)",
                    ])
            }
            let read = try await Program.run(
                [
                    "tuple", "read", "jobs", #"["kept", null]"#, "--client-file", "moved.json", "--request-timeout",
                    "20",
                ],
                in: cluster.directory)
            #expect(read.code == 0 && read.output.contains("kept"), "\(read.errors)")
        }
    }

    @Test("A server gets a new key while it serves, and its old one is of no use afterwards")
    func rotates() async throws {
        try await withCluster(servers: 3) { cluster in
            let rotate = ["cluster", "rotate-key", "b", "--plan", "plan/b.plan.json"]
            let before = try #require(try await Self.status(cluster).members.first { $0.name == "b" })
            // What an earlier attempt left, from when other operators were listed: of it only the keys are used.
            let other = try await Program.run(
                ["cluster", "plan", "--servers", "a=127.0.0.1:9000,b=127.0.0.1:9001", "--out", "other"],
                in: cluster.directory)
            #expect(other.code == 0)
            let path = cluster.directory.path
            try FileManager.default.copyItem(
                atPath: "\(path)/other/b.plan.json", toPath: "\(path)/plan/b.plan.json.next")
            func operators() throws -> [String]? {
                let data = try Data(contentsOf: URL(fileURLWithPath: "\(path)/plan/b.plan.json"))
                return (try JSONSerialization.jsonObject(with: data) as? [String: Any])?["operators"] as? [String]
            }
            let listed = try operators()
            let begun = try await done(cluster, rotate)
            #expect(begun.output.contains("Start b again, then repeat this command"))
            #expect(try operators() == listed && listed?.count == 1)
            #expect(!FileManager.default.fileExists(atPath: "\(path)/plan/b.plan.json.next"))
            func b(_ status: Status) -> Status.Member? { status.members.first { $0.name == "b" } }
            let both = try #require(b(try await Self.status(cluster) { b($0)?.nextPublicKey != nil }))
            #expect(both.publicKey == before.publicKey && both.nextPublicKey != nil)
            // It still runs with the old one.
            let early = try await cluster.run(rotate)
            #expect(early.code == 1 && early.errors.contains("does not answer"), "\(early.errors)")
            #expect(try await cluster.stop("b") == 0)
            try cluster.start("b")
            try await cluster.waitUntilReady("b")
            #expect(try await done(cluster, rotate).output.contains("b has only its new key now"))
            let after = try #require(b(try await Self.status(cluster) { b($0)?.nextPublicKey == nil }))
            #expect(after.publicKey == both.nextPublicKey && after.nextPublicKey == nil)
            try await done(cluster, ["tuple", "write", "jobs", #"["still", 1]"#])
        }
    }

    @Test("A server that cannot join says why: its name is taken, its directory is another's, nobody answers")
    func cannotJoin() async throws {
        try await withCluster(servers: 1) { cluster in
            let base = Ports.base()
            try cluster.launch(
                "second-a",
                [
                    "serve", "--data", "data-second", "--name", "a", "--join", cluster.clientAddress("a"),
                    "--client-file",
                    "plan/client.json", "--peer", "127.0.0.1:\(base)", "--client", "127.0.0.1:\(base + 20)", "--http",
                    "127.0.0.1:\(base + 40)",
                ])
            try await cluster.waitUntil("second-a", says: "a member is called a already")
            let join = [
                "--name", "d", "--peer", "127.0.0.1:7001", "--client", "127.0.0.1:7002", "--http", "127.0.0.1:7003",
            ]
            let other = try await Program.run(
                [
                    "serve", "--data", "data-a", "--join", cluster.clientAddress("a"), "--client-file",
                    "plan/client.json",
                ] + join,
                in: cluster.directory)
            #expect(other.code == 1 && other.errors.contains("is not empty"), "\(other.errors)")
            let nobody = try await Program.run(
                [
                    "serve", "--data", "data-x", "--join", "127.0.0.1:1", "--no-curve",
                ] + join, in: cluster.directory, environment: ["STARLING_REQUEST_TIMEOUT": "1"])
            #expect(nobody.code == 5 && nobody.errors.contains("no server answered"), "\(nobody.errors)")
            let both = try await cluster.run(
                ["serve", "--data", "x", "--plan", "plan/a.plan.json", "--join", "127.0.0.1:1"] + join)
            #expect(both.code == 2 && both.errors.contains("either"), "\(both.errors)")
            let rubbish = try cluster.directory.write("[]", to: "rubbish.json")
            let members = try await Program.run(
                cluster.serveArguments("a") + ["--members", rubbish], in: cluster.directory)
            #expect(
                members.code == 2 && members.errors.contains("is not what `starling cluster members --json` prints"))
        }
    }

    @Test(
        "A server that waits to be added asks with the addresses it has now, and does not wait where nobody can add it")
    func waits() async throws {
        try await withCluster(servers: 1) { cluster in
            let first = try cluster.startJoining("d")
            try await cluster.waitUntil("d", says: "waits to be added")
            cluster.kill("d")
            let base = try cluster.startJoining("d", base: Ports.base())
            #expect(base != first)
            let asks = try await Self.status(cluster) { $0.joining.first?.peer == "127.0.0.1:\(base)" }
            #expect(asks.joining.map(\.peer) == ["127.0.0.1:\(base)"])
            #expect(try await cluster.stop("d") == 0)
            #expect(try await cluster.stop("a") == 0)
            try cluster.launch(
                "alone",
                [
                    "serve", "--data", "data-d", "--name", "d", "--join", cluster.clientAddress("a"), "--client-file",
                    "plan/client.json",
                ], environment: ["STARLING_REQUEST_TIMEOUT": "1"])
            #expect(try await cluster.waitForEnd("alone") == 5)
            #expect(cluster.log("alone").contains("is no member yet, and knows nobody who could add it"))
        }
    }

    @Test("The watch tells of a change as it happens")
    func watch() async throws {
        try await withCluster(servers: 3) { cluster in
            let arguments = ["cluster", "watch", "--interval", "0.1", "--client-file", "plan/client.json"]
            try cluster.launch("watch", arguments)
            try await cluster.waitUntil("watch", says: "leader ")
            let leader = try #require(try await Self.status(cluster).leader)
            cluster.kill(leader)
            try await cluster.waitUntil("watch", says: "✗\(leader)")
            #expect(try await cluster.run(["cluster", "watch", "--interval", "0"]).code == 2)
        }
    }
}
