import Crypto
import Gateways
import Testing
import TupleSpace

@Suite("A session over HTTP", .timeLimit(.minutes(1)))
struct SessionTests {
    private let store = InMemoryTupleStore()

    private func write(_ numbers: Int64...) async throws {
        for number in numbers { _ = try await store.write(Tuple([.string("job"), .int(number)]), to: "s", key: nil) }
    }
    private func count(_ space: String = "s") async throws -> UInt64 {
        try await store.count(Template([.any, .any]), in: space, consistency: .linearizable).count
    }

    /// A token like the user's name.
    private func know(_ user: String) async throws {
        let digest = try #require(TokenDigest(sha256: SHA256.hash(data: Array(user.utf8))))
        _ = try await store.acting(as: .operator).setToken(TokenRecord(digest: digest, user: user))
    }

    @Test("is that of who opened it, whoever comes to know its number")
    func owner() async throws {
        for user in ["ada", "bob"] { try await know(user) }
        try await withServer(store: store) { client in
            let session = try await SessionClient(client, headers: ["Authorization": "Bearer ada"])
            let path = "/v1/sessions/\(session.id)/keep-alive"
            #expect(try await client.request("POST", path, headers: ["Authorization": "Bearer ada"]).status == 200)
            #expect(try await client.request("POST", path, headers: ["Authorization": "Bearer bob"]).status == 403)
            #expect(try await client.request("POST", path).status == 401)
            #expect(try await session.take(1).status == 401)
        }
    }

    // MARK: - Repeats

    @Test("writes and takes once, however often the same number is sent, and from whichever connection")
    func repeats() async throws {
        try await withServer(store: store) { client in
            let session = try await SessionClient(client)
            let written = try await session.post(1, "/v1/spaces/s/tuples", #"{"tuple":["job",1]}"#)
            #expect(written.status == 201)
            #expect(try await session.post(1, "/v1/spaces/s/tuples", #"{"tuple":["job",1]}"#).body == written.body)
            #expect(try await count() == 1)
            try await write(2)
            let taken = try await session.take(2)
            #expect(taken.status == 200 && taken.body.contains(#""tuple":["job",1]"#), "\(taken.body)")
            #expect(try await session.take(2).body == taken.body)
            #expect(try await count() == 1)
            let reserved = try await session.post(
                3, "/v1/spaces/s/take", #"{"template":["job",null],"reservation":60}"#)
            #expect(
                try await session.post(3, "/v1/spaces/s/take", #"{"template":["job",null],"reservation":60}"#).body
                    == reserved.body)
            #expect(try await session.take(4).status == 404)
            try await write(3)
            #expect(try await session.take(4).status == 404, "a miss is a reply too")
        }
    }

    @Test("numbers may come in any order, with gaps")
    func outOfOrder() async throws {
        try await write(1, 2, 3)
        try await withServer(store: store) { client in
            let session = try await SessionClient(client)
            for (sequence, job) in [(7, 1), (3, 2), (9_007_199_254_740_991, 3)] {
                #expect(try await session.take(sequence).body.contains("[\"job\",\(job)]"))
            }
            #expect(try await session.take(3).body.contains(#"["job",2]"#))
        }
    }

    @Test("another request under a number that was used is refused, when its reply would be of another kind")
    func otherRequest() async throws {
        try await write(1)
        try await withServer(store: store) { client in
            let session = try await SessionClient(client)
            #expect(try await session.take(1).status == 200)
            for (path, body) in [
                ("/v1/spaces/s/tuples", #"{"tuple":["x"]}"#), ("/v1/spaces/s/take-all", #"{"template":["x"]}"#),
                ("/v1/sessions/\(session.id)/release", #"{"sequence":2}"#),
            ] {
                let reply = try await session.post(1, path, body)
                #expect(reply.status == 422 && reply.body.contains("another request was sent under the number 1"))
            }
        }
    }

    @Test("opened again under its key it is the same session, and under another key or with other words another one")
    func opensOnce() async throws {
        try await withServer(store: store) { client in
            let body = #"{"timeout":30,"failure":[{"space":"deaths","tuple":["dead",1]}]}"#
            let first = try await SessionClient(client, body, headers: ["Idempotency-Key": "k"])
            #expect(try await SessionClient(client, body, headers: ["Idempotency-Key": "k"]).id == first.id)
            // The replies of the opening are acknowledged with the first.
            #expect(try await first.post(1, "/v1/spaces/s/tuples", #"{"tuple":[1]}"#, acknowledged: 0).status == 201)
            #expect(try await first.post(2, "/v1/spaces/s/tuples", #"{"tuple":[1]}"#, acknowledged: 1).status == 201)
            #expect(try await SessionClient(client, body, headers: ["Idempotency-Key": "k"]).id == first.id)
            for (key, body) in [("l", body), ("k", "{}")] {
                #expect(try await SessionClient(client, body, headers: ["Idempotency-Key": key]).id != first.id)
            }
            try await know("ada")
            let other = try await SessionClient(
                client, body, headers: ["Idempotency-Key": "k", "Authorization": "Bearer ada"])
            #expect(other.id != first.id)
            #expect(try await first.end().status == 200)
            let gone = try await client.json("/v1/sessions", body, headers: ["Idempotency-Key": "k"])
            #expect(gone.status == 410 && gone.body.contains("session-expired"), "it ended once and for all")
        }
    }

    // MARK: - What it holds

    @Test("a take is held until it is acknowledged, in either way, or released")
    func holds() async throws {
        try await write(1, 2, 3)
        try await withServer(store: store) { client in
            let session = try await SessionClient(client)
            for sequence in 1...3 { #expect(try await session.take(sequence).status == 200) }
            #expect(await store.heldCount == 3)
            #expect(try await session.post(4, "release", #"{"sequence":2}"#).status == 200)
            #expect(try await count() == 1)
            #expect(try await session.acknowledge("[3]").status == 200)
            #expect(await store.heldCount == 1)
            #expect(try await session.take(5, acknowledged: 4).body.contains(#"["job",2]"#))
            #expect(await store.heldCount == 1)
            let late = try await session.take(1)
            #expect(late.status == 409 && late.body.contains("already-acknowledged"))
            #expect(try await session.keepAlive(acknowledged: 5).status == 200)
            #expect(await store.heldCount == 0)
            #expect(try await count() == 0)
        }
    }

    @Test("ends: what it holds returns, and who waits in it gets nothing more")
    func ends() async throws {
        try await write(1)
        try await withServer(store: store) { client in
            let session = try await SessionClient(client)
            #expect(try await session.take(1).status == 200)
            async let waiting = session.take(2, timeout: "null")
            try await eventually("the take waits") { await store.waiterCount == 1 }
            #expect(try await session.end().status == 200)
            let gone = try await waiting
            #expect(gone.status == 410 && gone.body.contains("what became of this command is not known any more"))
            #expect(try await count() == 1)
            for reply in [try await session.end(), try await session.keepAlive(), try await session.take(3)] {
                #expect(reply.status == 410 && reply.body.contains(#""code":"session-expired""#))
            }
        }
    }

    @Test("a client that hangs up while its take waits loses nothing: asked again, the take has what came meanwhile")
    func hangsUp() async throws {
        try await withServer(store: store) { client in
            let session = try await SessionClient(client)
            let connection = try await client.connect()
            let body = #"{"template":["job",null],"timeout":null}"#
            let head = RawClient.head(
                "POST", "/v1/spaces/s/take", headers: session.headers(1), body: body)
            try await connection.send(head + body)
            try await eventually("the take waits") { await store.waiterCount == 1 }
            try await connection.close()
            try await eventually("the server has seen it") {
                try await client.get("/metrics").body.contains("/v1/spaces/:space/take")
            }
            #expect(await store.waiterCount == 1)
            try await write(1)
            #expect(await store.heldCount == 1)
            #expect(try await session.take(1, timeout: "null").body.contains(#"["job",1]"#))
            #expect(await store.heldCount == 1)
        }
    }

    @Test("a repeat joins the take that waits, and a cancel ends it for all")
    func cancels() async throws {
        try await withServer(store: store) { client in
            let session = try await SessionClient(client)
            async let first = session.take(1, timeout: "null")
            try await eventually("the take waits") { await store.waiterCount == 1 }
            async let second = session.take(1, timeout: "null")
            #expect(try await session.post(2, "cancel", #"{"sequence":1}"#).status == 200)
            #expect(try await first.status == 404)
            #expect(try await second.status == 404)
            #expect(await store.waiterCount == 0)
        }
    }

    // MARK: - Silence

    @Test("one that is silent for its time-out ends: its takes return, and its failure tuples are written")
    func expires() async throws {
        try await write(1)
        try await withServer(store: store) { client in
            let session = try await SessionClient(
                client,
                #"{"timeout":1,"failure":[{"space":"deaths","tuple":["dead",1]},{"space":"deaths","tuple":["x",2],"lease":0}]}"#
            )
            #expect(try await session.take(1).status == 200)
            #expect(try await count("deaths") == 0)
            let death = try await client.json("/v1/spaces/deaths/take", #"{"template":["dead",null],"timeout":30}"#)
            #expect(death.status == 200)
            #expect(try await count() == 1)
            #expect(try await session.keepAlive().status == 410)
        }
    }

    @Test("keep-alives keep it; one that ends by itself has not died; and what it leaves can be changed")
    func keepsAlive() async throws {
        try await withServer(store: store) { client in
            let session = try await SessionClient(
                client, #"{"timeout":1,"failure":[{"space":"deaths","tuple":["dead",1]}]}"#)
            for _ in 0..<8 {
                try await Task.sleep(for: .milliseconds(250))
                #expect(try await session.keepAlive().status == 200)
            }
            let other = try await SessionClient(
                client, #"{"timeout":1.5,"failure":[{"space":"deaths","tuple":["other",1]}]}"#)
            #expect(
                try await other.put(1, "failure", #"{"failure":[{"space":"deaths","tuple":["other",2]}]}"#).status
                    == 200)
            #expect(try await session.end().status == 200)
            let death = try await client.json("/v1/spaces/deaths/take", #"{"template":[null,null],"timeout":30}"#)
            #expect(death.body.contains(#"["other",2]"#), "\(death.body)")
            #expect(try await count("deaths") == 0)
        }
    }

    @Test("no more replies than the window holds are kept, and acknowledging makes room")
    func window() async throws {
        try await withServer(store: store) { client in
            let session = try await SessionClient(client)
            let header = CommandHeader(session: SessionID(try #require(UInt64(session.id))), sequence: 1)
            for sequence in 1...UInt64(Limits.sessionWindow) {
                var header = header
                header.sequence = sequence
                _ = try await store.perform(.cancel(sequence: 0), under: header)
            }
            let full = try await session.take(5_000)
            #expect(full.status == 503 && full.body.contains("session-window-full") && full.body.contains("4096"))
            #expect(full.headers["retry-after"] == "1")
            #expect(try await session.take(5_000, acknowledged: 1).status == 404)
        }
    }

    @Test("a cluster that cannot keep failure tuples opens no session")
    func failsWhole() async throws {
        try await withServer(store: FailingStore(code: .unsupported)) { client in
            let reply = try await client.json("/v1/sessions", "{}")
            #expect(reply.status == 501)
        }
        let huge = String(repeating: "x", count: Limits.failureTupleBytesPerSession)
        try await withServer(store: store) { client in
            let reply = try await client.json(
                "/v1/sessions", #"{"failure":[{"space":"s","tuple":["\#(huge)"]}]}"#,
                headers: ["Idempotency-Key": "k"])
            #expect(reply.status == 413 && reply.body.contains("tuple-too-large"))
            let again = try await client.json(
                "/v1/sessions", #"{"failure":[{"space":"s","tuple":["\#(huge)"]}]}"#,
                headers: ["Idempotency-Key": "k"])
            #expect(again.status == 413, "nothing was opened")
        }
    }

    // MARK: - Words

    @Test(
        "refuses headers that say nothing, or too much, naming header, value and limit",
        arguments: [
            (["Starling-Session": "x", "Starling-Sequence": "1"], "Starling-Session is a decimal number", "not 'x'"),
            (["Starling-Session": "0", "Starling-Sequence": "1"], "from 1 to 18446744073709551615", "not '0'"),
            (["Starling-Session": "18446744073709551616", "Starling-Sequence": "1"], "18446744073709551615", "616'"),
            (["Starling-Session": "1"], "Starling-Sequence is missing", "1 to 9007199254740991"),
            (["Starling-Session": "1", "Starling-Sequence": "0"], "Starling-Sequence is a number from 1", "not '0'"),
            (["Starling-Session": "1", "Starling-Sequence": "01"], "Starling-Sequence", "not '01'"),
            (["Starling-Session": "1", "Starling-Sequence": "9007199254740992"], "9007199254740991", "0992'"),
            (["Starling-Session": "1", "Starling-Sequence": "1, 2"], "Starling-Sequence", "not '1, 2'"),
            (
                ["Starling-Session": "1", "Starling-Sequence": "2", "Starling-Acknowledged": "-1"],
                "Starling-Acknowledged is a number from 0", "not '-1'"
            ),
            (
                ["Starling-Session": "1", "Starling-Sequence": "2", "Starling-Acknowledged": "2"],
                "Starling-Acknowledged is 2", "less than Starling-Sequence, which is 2"
            ),
            (["Starling-Session": "1", "Starling-Sequence": "1", "Idempotency-Key": "k"], "Idempotency-Key", "away"),
            (["Starling-Sequence": "1"], "Starling-Sequence is about a session", "Starling-Session"),
            (["Starling-Acknowledged": "1"], "Starling-Acknowledged is about a session", "Starling-Session"),
        ])
    func refusesHeaders(headers: [String: String], part: String, other: String) async throws {
        try await withServer(store: store) { client in
            let reply = try await client.json("/v1/spaces/s/tuples", #"{"tuple":[1]}"#, headers: headers)
            #expect(reply.status == 400 && reply.body.contains(#""code":"malformed""#))
            #expect(reply.body.contains(part) && reply.body.contains(other), "\(reply.body)")
        }
    }

    @Test("what changes nothing belongs to no session", arguments: ["read", "read-all", "count"])
    func refusesReads(route: String) async throws {
        try await withServer(store: store) { client in
            let session = try await SessionClient(client)
            let reply = try await session.post(1, "/v1/spaces/s/\(route)", #"{"template":[1]}"#)
            #expect(reply.status == 400 && reply.body.contains("leave Starling-Session away"), "\(reply.body)")
            let events = try await client.get("/v1/spaces/s/events", headers: session.headers(1))
            #expect(events.status == 400)
        }
    }

    @Test(
        "refuses bodies that say nothing, or too much",
        arguments: [
            ("POST", "", #"{"timeout":0.5}"#, "'timeout' is 1 to 3600 seconds"),
            ("POST", "", #"{"timeout":3601}"#, "1 to 3600"), ("POST", "", #"{"timeout":null}"#, "not null"),
            ("POST", "", #"{"x":1}"#, "this request takes timeout, failure"),
            ("POST", "", #"{"failure":{}}"#, "'failure' is an array of objects"),
            ("POST", "", #"{"failure":[7]}"#, "failure[0] is an object"),
            ("POST", "", #"{"failure":[{"space":"s","tuple":[1]},{"tuple":[1]}]}"#, "failure[1]: 'space' is missing"),
            ("POST", "", #"{"failure":[{"space":"","tuple":[1]}]}"#, "failure[0]: A space's name has 1 to 128 bytes"),
            ("POST", "", #"{"failure":[{"space":1,"tuple":[1]}]}"#, "failure[0]: 'space' is a space's name"),
            ("POST", "", #"{"failure":[{"space":"s","tuple":[{}]}]}"#, "failure[0]: tuple[0]"),
            ("POST", "", #"{"failure":[{"space":"s","tuple":[1],"y":1}]}"#, "failure[0]: unknown member 'y'"),
            ("POST", "/7/acknowledge", "{}", "'sequences' is missing"),
            ("POST", "/7/acknowledge", #"{"sequences":[]}"#, "1 to 4096 numbers"),
            ("POST", "/7/acknowledge", #"{"sequences":[0]}"#, "from 1 to 9007199254740991"),
            ("POST", "/7/acknowledge", #"{"sequences":["1"]}"#, "an integer from 1"),
            ("POST", "/7/release", "{}", "Starling-Sequence is missing"),
            ("PUT", "/7/failure", "{}", "Starling-Sequence is missing"),
            ("POST", "/x/keep-alive", "", "a session's id is a decimal number"), ("DELETE", "/0", "", "not '0'"),
            ("DELETE", "/007", "", "not '007'"), ("DELETE", "/7?x=1", "", "x"),
        ])
    func refusesBodies(method: String, path: String, body: String, part: String) async throws {
        try await withServer(store: store) { client in
            let reply = try await client.request(
                method, "/v1/sessions\(path)", headers: ["Content-Type": "application/json"], body: body)
            #expect((400..<500).contains(reply.status) && reply.body.contains(part), "\(reply.status) \(reply.body)")
        }
    }

    @Test("refuses what stands in the wrong place")
    func refusesPlaces() async throws {
        try await withServer(store: store) { client in
            let session = try await SessionClient(client)
            let path = "/v1/sessions/\(session.id)"
            for (sequence, action, body, part) in [
                (1, "release", "{}", "'sequence' is missing"), (1, "cancel", #"{"sequence":0}"#, "from 1 to"),
                (1, "cancel", #"{"sequence":2,"x":1}"#, "'x'"),
            ] {
                let reply = try await session.post(sequence, action, body)
                #expect(reply.status == 400 && reply.body.contains(part), "\(reply.body)")
            }
            for (method, action, name) in [
                ("POST", "/keep-alive", "Starling-Session"), ("DELETE", "", "Starling-Sequence"),
                ("POST", "/keep-alive", "Starling-Sequence"),
            ] {
                let reply = try await client.request(method, path + action, headers: [name: session.id])
                #expect(reply.status == 400 && reply.body.contains("leave \(name) away"), "\(reply.body)")
            }
            let opening = try await client.json("/v1/sessions", "{}", headers: ["Starling-Session": session.id])
            #expect(opening.status == 400)
            #expect(try await client.request("PUT", path).headers["allow"] == "DELETE")
        }
    }
}

/// A session's requests.
private struct SessionClient {
    let client: RawClient
    let id: String

    init(_ client: RawClient, _ body: String = "{}", headers: [String: String] = [:]) async throws {
        let reply = try await client.json("/v1/sessions", body, headers: headers)
        try #require(reply.status == 201, "\(reply.body)")
        self.client = client
        id = String(try #require(reply.body.firstMatch(of: #/"session":"([1-9][0-9]{0,17})"/#)?.1))
    }

    func headers(_ sequence: Int, acknowledged: Int? = nil) -> [String: String] {
        var headers = [
            "Content-Type": "application/json", "Starling-Session": id, "Starling-Sequence": "\(sequence)",
        ]
        headers["Starling-Acknowledged"] = acknowledged.map(String.init)
        return headers
    }

    /// - path: of the session's own routes only what stands behind it.
    func post(
        _ sequence: Int, _ path: String, _ body: String, acknowledged: Int? = nil
    ) async throws -> RawClient.Reply {
        try await request("POST", sequence, path, body, acknowledged)
    }

    func put(_ sequence: Int, _ path: String, _ body: String) async throws -> RawClient.Reply {
        try await request("PUT", sequence, path, body, nil)
    }

    private func request(
        _ method: String, _ sequence: Int, _ path: String, _ body: String, _ acknowledged: Int?
    ) async throws -> RawClient.Reply {
        var headers = headers(sequence, acknowledged: acknowledged)
        let isAbout = !path.hasPrefix("/v1/spaces")
        if isAbout { headers["Starling-Session"] = nil }
        return try await client.request(
            method, path.hasPrefix("/") ? path : "/v1/sessions/\(id)/\(path)", headers: headers, body: body)
    }

    func take(_ sequence: Int, timeout: String = "0", acknowledged: Int? = nil) async throws -> RawClient.Reply {
        try await post(
            sequence, "/v1/spaces/s/take", #"{"template":["job",null],"timeout":\#(timeout)}"#,
            acknowledged: acknowledged)
    }

    func acknowledge(_ sequences: String) async throws -> RawClient.Reply {
        try await client.json("/v1/sessions/\(id)/acknowledge", #"{"sequences":\#(sequences)}"#)
    }

    func keepAlive(acknowledged: Int? = nil) async throws -> RawClient.Reply {
        try await client.request(
            "POST", "/v1/sessions/\(id)/keep-alive",
            headers: acknowledged.map { ["Starling-Acknowledged": "\($0)"] } ?? [:])
    }

    func end() async throws -> RawClient.Reply { try await client.request("DELETE", "/v1/sessions/\(id)") }
}
