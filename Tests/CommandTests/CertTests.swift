import Foundation
import Testing

/// Servers that speak with each other over HTTP, and their certificates, by the commands alone.
@Suite(.serialized) struct CertTests {
    @discardableResult
    private func done(_ cluster: TestCluster, _ arguments: [String]) async throws -> Program.Result {
        let result = try await cluster.run(arguments)
        try #require(result.code == 0, "\(arguments): \(result.output)\(result.errors)")
        return result
    }

    private func plans(_ cluster: TestCluster) -> [String] { cluster.names.map { "plan/\($0).plan.json" } }

    private func makeCertificates(_ cluster: TestCluster) async throws {
        try await done(cluster, ["cert", "authority", "--out", "plan"])
        try await done(cluster, ["cert", "node", "--authority", "plan", "--plan"] + plans(cluster))
    }

    /// A cluster whose servers have certificates and speak over HTTP.
    private func withSecureCluster(servers: Int, _ body: (TestCluster) async throws -> Void) async throws {
        let cluster = try await TestCluster(servers: servers)
        defer { cluster.end() }
        try await makeCertificates(cluster)
        try await cluster.startAll(["--transport", "http"])
        try await body(cluster)
    }

    @Test("What is written at one server is read at another, while certificates are renewed and servers die")
    func lives() async throws {
        try await withSecureCluster(servers: 3) { cluster in
            try await done(cluster, ["tuple", "write", "jobs", #"["kept", 1]"#])
            let read = try await cluster.run(["tuple", "read", "jobs", #"["kept", null]"#], at: ["c"])
            #expect(read.code == 0 && read.output.contains("kept"))

            // New ones, without a restart; and again, after which all have made their connections anew.
            try await done(cluster, ["cert", "node", "--authority", "plan", "--days", "5", "--plan"] + plans(cluster))
            for name in cluster.names {
                try await cluster.waitUntil(name, says: "was read anew")
                try await cluster.waitUntil(name, says: "`starling cert node` makes a new one")
            }
            for name in cluster.names {
                cluster.kill(name)
                try cluster.start(name, ["--transport", "http"])
                try await cluster.waitUntilReady(name)
            }
            let again = try await cluster.run(["tuple", "take", "jobs", #"["kept", null]"#], at: ["b"])
            #expect(again.code == 0)
            for name in cluster.names { #expect(try await cluster.stop(name) == 0) }
        }
    }

    @Test("A server without a certificate says how to make one, and one that joins is added once it has it")
    func joins() async throws {
        try await withSecureCluster(servers: 1) { cluster in
            let base = try cluster.startJoining("d", ["--transport", "http"])
            #expect(try await cluster.waitForEnd("d") == 1)
            #expect(cluster.log("d").contains("server d has no certificate: data-d/d.cert.pem is not there"))
            #expect(cluster.log("d").contains("starling cert node --authority DIRECTORY --plan data-d/plan.json"))
            try await done(cluster, ["cert", "node", "--authority", "plan", "--plan", "data-d/plan.json"])
            try cluster.startJoining("d", base: base, ["--transport", "http"])
            try await cluster.waitUntil("d", says: "waits to be added")
            let added = try await done(cluster, ["cluster", "add", "d", "--yes"])
            #expect(added.output.contains("d is a voter"))
        }
    }

    @Test("A certificate of a foreign authority lets nobody in; both sides say so, and the right one heals it at once")
    func foreign() async throws {
        let cluster = try await TestCluster(servers: 3)
        defer { cluster.end() }
        try await makeCertificates(cluster)
        try await done(cluster, ["cert", "authority", "--out", "other", "--name", "somebody else"])
        try await done(
            cluster, ["cert", "node", "--authority", "other", "--plan", "plan/b.plan.json", "--out", "foreign"])
        // It trusts the right one, as a server whose certificate alone is wrong would.
        try FileManager.default.removeItem(atPath: "\(cluster.directory.path)/foreign/authority.cert.pem")
        try FileManager.default.copyItem(
            atPath: "\(cluster.directory.path)/plan/authority.cert.pem",
            toPath: "\(cluster.directory.path)/foreign/authority.cert.pem")
        for name in ["a", "c"] { try cluster.start(name, ["--transport", "http"]) }
        let files = "\(cluster.directory.path)/foreign"
        try cluster.start(
            "b",
            [
                "--transport", "http", "--certificate", "\(files)/b.cert.pem", "--certificate-key",
                "\(files)/b.key.pem",
                "--authority", "\(files)/authority.cert.pem",
            ])
        try await cluster.waitUntil(
            "a",
            says:
                "refused a peer's connection from 127.0.0.1: certificate of \"b\": was issued by \"somebody else\", and not by an authority that is trusted here: \"Starling authority\""
        )
        try await cluster.waitUntil(
            "a", says: "cannot send to the server at 127.0.0.1:\(cluster.base + 1): certificate of")
        #expect(!cluster.log("a").contains("the first configuration is agreed"))
        try await done(
            cluster, ["cert", "node", "--authority", "plan", "--plan", "plan/b.plan.json", "--out", "foreign"])
        for name in cluster.names { try await cluster.waitUntilReady(name) }
    }

    @Test("Files that do not fit are named before the server starts")
    func unusable() async throws {
        let cluster = try await TestCluster(servers: 3)
        defer { cluster.end() }
        try await makeCertificates(cluster)
        func start(_ flags: [String]) async throws -> String {
            let result = try await cluster.run(cluster.serveArguments("a") + ["--transport", "http"] + flags)
            #expect(result.code == 1)
            return result.errors
        }
        #expect(
            try await start(["--certificate", "plan/b.cert.pem"]).contains(
                "plan/a.key.pem: is not the key of plan/b.cert.pem"))
        let other = try await start(["--certificate", "plan/b.cert.pem", "--certificate-key", "plan/b.key.pem"])
        #expect(other.contains("plan/b.cert.pem: is for a server with the key"), "\(other)")
        #expect(
            try await start(["--authority", "plan/b.cert.pem"]).contains(
                "plan/b.cert.pem: b is not an authority's certificate"))
        #expect(try await start(["--authority", "plan/none.pem"]).contains("plan/none.pem: cannot be read"))
        let again = try await cluster.run(["cert", "authority", "--out", "plan"])
        #expect(again.code == 1 && again.errors.contains("exists already, and is not overwritten"))
        let none = try await cluster.run(["cert", "node", "--authority", "nowhere", "--plan", "plan/a.plan.json"])
        #expect(none.code == 1 && none.errors.contains("nowhere/authority.cert.pem: cannot be read"))
        let days = try await cluster.run(["cert", "authority", "--out", "x", "--days", "0"])
        #expect(days.code == 2 && days.errors.contains("--days is 1 to 36500, and not 0"))
        let host = try await cluster.run([
            "cert", "node", "--authority", "plan", "--plan", "plan/a.plan.json", "--host", "no such",
        ])
        #expect(host.code == 2 && host.errors.contains("\"no such\" is neither a host's name nor an IPv4 address"))
    }

    @Test("Other tools read the certificates, and Python's TLS is let in with one and not without")
    func otherTools() async throws {
        struct Shown: Decodable {
            var name: String
            var issuer: String
            var authority: Bool
            var publicKey: String?
            var hosts: [String]
            var daysLeft: Int
        }
        try await withSecureCluster(servers: 1) { cluster in
            try await done(
                cluster,
                [
                    "cert", "node", "--authority", "plan", "--days", "30", "--host", "localhost", "--plan",
                    "plan/a.plan.json",
                ])
            let shown = try await done(
                cluster, ["cert", "show", "--json", "plan/a.cert.pem", "plan/authority.cert.pem"]
            )
            .json([Shown].self)
            #expect(shown.map(\.name) == ["a", "Starling authority"])
            #expect(shown.map(\.authority) == [false, true])
            #expect(shown[0].hosts == ["127.0.0.1", "localhost"] && (29...30).contains(shown[0].daysLeft))
            #expect(shown[0].publicKey?.count == 40 && shown[1].publicKey == nil)
            // A context that checks the host's name too.
            let script = """
                import http.client, ssl, sys
                context = ssl.create_default_context(cafile="plan/authority.cert.pem")
                if sys.argv[2] == "yes":
                    context.load_cert_chain("plan/a.cert.pem", "plan/a.key.pem")
                connection = http.client.HTTPSConnection("localhost", int(sys.argv[1]), context=context, timeout=10)
                try:
                    connection.request("GET", "/v1/peers/main")
                    answer = connection.getresponse()
                    print(answer.status, answer.read().decode())
                except (ssl.SSLError, OSError, http.client.HTTPException) as problem:
                    print("refused", problem)
                """
            func python(_ withCertificate: String) async throws -> String {
                let process = Process()
                process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
                process.arguments = ["python3", "-c", script, "\(cluster.base)", withCertificate]
                process.currentDirectoryURL = URL(fileURLWithPath: cluster.directory.path)
                let pipe = Pipe()
                process.standardOutput = pipe
                try process.run()
                let said = try pipe.fileHandleForReading.readToEnd() ?? Data()
                process.waitUntilExit()
                return String(decoding: said, as: UTF8.self)
            }
            // The renewed one may not be in force yet.
            try await cluster.waitUntil("a", says: "was read anew")
            #expect(try await python("yes").hasPrefix("405 frames are sent by POST, and not by GET"))
            #expect(try await python("no").hasPrefix("refused"))
        }
    }

    @Test("A second operator's key opens nothing before the servers' plans list it, and everything after")
    func secondOperator() async throws {
        let cluster = try await TestCluster(servers: 1)
        defer { cluster.end() }
        let made = try await done(cluster, ["cert", "curve", "--client-file", "plan/client.json", "--out", "ann.json"])
        let key = try #require(made.output.split(separator: "\n").last?.trimmingCharacters(in: .whitespaces))
        #expect(key.utf8.count == 40)
        let twice = try await cluster.run(["cert", "curve", "--client-file", "plan/client.json", "--out", "ann.json"])
        #expect(twice.code == 1 && twice.errors.contains("cannot be made"))
        try await cluster.startAll()
        let backup = ["operator", "snapshot", "save", "--out", "backup", "--operator-file", "ann.json"]
        let refused = try await cluster.run(backup)
        #expect(refused.code == 4, "\(refused)")
        #expect(try await cluster.stop("a") == 0)
        let path = "\(cluster.directory.path)/plan/a.plan.json"
        let plan = try String(contentsOfFile: path, encoding: .utf8)
        let escaped = try String(decoding: JSONEncoder().encode(key), as: UTF8.self)
        try plan.replacing("\"operators\" : [", with: "\"operators\" : [\n    \(escaped),", maxReplacements: 1)
            .write(toFile: path, atomically: true, encoding: .utf8)
        try await cluster.startAll()
        let taken = try await cluster.run(backup)
        #expect(taken.code == 0, "\(taken)")
    }
}
