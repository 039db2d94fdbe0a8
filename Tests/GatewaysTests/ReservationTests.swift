import Gateways
import Testing
import TupleSpace

@Suite("A take with reservation over HTTP")
struct ReservationTests {
    private let store = InMemoryTupleStore()
    private static let take = #"{"template":["job"],"timeout":0,"reservation":600}"#

    private func write() async throws { _ = try await store.write(Tuple([.string("job")]), to: "s", key: nil) }
    private func count() async throws -> UInt64 {
        try await store.count(Template([.any]), in: "s", consistency: .linearizable).count
    }
    private func reserve(_ client: RawClient, headers: [String: String] = [:]) async throws -> String {
        let reply = try await client.request(
            "POST", "/v1/spaces/s/take",
            headers: headers.merging(["Content-Type": "application/json"]) { own, _ in own }, body: Self.take)
        #expect(reply.status == 200 && reply.body.contains(#""tuple":["job"]"#), "\(reply.body)")
        return String(try #require(reply.body.firstMatch(of: #/"reservation":"([0-9]+)"/#)?.1))
    }

    @Test("keeps the tuple out until it is completed, and only once")
    func completes() async throws {
        try await write()
        try await withServer(store: store) { client in
            let id = try await reserve(client)
            #expect(try await count() == 0)
            #expect(try await client.json("/v1/reservations/\(id)/extend", #"{"reservation":900}"#).status == 200)
            let reply = try await client.request("POST", "/v1/reservations/\(id)/complete")
            #expect(reply.status == 200 && reply.body == "{\"reservation\":\"\(id)\"}\n")
            for action in ["complete", "release"] {
                let gone = try await client.request("POST", "/v1/reservations/\(id)/\(action)")
                #expect(gone.status == 404 && gone.body.contains(#""code":"no-match""#))
            }
            #expect(try await count() == 0)
        }
    }

    @Test("gives the tuple back when it is released, or extended to no time at all")
    func givesBack() async throws {
        try await write()
        try await withServer(store: store) { client in
            let released = try await reserve(client)
            #expect(try await client.request("POST", "/v1/reservations/\(released)/release").status == 200)
            #expect(try await count() == 1)
            let ended = try await reserve(client)
            #expect(try await client.json("/v1/reservations/\(ended)/extend", #"{"reservation":0}"#).status == 200)
            try await eventually("the tuple is back") { try await count() == 1 }
        }
    }

    @Test("asked again under its key it names the same reservation")
    func repeats() async throws {
        try await write()
        try await withServer(store: store) { client in
            let key = ["Idempotency-Key": "k"]
            let first = try await reserve(client, headers: key)
            #expect(try await reserve(client, headers: key) == first)
        }
    }

    @Test("a client that hangs up while it waits reserves nothing")
    func hangsUp() async throws {
        try await withServer(store: store) { client in
            let connection = try await client.connect()
            let body = #"{"template":["job"],"timeout":null,"reservation":600}"#
            try await connection.send(
                RawClient.head("POST", "/v1/spaces/s/take", headers: ["Content-Type": "application/json"], body: body)
                    + body)
            try await eventually("the take waits") { await store.waiterCount == 1 }
            try await connection.close()
            try await eventually("nobody waits any more") { await store.waiterCount == 0 }
            try await write()
            #expect(try await count() == 1)
        }
    }

    @Test(
        "refuses what names no reservation, or says no time",
        arguments: [
            ("x/complete", "", 400, "a reservation's id is a decimal number, not 'x'"),
            ("-1/release", "", 400, "a decimal number"), ("007/release", "", 400, "a decimal number"),
            ("1/complete", "", 404, "no such reservation"), ("1/complete?x=1", "", 400, "x"),
            ("1/extend", "{}", 400, "'reservation' is missing"),
            ("1/extend", #"{"reservation":9,"y":1}"#, 400, "unknown member 'y'"),
            ("1/extend", #"{"reservation":1e9}"#, 400, "0 to"),
        ])
    func refuses(path: String, body: String, status: Int, part: String) async throws {
        try await withServer(store: store) { client in
            let reply = try await client.json("/v1/reservations/\(path)", body)
            #expect(reply.status == status && reply.body.contains(part), "\(reply.body)")
        }
    }
}
