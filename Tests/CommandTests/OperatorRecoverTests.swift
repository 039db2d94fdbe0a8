import Foundation
import Testing

private struct LogReport: Decodable {
    var server: String
    var cluster: String
    var lastIndex: Int
    var lastTerm: Int
    var damaged: Bool
}

private struct Posts: Decodable {
    struct Post: Decodable {
        var message: String
    }
    var posts: [Post]
}

/// The operator's last resort, with real servers and real files.
@Suite(.serialized) struct OperatorRecoverTests {
    /// Three servers with posts, of which `a` has all, then all of them stopped and two lost for good.
    private func survivor(_ cluster: TestCluster) async throws {
        for number in 1...5 {
            let result = try await cluster.run(
                ["post", "--user", "alice", "--topic", "last", "message \(number)"], at: [["a", "b", "c"][number % 3]])
            try #require(result.code == 0, "\(result.errors)")
        }
        #expect(try await messages(cluster).count == 5)
        #expect(try await cluster.stop("a") == 0)
        for name in ["b", "c"] {
            cluster.kill(name)
            try FileManager.default.removeItem(atPath: "\(cluster.directory.path)/data-\(name)")
        }
    }

    private func messages(_ cluster: TestCluster, _ more: [String] = []) async throws -> [String] {
        let result = try await cluster.run(["timeline", "--json"] + more, at: ["a"])
        try #require(result.code == 0, "\(result.errors)")
        return try result.json(Posts.self).posts.map(\.message).sorted()
    }

    private func operate(_ cluster: TestCluster, _ arguments: [String]) async throws -> Program.Result {
        try await Program.run(["operator"] + arguments, in: cluster.directory)
    }

    @Test("What is no data directory is said to be none, and not an empty one")
    func noDirectory() async throws {
        let directory = try TemporaryDirectory()
        for inspecting in [["log", "inspect"], ["log", "verify"], ["snapshot", "inspect"]] {
            let result = try await Program.run(["operator"] + inspecting + ["/nowhere"], in: directory)
            #expect(result.code == 3 && result.errors.contains("/nowhere is not the data directory of a server"))
        }
    }

    @Test("A survivor of three serves alone with all it had, and the lost ones cannot come back into it")
    func aSurvivorServesAlone() async throws {
        try await withCluster(servers: 3) { cluster in
            let recover = ["recover", "--data", "data-a", "--out", "new", "--plan", "plan/a.plan.json", "--yes"]
            let running = try await operate(cluster, recover)
            #expect(running.code == 1)
            #expect(running.errors.contains("in use by another process"), "\(running.errors)")

            try await survivor(cluster)
            let before = try await operate(cluster, ["log", "inspect", "data-a", "--json"])
            let log = try before.json(LogReport.self)
            #expect(log.server == "a" && log.lastIndex > 5 && log.lastTerm >= 1 && !log.damaged)

            let asked = try await operate(cluster, recover.dropLast())
            #expect(asked.code == 2)
            #expect(asked.output.contains("What may be lost"), "\(asked.output)")
            #expect(!FileManager.default.fileExists(atPath: "\(cluster.directory.path)/new"))

            let done = try await operate(cluster, recover)
            #expect(done.code == 0, "\(done.errors)")
            let after = try await operate(cluster, ["log", "inspect", "data-a", "--json"]).json(LogReport.self)
            #expect(after.cluster != log.cluster)
            #expect(after.lastIndex == log.lastIndex + 1 && after.lastTerm > log.lastTerm)
            let again = try await operate(cluster, recover)
            #expect(again.code == 0 && again.output.contains("already"), "\(again.output)")

            // The old plan no longer fits, the new one does.
            let old = try await Program.run(cluster.serveArguments("a"), in: cluster.directory)
            #expect(old.code == 1 && old.errors.contains("belongs to cluster"), "\(old.errors)")
            try cluster.start("a", ["--plan", "new/a.plan.json"])
            try await cluster.waitUntilReady("a")
            let client = ["--client-file", "\(cluster.directory.path)/new/client.json"]
            #expect(try await messages(cluster, client) == (1...5).map { "message \($0)" })
            let post = try await cluster.run(
                ["post", "--user", "bob", "--topic", "last", "message 6"] + client, at: ["a"])
            #expect(post.code == 0, "\(post.errors)")

            // A restart is a restart like any other.
            cluster.kill("a")
            try cluster.start("a", ["--plan", "new/a.plan.json"])
            try await cluster.waitUntilReady("a")
            #expect(try await messages(cluster, client).count == 6)
        }
    }

    @Test("Without its plan the survivor gets a new key") func withoutItsPlan() async throws {
        try await withCluster(servers: 3) { cluster in
            try await survivor(cluster)
            // A directory with the present cluster's operator in it must not make the new cluster the old one.
            let files = FileManager.default
            let path = cluster.directory.path
            try files.createDirectory(atPath: "\(path)/same", withIntermediateDirectories: true)
            try files.copyItem(atPath: "\(path)/plan/operator.json", toPath: "\(path)/same/operator.json")
            let same = try await operate(cluster, ["recover", "--data", "data-a", "--out", "same", "--yes"])
            #expect(same.code == 1 && same.errors.contains("is of the present cluster"), "\(same.errors)")
            let done = try await operate(cluster, ["recover", "--data", "data-a", "--out", "new", "--yes"])
            #expect(done.code == 0, "\(done.errors)")
            try cluster.start("a", ["--plan", "new/a.plan.json"])
            try await cluster.waitUntilReady("a")
            let client = ["--client-file", "\(cluster.directory.path)/new/client.json"]
            #expect(try await messages(cluster, client).count == 5)
        }
    }

    @Test("Damage is found, named, and exits 1; a directory that is none is not made")
    func inspectAndVerify() async throws {
        try await withCluster(servers: 1) { cluster in
            let post = try await cluster.run(["post", "--user", "alice", "--topic", "last", "hello"])
            #expect(post.code == 0, "\(post.errors)")
            #expect(try await cluster.stop("a") == 0)
            let sound = try await operate(cluster, ["log", "verify", "data-a"])
            #expect(sound.code == 0 && sound.output.contains("every batch of the log is sound"), "\(sound.errors)")
            let records = try await operate(cluster, ["log", "inspect", "data-a", "--records"])
            #expect(records.code == 0 && records.output.contains("commit mark"), "\(records.output)")
            let snapshots = try await operate(cluster, ["snapshot", "inspect", "data-a"])
            #expect(snapshots.code == 0 && snapshots.output.contains("no snapshot yet"), "\(snapshots.output)")

            let save = try await operate(cluster, ["snapshot", "save", "data-a", "--out", "backup"])
            #expect(save.code == 3 && save.errors.contains("no sound snapshot"), "\(save.errors)")
            _ = try cluster.directory.write("no snapshot at all", to: "letter")
            let restore = try await operate(
                cluster, ["snapshot", "restore", "letter", "--data", "new-data", "--plan", "plan/a.plan.json"])
            #expect(restore.code == 1 && restore.errors.contains("letter is damaged"), "\(restore.errors)")
            #expect(!FileManager.default.fileExists(atPath: "\(cluster.directory.path)/new-data"))

            let path = "\(cluster.directory.path)/data-a/segment-0000000000000001"
            let file = try open(FileHandle(forUpdatingAtPath: path))
            try file.seek(toOffset: 4096 + 20)
            try file.write(contentsOf: Data([0xFF]))
            try file.close()
            let damaged = try await operate(cluster, ["log", "verify", "data-a"])
            #expect(damaged.code == 1)
            #expect(damaged.output.contains("damage") && damaged.errors.contains("damaged"), "\(damaged.output)")

            let result = try await operate(cluster, ["recover", "--data", "nowhere", "--out", "p", "--yes"])
            #expect(result.code == 1 && result.errors.contains("nowhere"), "\(result.errors)")
            #expect(!FileManager.default.fileExists(atPath: "\(cluster.directory.path)/nowhere"))
        }
    }

    @Test("A snapshot that a running server was told to take is saved, and restored as a new cluster of one")
    func saveAndRestore() async throws {
        try await withCluster(servers: 1) { cluster in
            for number in 1...3 {
                let post = try await cluster.run(["post", "--user", "alice", "--topic", "last", "message \(number)"])
                try #require(post.code == 0, "\(post.errors)")
            }
            cluster.send(SIGUSR1, to: "a")
            let save = ["snapshot", "save", "data-a", "--out", "backup"]
            var saved = try await operate(cluster, save)
            // Another process writes the snapshot, and only its file tells when it is there.
            for _ in 0..<200 where saved.code == 3 {
                try await Task.sleep(for: .milliseconds(50))
                saved = try await operate(cluster, save)
            }
            #expect(saved.code == 0 && saved.output.contains("is in backup"), "\(saved.errors)")
            let twice = try await operate(cluster, save)
            #expect(twice.code == 1 && twice.errors.contains("exists already, and is not overwritten"))
            let later = try await cluster.run(["post", "--user", "alice", "--topic", "last", "message 4"])
            #expect(later.code == 0, "\(later.errors)")
            #expect(try await cluster.stop("a") == 0)

            let plan = try await Program.run(
                ["cluster", "plan", "--servers", "a=127.0.0.1:\(cluster.base)", "--out", "new"], in: cluster.directory)
            try #require(plan.code == 0, "\(plan.errors)")
            let restore = ["snapshot", "restore", "backup", "--data", "restored", "--plan", "new/a.plan.json"]
            let restored = try await operate(cluster, restore)
            #expect(restored.code == 0, "\(restored.errors)")
            let again = try await operate(cluster, restore)
            #expect(again.code == 1 && again.errors.contains("restored"), "\(again.errors)")
            try cluster.start("a", ["--data", "restored", "--plan", "new/a.plan.json"])
            try await cluster.waitUntilReady("a")
            let client = ["--client-file", "\(cluster.directory.path)/new/client.json"]
            #expect(
                try await messages(cluster, client) == (1...3).map { "message \($0)" }, "what came later is not in it")
            let post = try await cluster.run(["post", "--user", "bob", "--topic", "last", "message 5"] + client)
            #expect(post.code == 0, "\(post.errors)")
            #expect(try await messages(cluster, client).count == 4)
        }
    }

    @Test("A running cluster's whole state is fetched over the network by an operator, in pieces, and restored")
    func saveOnline() async throws {
        try await withCluster(servers: 3) { cluster in
            // More than fits into a piece.
            let large = String(repeating: "x", count: 100_000)
            for number in 1...24 {
                let written = try await cluster.run(["tuple", "write", "files", #"["\#(number)", "\#(large)"]"#])
                try #require(written.code == 0, "\(written.errors)")
            }
            let save = ["operator", "snapshot", "save", "--out", "net.backup"]
            let nobody = try await cluster.run(save + ["--operator-file", "nowhere.json"])
            #expect(nobody.code == 2 && nobody.errors.contains("the operator file is not usable"), "\(nobody.errors)")
            let saved = try await cluster.run(save)
            #expect(saved.code == 0 && saved.output.contains("is in net.backup"), "\(saved.output)\(saved.errors)")
            #expect(try await cluster.run(save).errors.contains("exists already"))
            let path = "\(cluster.directory.path)/net.backup"
            let attributes = try FileManager.default.attributesOfItem(atPath: path)
            #expect(attributes[.posixPermissions] as? Int == 0o600 && (attributes[.size] as? Int ?? 0) > 2_400_000)
            #expect(!FileManager.default.fileExists(atPath: path + ".tmp"))
            for name in cluster.names { #expect(try await cluster.stop(name) == 0) }
            let plan = try await Program.run(
                ["cluster", "plan", "--servers", "a=127.0.0.1:\(cluster.base)", "--out", "new"], in: cluster.directory)
            try #require(plan.code == 0, "\(plan.errors)")
            let restored = try await operate(
                cluster, ["snapshot", "restore", "net.backup", "--data", "restored", "--plan", "new/a.plan.json"])
            #expect(restored.code == 0, "\(restored.errors)")
            try cluster.start("a", ["--data", "restored", "--plan", "new/a.plan.json"])
            try await cluster.waitUntilReady("a")
            let count = try await cluster.run(
                [
                    "tuple", "count", "files", "[null, null]", "--client-file",
                    "\(cluster.directory.path)/new/client.json",
                ], at: ["a"])
            #expect(count.code == 0 && count.output.contains("24"), "\(count.output)\(count.errors)")
        }
    }
}
