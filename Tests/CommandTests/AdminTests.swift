import Foundation
import FoundationNetworking
import Testing

@Suite struct AdminTests {
    private static let policy =
        #"{"write":[["signed-in"],[{"caller-in":0}]],"take":[[{"caller-in":0},{"role":"moderator"}]]}"#
    private static let hi = #"["alice","distsys","hi"]"#

    @Test("Tokens and policies say at every door who may do what, and a token that is taken back is worth nothing")
    func rights() async throws {
        try await withCluster(servers: 3) { cluster in
            func token(_ arguments: String...) async throws -> (text: String, digest: String) {
                let made = try await cluster.run(["admin", "token", "create", "--json"] + arguments)
                let json = try #require(
                    try JSONSerialization.jsonObject(with: Data(made.output.utf8)) as? [String: Any])
                return (try #require(json["token"] as? String), try #require(json["digest"] as? String))
            }
            func run(as token: String?, _ arguments: String...) async throws -> Program.Result {
                try await cluster.run(arguments, environment: token.map { ["STARLING_TOKEN": $0] } ?? [:])
            }
            let alice = try await token("--user", "alice")
            let bob = try await token("--user", "bob")
            let carol = try await token("--user", "carol", "--role", "moderator")
            let root = try await token("--user", "root", "--role", "admin")
            #expect(try await cluster.run(["admin", "policy", "set", "blog", Self.policy]).code == 0)

            // On the command line.
            let anonymous = try await run(as: nil, "tuple", "write", "blog", Self.hi)
            #expect(
                anonymous.code == 4
                    && anonymous.errors.contains("Whoever shows no token may not write to the space blog"))
            let forged = try await run(as: bob.text, "tuple", "write", "blog", Self.hi)
            #expect(
                forged.code == 4 && forged.errors.contains("User bob may not write to the space blog by this tuple"))
            #expect(try await run(as: alice.text, "tuple", "write", "blog", Self.hi).code == 0)
            #expect(try await run(as: nil, "tuple", "count", "blog", "[null,null,null]").output == "1\n")
            #expect(try await run(as: bob.text, "tuple", "take", "blog", "[null,null,null]").code == 3)
            let file = "\(cluster.directory.path)/carol.token"
            try (carol.text + "\n").write(toFile: file, atomically: true, encoding: .utf8)
            let taken = try await cluster.run(
                ["tuple", "take", "blog", "[null,null,null]", "--token-file", file])
            #expect(taken.output == Self.hi + "\n")

            // Over HTTP, at each server.
            for name in ["a", "b", "c"] {
                func status(_ token: String?) async throws -> Int {
                    var request = URLRequest(
                        url: try #require(URL(string: "http://\(cluster.httpAddress(name))/v1/spaces/blog/tuples")))
                    request.httpMethod = "POST"
                    request.setValue("application/json", forHTTPHeaderField: "Content-Type")
                    if let token { request.setValue("Bearer \(token)", forHTTPHeaderField: "Authorization") }
                    request.httpBody = Data(#"{"tuple":\#(Self.hi)}"#.utf8)
                    let (_, response) = try await URLSession.shared.data(for: request)
                    return try #require(response as? HTTPURLResponse).statusCode
                }
                #expect(try await status(nil) == 401)
                #expect(try await status("nonsense") == 401)
                #expect(try await status(bob.text) == 403)
                #expect(try await status(alice.text) == 201)
            }

            // Who is an admin by a token needs no operator file; who is none may not look.
            let listed = try await cluster.run(["admin", "token", "list"])
            #expect(listed.output.contains("alice") && listed.output.contains(alice.digest))
            #expect(!listed.output.contains(alice.text), "a token is shown a second time")
            let refused = try await cluster.run(
                ["admin", "token", "list"], environment: ["STARLING_TOKEN": bob.text, "STARLING_OPERATOR_FILE": ""])
            #expect(refused.code == 4 && refused.errors.contains("Only those with the role admin"))
            let byToken = try await cluster.run(
                ["admin", "policy", "show", "blog"],
                environment: ["STARLING_TOKEN": root.text, "STARLING_OPERATOR_FILE": ""])
            #expect(byToken.output.contains(#""caller-in":0"#) && byToken.code == 0, "\(byToken.errors)")
            let spaces = try await cluster.run(["tuple", "spaces"])
            #expect(spaces.output.contains("blog") && spaces.output.contains("its own"))

            // What is taken back.
            #expect(try await cluster.run(["admin", "token", "revoke", String(alice.digest.prefix(8))]).code == 0)
            let late = try await run(as: alice.text, "tuple", "write", "blog", Self.hi)
            #expect(late.code == 4 && late.errors.contains("does not know this token"))
            #expect(try await cluster.run(["admin", "token", "revoke", "--user", "alice"]).code == 3)
            #expect(try await cluster.run(["admin", "policy", "remove", "blog"]).code == 0)
            #expect(try await cluster.run(["admin", "policy", "show", "blog"]).code == 3)
            #expect(try await run(as: nil, "tuple", "write", "blog", Self.hi).code == 0)
        }
    }

    @Test(
        "What is wrong is said, with the place",
        arguments: [
            (["admin", "token", "create", "--user", "#x"], "begins neither with # nor with !"),
            (["admin", "token", "create", "--user", ""], "1 to 128 bytes"),
            (["admin", "token", "revoke"], "name a digest, or a --user"),
            (["admin", "token", "revoke", "abc"], "eight from its beginning"),
            (["admin", "policy", "show"], "name a space, or say --default"),
            (["admin", "policy", "set", "blog"], "and then the policy"),
            (["admin", "policy", "set", "--default", "blog", "{}"], "and then the policy"),
            (["admin", "policy", "set", "blog", "{"], "line 1, column 2"),
            (["admin", "policy", "set", "blog", #"{"writes":[]}"#], "unknown member 'writes'"),
            (["admin", "policy", "set", "blog", #"{"write":"some"}"#], #"write: a rule is "everybody""#),
            (["admin", "policy", "set", "blog", #"{"write":[["x"]]}"#], "write[0][0]: a condition is"),
            (["admin", "policy", "set", "blog", #"{"read":[[{"caller-in":64}]]}"#], "numbered from 0 to 63"),
            (["admin", "policy", "set", "blog", #"{"administer":[[{"caller-in":0}]]}"#], "there is no tuple"),
            (["admin", "policy", "set", "blog", "--from", "nowhere.json"], "nowhere.json cannot be read"),
            (["tuple", "count", "s", "[1]", "--token-file", "nowhere"], "the token file nowhere"),
        ])
    func complaints(arguments: [String], words: String) async throws {
        let directory = try TemporaryDirectory()
        let servers = ["STARLING_SERVERS": "127.0.0.1:1", "STARLING_CURVE": "no", "STARLING_REQUEST_TIMEOUT": "0.2"]
        let said = try await Program.run(arguments, in: directory, environment: servers)
        #expect(said.code == 2 && said.errors.contains(words), "\(said)")
    }

    @Test("A token in the environment is not shown by config show, and one with white space is refused")
    func secrets() async throws {
        let directory = try TemporaryDirectory()
        let shown = try await Program.run(["config", "show"], in: directory, environment: ["STARLING_TOKEN": "s3cret"])
        #expect(shown.output.contains("(secret)") && !shown.output.contains("s3cret"))
        let refused = try await Program.run(
            ["tuple", "count", "s", "[1]", "--servers", "127.0.0.1:1", "--no-curve"], in: directory,
            environment: ["STARLING_TOKEN": "a b"])
        #expect(refused.code == 2 && refused.errors.contains("STARLING_TOKEN: a token has 1 to"))
    }
}
