import HTTPTypes
import Testing
import TupleSpace

@testable import Gateways

@Suite("The HTTP API")
struct APITests {
    @Test("writes, reads, counts and takes")
    func basics() async throws {
        try await withServer { client in
            let written = try await client.json("/v1/spaces/s/tuples", #"{"tuple":["job",1,2.0]}"#)
            #expect(written.status == 201)
            #expect(written.headers["content-type"] == "application/json")
            #expect(written.body.hasPrefix(#"{"id":""#) && written.body.contains(#""position":""#))
            #expect(Position(written.headers["starling-position"] ?? "") != nil)

            let read = try await client.json("/v1/spaces/s/read", #"{"template":["job",null,{"type":"number"}]}"#)
            #expect(read.status == 200 && read.body.contains(#""tuple":["job",1,2.0]"#))
            #expect(
                try await client.json("/v1/spaces/s/count", #"{"template":[null,null,null]}"#).body == "{\"count\":1}\n"
            )
            let taken = try await client.json("/v1/spaces/s/take", #"{"template":["job",null,null]}"#)
            #expect(taken.status == 200 && taken.body == read.body)

            let missed = try await client.json("/v1/spaces/s/take", #"{"template":["job",null,null]}"#)
            #expect(missed.status == 404 && missed.body.contains(#""code":"no-match""#))
            #expect(Position(missed.headers["starling-position"] ?? "") != nil)
            #expect(try await client.json("/v1/spaces/s/read", #"{"template":[1]}"#).status == 404)
        }
    }

    @Test("gives tuples leases, renews and ends them, and takes and replaces them by their ids")
    func byID() async throws {
        try await withServer { client in
            let written = try await client.json("/v1/spaces/s/tuples", #"{"tuple":["a"],"lease":60.5}"#)
            #expect(written.status == 201)
            let number = try #require(written.body.split(separator: "\"").dropFirst(3).first.map(String.init))
            let path = "/v1/spaces/s/tuples/\(number)"
            let renewed = try await client.json("\(path)/renew", #"{"lease":null}"#)
            #expect(renewed.status == 200 && renewed.body == "{\"id\":\"\(number)\"}\n")
            let put = try await client.request(
                "PUT", path, headers: ["Content-Type": "application/json"], body: #"{"tuple":["b",2]}"#)
            #expect(put.status == 200 && put.body.contains(number))
            let deleted = try await client.request("DELETE", path)
            #expect(deleted.status == 200 && deleted.body.contains(#""tuple":["b",2]"#))
            for reply in [
                try await client.request("DELETE", path), try await client.json("\(path)/renew", #"{"lease":1}"#),
                try await client.request(
                    "PUT", path, headers: ["Content-Type": "application/json"], body: #"{"tuple":[1]}"#),
            ] { #expect(reply.status == 404 && reply.body.contains(#""code":"no-match""#)) }
            for (path, body, part) in [
                ("tuples", #"{"tuple":[1],"lease":-1}"#, "'lease' is 0 to 31622400 seconds"),
                ("tuples", #"{"tuple":[1],"lease":1e9}"#, "'lease' is 0 to 31622400 seconds"),
                ("tuples", #"{"tuple":[1],"lease":"x"}"#, "'lease' is a number of seconds or null, not a string"),
                ("tuples/5/renew", "{}", "'lease' is missing"), ("tuples/05/renew", #"{"lease":1}"#, "not '05'"),
                ("tuples/x/renew", #"{"lease":1}"#, "a tuple's id is a decimal number"),
            ] {
                let reply = try await client.json("/v1/spaces/s/\(path)", body)
                #expect(reply.status == 400 && reply.body.contains(part), "\(reply.body)")
            }
        }
    }

    @Test("does statements, and says what is wrong with those that it cannot")
    func statements() async throws {
        try await withServer { client in
            func ask(_ alternatives: String, _ more: String = "") async throws -> RawClient.Reply {
                try await client.json("/v1/statements", #"{"alternatives":[\#(alternatives)]\#(more)}"#)
            }
            _ = try await client.json("/v1/spaces/jobs/tuples", #"{"tuple":["resize","cat.png"]}"#)
            let move = """
                {"guard":{"take":{"space":"jobs","template":["resize",{"bind":"photo","type":"string"}]}},
                 "steps":[{"write":{"space":"doing","tuple":[{"formal":"photo"},{"id-of":0}],"lease":60}},
                          {"absent":{"space":"jobs","template":[{"formal":"photo"},null]}},
                          {"take-if-any":{"space":"jobs","template":[1]}}]}
                """
            let idle = #"{"steps":[{"write":{"space":"idle","tuple":["me"]}}]}"#
            let first = try await ask("\(move),\(idle)")
            #expect(
                first.status == 200 && first.body.hasPrefix(#"{"alternative":0,"results":[{"id":""#), "\(first.body)")
            #expect(first.body.hasSuffix("},null,null]}\n"))
            let read = try await client.json("/v1/spaces/doing/read", #"{"template":["cat.png",null]}"#)
            #expect(read.status == 200)
            #expect(try await ask("\(move),\(idle)").body.hasPrefix(#"{"alternative":1,"#))
            #expect(try await ask(move).status == 404)
            let failed = try await ask(
                #"{"steps":[{"write":{"space":"x","tuple":[1]}},{"take":{"space":"x","template":[2]}}]}"#)
            #expect(failed.status == 409 && failed.body.contains("Alternative 1, step 2: no tuple in space x matches"))
            #expect(try await client.json("/v1/spaces/x/count", #"{"template":[1]}"#).body == "{\"count\":0}\n")
            for (alternatives, part) in [
                ("", "1 to 8 alternatives"), ("5", "alternatives[0]: an object"),
                (#"{"gard":{}}"#, "unknown member 'gard'"),
                (#"{"guard":{}}"#, "a guard is a take or a read"),
                (#"{"guard":{"take":{"space":"","template":[1]}}}"#, "alternatives[0].guard.take.space"),
                (#"{"steps":[{"jump":{}}]}"#, "unknown member 'jump'"), (#"{"steps":[{}]}"#, "a step is one of write"),
                (
                    #"{"steps":[{"write":{"space":"s","tuple":[{"formal":"x"}]}}]}"#,
                    "the formal 'x' is not bound by then"
                ),
                (#"{"steps":[{"write":{"space":"s","tuple":[{"id-of":0}]}}]}"#, "step 0 finds or writes no tuple"),
                (#"{"steps":[{"write":{"space":"s","tuple":[1],"lease":-1}}]}"#, "'lease' is 0 to"),
                (#"{"steps":[{"replace":{"step":0,"tuple":[1]}}]}"#, "step 0 is no earlier read"),
                (#"{"steps":[{"absent":{"space":"s","template":[{"bind":"x"}]}}]}"#, "binds no formal"),
                (#"{"guard":{"read":{"space":"s","template":[{"bind":"x"},{"bind":"x"}]}}}"#, "'x' is bound already"),
                (#"{"guard":{"read":{"space":"s","template":[{"regex":"("}]}}}"#, "template[0].regex"),
            ] {
                let reply = try await ask(alternatives)
                #expect(reply.status == 400 && reply.body.contains(part), "\(alternatives): \(reply.body)")
            }
        }
    }

    @Test("a statement that waits is done when its guard finds something")
    func waitingStatement() async throws {
        let store = InMemoryTupleStore()
        try await withServer(store: store) { client in
            async let waiting = client.json(
                "/v1/statements",
                #"{"alternatives":[{"guard":{"take":{"space":"a","template":[{"bind":"x"}]}},"steps":[{"write":{"space":"b","tuple":[{"formal":"x"}]}}]}],"timeout":20}"#
            )
            try await eventually("it waits") { await store.waiterCount == 1 }
            _ = try await store.write(Tuple([.string("now")]), to: "a", key: nil)
            #expect(try await waiting.status == 200)
            #expect(try await store.count(Template([.any]), in: "a", consistency: .local).count == 0)
            #expect(
                try await store.count(Template([.literal(.string("now"))]), in: "b", consistency: .local).count == 1)
        }
    }

    @Test("takes all that matches, once under a key")
    func takeAll() async throws {
        let store = InMemoryTupleStore()
        for number in 0..<5 { _ = try await store.write(Tuple([.int(Int64(number))]), to: "s", key: nil) }
        try await withServer(store: store) { client in
            for _ in 0..<2 {
                let reply = try await client.request(
                    "POST", "/v1/spaces/s/take-all",
                    headers: ["Content-Type": "application/json", "Idempotency-Key": "k"],
                    body: #"{"template":[null],"limit":2,"order":"newest"}"#)
                #expect(
                    reply.status == 200 && reply.body.contains(#""tuple":[4]"#) && reply.body.contains(#""more":true"#))
            }
            #expect(try await client.json("/v1/spaces/s/count", #"{"template":[null]}"#).body == "{\"count\":3}\n")
        }
    }

    @Test("pages through all that matches, either way")
    func readAll() async throws {
        let store = InMemoryTupleStore()
        var ids: [TupleID] = []
        for number in 0..<5 { ids.append(try await store.write(Tuple([.int(Int64(number))]), to: "s", key: nil).id) }
        try await withServer(store: store) { client in
            let first = try await client.json("/v1/spaces/s/read-all", #"{"template":[null],"limit":2}"#)
            #expect(
                first.body
                    == "{\"tuples\":[{\"id\":\"\(ids[0])\",\"tuple\":[0]},{\"id\":\"\(ids[1])\",\"tuple\":[1]}],\"more\":true}\n"
            )
            let last = try await client.json(
                "/v1/spaces/s/read-all", #"{"template":[null],"order":"newest","limit":9,"after":"\#(ids[2])"}"#)
            #expect(last.body.contains("[4]}") && last.body.contains("[3]}") && !last.body.contains("[2]}"))
            #expect(last.body.hasSuffix("\"more\":false}\n"))
            let before = try await client.json("/v1/spaces/s/read-all", #"{"template":[null],"before":"\#(ids[1])"}"#)
            #expect(before.body.contains("[0]") && !before.body.contains("[1]"))
        }
    }

    @Test("spaces are named by a percent-encoded part of the path")
    func spaces() async throws {
        let store = InMemoryTupleStore()
        try await withServer(store: store) { client in
            #expect(try await client.json("/v1/spaces/a%2Fb%20%C3%A9/tuples", #"{"tuple":[1]}"#).status == 201)
            let found = try await store.read(Template([.any]), from: "a/b é", timeout: .none, consistency: .local)
            #expect(found.tuple != nil)
            #expect(try await client.json("/v1/spaces/%ff/tuples", #"{"tuple":[1]}"#).status == 400)
            #expect(try await client.json("/v1/spaces/%00/tuples", #"{"tuple":[1]}"#).body.contains("invalid-space"))
        }
    }

    @Test(
        "refuses what it does not understand, and says where",
        arguments: [
            ("tuples", "{", "malformed", "line 1, column 2"), ("tuples", "[]", "malformed", "must be a JSON object"),
            ("tuples", "{}", "malformed", "'tuple' is missing"),
            ("tuples", #"{"tuple":[1],"x":1}"#, "malformed", "unknown member 'x'"),
            ("tuples", #"{"tuple":[1],"tuple":[2]}"#, "malformed", "appears twice"),
            ("tuples", #"{"tuple":[1,{"a":1}]}"#, "invalid-tuple", "tuple[1]:"),
            ("tuples", #"{"tuple":[9223372036854775808]}"#, "malformed", "integer"),
            ("read", #"{"template":[{"type":"x"}]}"#, "invalid-template", "template[0].type"),
            ("read", #"{"tuple":[1]}"#, "malformed", "'template' is missing"),
            ("read", #"{"template":[1],"timeout":-1}"#, "malformed", "negative"),
            ("read", #"{"template":[1],"timeout":"1"}"#, "malformed", "'timeout'"),
            ("take", #"{"template":[1],"timeout":9999999}"#, "malformed", "at most 2592000 seconds"),
            ("take", #"{"template":[1],"reservation":"5"}"#, "malformed", "'reservation' is a number of seconds"),
            ("take", #"{"template":[1],"reservation":-1}"#, "malformed", "'reservation' is 0 to"),
            ("take", #"{"template":[1],"reservation":1e300}"#, "malformed", "'reservation' is 0 to"),
            ("count", #"{"template":[1],"timeout":1}"#, "malformed", "unknown member 'timeout'"),
            ("read-all", #"{"template":[1],"limit":0}"#, "malformed", "1 to 1000"),
            ("read-all", #"{"template":[1],"limit":1001}"#, "malformed", "1 to 1000"),
            ("read-all", #"{"template":[1],"limit":2.5}"#, "malformed", "1 to 1000"),
            ("read-all", #"{"template":[1],"order":"up"}"#, "malformed", "'order'"),
            ("read-all", #"{"template":[1],"before":5}"#, "malformed", "'before'"),
        ])
    func badRequests(route: String, body: String, code: String, part: String) async throws {
        try await withServer { client in
            let reply = try await client.json("/v1/spaces/s/\(route)", body)
            #expect(reply.status == 400)
            #expect(reply.body.contains("\"code\":\"\(code)\""), "\(reply.body)")
            #expect(reply.body.contains(part), "\(reply.body)")
        }
    }

    @Test("answers wrong addresses, methods, types and sizes in JSON, without redirects")
    func wrongRequests() async throws {
        try await withServer { client in
            let nowhere = try await client.get("/v1/nowhere")
            #expect(nowhere.status == 404 && nowhere.body.contains(#""code":"not-found""#))
            let method = try await client.request("PUT", "/v1/spaces/s/read")
            #expect(
                method.status == 405 && method.headers["allow"] == "POST" && method.body.contains("method-not-allowed"))
            #expect(try await client.request("POST", "/v1/cluster").headers["allow"] == "GET, HEAD")
            for type in ["text/plain", "application/x-www-form-urlencoded"] {
                let reply = try await client.request(
                    "POST", "/v1/spaces/s/read", headers: ["Content-Type": type], body: "{}")
                #expect(reply.status == 415 && reply.body.contains("unsupported-media-type"))
            }
            #expect(try await client.request("POST", "/v1/spaces/s/read", body: "{}").status == 415)
            let charset = ["Content-Type": "Application/JSON; charset=utf-8"]
            #expect(
                try await client.request("POST", "/v1/spaces/s/count", headers: charset, body: #"{"template":[1]}"#)
                    .status == 200)
            #expect(try await client.json("/v1/spaces/s/count/", #"{"template":[1]}"#).status == 200)
            #expect(try await client.json("/v1/spaces/s/count?x=1", #"{"template":[1]}"#).status == 400)
            let large = try await client.json(
                "/v1/spaces/s/tuples", String(repeating: " ", count: GatewayLimits.bodyBytes + 1))
            #expect(large.status == 413 && large.body.contains("too-large"))
        }
    }

    @Test("takes a tuple of the greatest size and refuses a greater one by the tuplespace's own limit")
    func greatTuples() async throws {
        try await withServer { client in
            let fits = String(repeating: "x", count: Limits.tupleBytes - 64)
            #expect(try await client.json("/v1/spaces/s/tuples", #"{"tuple":["\#(fits)"]}"#).status == 201)
            let reply = try await client.json("/v1/spaces/s/tuples", #"{"tuple":["\#(fits)\#(fits.prefix(64))"]}"#)
            #expect(reply.status == 413 && reply.body.contains("tuple-too-large"))
        }
    }

    @Test("HEAD works where GET does, without a body")
    func head() async throws {
        try await withServer { client in
            for path in ["/v1/cluster", "/livez", "/metrics", "/", "/v1/spaces/s/events"] {
                let reply = try await client.request("HEAD", path)
                #expect(reply.status == 200 && reply.body.isEmpty, "\(path)")
            }
            #expect(try await client.request("HEAD", "/v1/spaces/s/read").status == 405)
        }
    }

    @Test("a request under a key is done once, and another one under it is refused")
    func idempotency() async throws {
        try await withServer { client in
            let key = ["Idempotency-Key": "k1"]
            let first = try await client.json("/v1/spaces/s/tuples", #"{"tuple":[1]}"#, headers: key)
            let again = try await client.json("/v1/spaces/s/tuples", #"{"tuple":[1]}"#, headers: key)
            #expect(first.status == 201 && again.body == first.body)
            #expect(try await client.json("/v1/spaces/s/count", #"{"template":[1]}"#).body == "{\"count\":1}\n")
            for (space, tuple) in [("s", 2), ("t", 1)] {
                let other = try await client.json("/v1/spaces/\(space)/tuples", #"{"tuple":[\#(tuple)]}"#, headers: key)
                #expect(other.status == 422 && other.body.contains("idempotency-mismatch"))
            }
            let take = ["Idempotency-Key": "k2"]
            let taken = try await client.json("/v1/spaces/s/take", #"{"template":[1]}"#, headers: take)
            #expect(taken.status == 200)
            #expect(try await client.json("/v1/spaces/s/take", #"{"template":[1]}"#, headers: take).body == taken.body)
            let long = ["Idempotency-Key": String(repeating: "k", count: 256)]
            #expect(try await client.json("/v1/spaces/s/tuples", #"{"tuple":[1]}"#, headers: long).status == 400)
        }
    }

    @Test("reads are as consistent as they ask to be")
    func consistency() async throws {
        try await withServer { client in
            let position = try #require(
                try await client.json("/v1/spaces/s/tuples", #"{"tuple":[1]}"#).headers["starling-position"])
            for query in ["", "?consistency=linearizable", "?consistency=local"] {
                #expect(try await client.json("/v1/spaces/s/read\(query)", #"{"template":[1]}"#).status == 200)
            }
            let named = try await client.json(
                "/v1/spaces/s/read?consistency=sequential", #"{"template":[1]}"#,
                headers: ["Starling-Position": position])
            #expect(named.status == 200)
            #expect(
                try await client.json("/v1/spaces/s/read?consistency=sequential", #"{"template":[1]}"#).status == 400)
            #expect(try await client.json("/v1/spaces/s/read?consistency=casual", #"{"template":[1]}"#).status == 400)
            let ahead = try await client.get("/v1/nowhere", headers: ["Starling-Position": "99999.0"])
            #expect(ahead.headers["starling-position"] == "99999.0")
        }
    }

    @Test(
        "the store's refusals have a status, and the code and sentence they came with",
        arguments: [
            (Failure.Code.noLeader, 503), (.busy, 503), (.diskFull, 503), (.outcomeUnknown, 504), (.tupleTooLarge, 413),
            (.templateTooBroad, 400), (.notAllowed, 403), (.unknownToken, 401), (.positionGone, 410),
            (.idempotencyMismatch, 422),
            (.unsupported, 501), (.statementFailed, 409),
            (.superseded, 409), (.idempotencyFull, 503),
        ])
    func failures(code: Failure.Code, status: Int) async throws {
        let token = ["Authorization": "Bearer t"]
        try await withServer(store: FailingStore(code: code)) { client in
            for (route, body) in [
                ("tuples", #"{"tuple":[1]}"#), ("read", #"{"template":[1]}"#),
                ("take", #"{"template":[1],"timeout":null}"#),
                ("read-all", #"{"template":[1]}"#), ("count", #"{"template":[1]}"#),
            ] {
                let reply = try await client.json("/v1/spaces/s/\(route)", body, headers: token)
                #expect(reply.status == status)
                #expect(reply.body == "{\"error\":\"a sentence about it\",\"code\":\"\(code.rawValue)\"}\n")
                #expect((reply.headers["retry-after"] == "1") == (status == 503))
            }
            #expect(try await client.get("/v1/spaces/s/events", headers: token).status == status)
        }
    }

    @Test("every failure code has a status of its kind")
    func statuses() {
        for code in Failure.Code.allCases {
            let kind = APIError(Failure(code, "")).status.kind
            #expect(kind == .clientError || kind == .serverError)
        }
    }

    @Test("tells of the cluster")
    func cluster() async throws {
        try await withServer { client in
            let reply = try await client.get("/v1/cluster")
            #expect(reply.status == 200)
            guard case .object(let members) = try JSONParser.parse(Array(reply.body.utf8)) else {
                throw RawClient.NoReply()
            }
            #expect(members.map(\.name).prefix(4) == ["cluster_id", "server", "leader", "members"])
            #expect(
                reply.body.contains(#""trails_by":12345"#)
                    && reply.body.contains(#""commit_latency_ms":{"p50":0.5,"p99.9":2.0}"#))
            #expect(reply.body.contains(#""time":"2023-11-14T22:13:20Z""#))
        }
    }
}
