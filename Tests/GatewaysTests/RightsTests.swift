import Crypto
import Gateways
import Testing
import TupleSpace

@Suite("Rights over HTTP")
struct RightsTests {
    private let store = InMemoryTupleStore()
    private var admin: any TupleStore { store.acting(as: .operator) }
    private static let asRoot = ["Authorization": "Bearer root's"]

    private func token(_ text: String, of user: String, _ roles: String...) async throws {
        let digest = try #require(TokenDigest(sha256: SHA256.hash(data: Array(text.utf8))))
        _ = try await admin.setToken(TokenRecord(digest: digest, user: user, roles: roles))
    }

    @Test("A token in the Authorization header says who asks")
    func tokens() async throws {
        try await token("alice's", of: "alice")
        _ = try await admin.setPolicy(Policy(write: Rule([[.fieldIsCaller(0)]]), read: .signedIn), of: "s")
        try await withServer(store: store) { client in
            for (header, status) in [
                ("Bearer alice's", 201), ("bearer alice's", 201), ("Bearer bob's", 401), ("Basic alice's", 401),
                ("Bearer", 401), ("Bearer ", 401), ("", 401),
            ] {
                let reply = try await client.json(
                    "/v1/spaces/s/tuples", #"{"tuple":["alice"]}"#, headers: ["Authorization": header])
                #expect(reply.status == status, "\(header): \(reply.body)")
                #expect((reply.headers["www-authenticate"]?.hasPrefix("Bearer") == true) == (status == 401))
            }
            let none = try await client.json("/v1/spaces/s/tuples", #"{"tuple":["alice"]}"#)
            #expect(none.status == 401 && none.body.contains(#""code":"not-allowed""#))
            #expect(none.headers["www-authenticate"] == "Bearer")
            let other = try await client.json(
                "/v1/spaces/s/tuples", #"{"tuple":["bob"]}"#, headers: ["Authorization": "Bearer alice's"])
            #expect(other.status == 403 && other.body.contains("User alice may not write to the space s by this tuple"))
            #expect(try await client.get("/v1/spaces/s/events").status == 401)
        }
        let written = try await store.acting(as: .user("alice")).count(Template([.any]), in: "s").count
        #expect(written == 2)
    }

    @Test("A stream ends with an error when its reader may see nothing any more")
    func streams() async throws {
        try await withServer(store: store) { client in
            let connection = try await client.connect()
            try await connection.send(RawClient.head("GET", "/v1/spaces/s/events", headers: [:], body: ""))
            _ = try #require(await connection.read(until: ": starling"))
            _ = try await admin.setPolicy(Policy(read: .nobody), of: "s")
            _ = try await admin.write(Tuple([.int(1)]), to: "s", key: nil)
            let end = try #require(await connection.read(until: "event: error"))
            #expect(!end.contains("event: write"))
            try await connection.close()
        }
    }

    @Test("Admins set, show and remove policies; what is wrong with one is said, with the place")
    func policies() async throws {
        try await token("root's", of: "root", "admin")
        try await withServer(store: store) { client in
            let all =
                #"{"write":[["signed-in",{"user":"a"}],[{"caller-in":1}]],"read":"everybody","take":[[{"exists":{"space":"r","tuple":["post",{"field":1},{"caller":true},{"role":true},{"symbol":"x"}]}}]],"administer":[[{"role":"m"}]]}"#
            for path in ["/v1/spaces/s/policy", "/v1/policy"] {
                func request(_ method: String, _ body: String = "", _ headers: [String: String] = Self.asRoot)
                    async throws -> RawClient.Reply
                {
                    try await client.request(
                        method, path, headers: headers.merging(["Content-Type": "application/json"]) { own, _ in own },
                        body: body)
                }
                #expect(try await request("GET").status == 404)
                #expect(try await request("PUT", all, [:]).status == 401)
                let set = try await request("PUT", all)
                #expect(set.status == 200 && set.body == all + "\n")
                #expect(try await request("GET").body == all + "\n")
                #expect(try await request("GET", "", [:]).status == 401)
                for (body, part) in [
                    ("[]", "an object belongs here"), (#"{"write":5}"#, "write: a rule is"),
                    (#"{"write":[5]}"#, "write[0]: a clause is"),
                    (#"{"read":[[{"user":5}]]}"#, "read[0][0]: a condition"),
                    (#"{"read":[[{"exists":{"space":"r"}}]]}"#, "read[0][0].exists"),
                    (#"{"read":[[{"exists":{"space":"r","tuple":[]}}]]}"#, "1 to 8 fields"),
                    (#"{"read":[[{"exists":{"space":"r","tuple":[{"x":1}]}}]]}"#, "read[0][0].exists.tuple[0]"),
                    (#"{"read":[[{"role":"!"}]]}"#, "begins neither"),
                    (#"{"read":[[{"caller-in":-1}]]}"#, "0 to 63"),
                ] {
                    let reply = try await request("PUT", body)
                    #expect(reply.status == 400 && reply.body.contains(part), "\(body): \(reply.body)")
                }
                #expect(try await request("DELETE").status == 200)
                #expect(try await request("GET").status == 404)
            }
        }
    }

    @Test("Spaces are listed in pages")
    func spaces() async throws {
        for name in ["c", "a", "b"] { _ = try await store.write(Tuple([.int(1)]), to: name, key: nil) }
        try await withServer(store: store) { client in
            let first = try await client.get("/v1/spaces?limit=2")
            #expect(
                first.body
                    == "{\"spaces\":[{\"name\":\"a\",\"tuples\":1,\"policy\":false},{\"name\":\"b\",\"tuples\":1,\"policy\":false}],\"more\":true}\n"
            )
            #expect(try await client.get("/v1/spaces?after=b").body.contains(#""name":"c""#))
            #expect(try await client.get("/v1/spaces?limit=0").status == 400)
            #expect(try await client.get("/v1/spaces?limit=x").status == 400)
        }
    }
}
