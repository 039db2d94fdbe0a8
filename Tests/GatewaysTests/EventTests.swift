import Gateways
import Testing
import TupleSpace

@Suite("A stream of events over HTTP")
struct EventTests {
    private let store = InMemoryTupleStore()

    private func write(_ fields: Value...) async throws -> WriteResult {
        try await store.write(Tuple(fields), to: "s", key: nil)
    }

    private func open(_ client: RawClient, _ query: String = "", headers: [String: String] = [:]) async throws
        -> RawConnection
    {
        let connection = try await client.connect()
        try await connection.send(RawClient.head("GET", "/v1/spaces/s/events\(query)", headers: headers, body: nil))
        let head = try #require(await connection.read(until: "\r\n\r\n"))
        #expect(head.hasPrefix("HTTP/1.1 200") && head.lowercased().contains("content-type: text/event-stream"))
        _ = await connection.read(until: ": starling\n\n")
        return connection
    }

    @Test("tells of writes and takes that match, each with its position as id")
    func events() async throws {
        try await withServer(store: store) { client in
            let connection = try await open(client, "?template=%5B%7B%22type%22:%22string%22%7D%5D")
            _ = try await write(.int(1))
            let result = try await write(.string("x"))
            _ = try await client.json("/v1/spaces/s/take", #"{"template":["x"]}"#)
            let written = try #require(await connection.read(until: "\n\n"))
            #expect(
                written.hasSuffix(
                    "id: \(result.position)\nevent: write\ndata: {\"kind\":\"write\",\"space\":\"s\",\"id\":\"\(result.id)\",\"tuple\":[\"x\"],"
                        + "\"caller\":\"\",\"position\":\"\(result.position)\"}\n\n"), "\(written)")
            let taken = try #require(await connection.read(until: "\n\n"))
            #expect(taken.contains("event: take\n") && taken.contains(#""tuple":["x"]"#))
            try await connection.close()
        }
    }

    @Test("goes on behind a position without gap or repeat, by query or by Last-Event-ID, which counts more")
    func resume() async throws {
        var positions: [Position] = []
        for number in 0..<4 { positions.append(try await write(.int(Int64(number))).position) }
        try await withServer(store: store) { client in
            for (query, headers, first) in [
                ("?from=\(positions[0])", [:], 1), ("", ["Last-Event-ID": "\(positions[1])"], 2),
                ("?from=\(positions[0])", ["Last-Event-ID": "\(positions[2])"], 3),
            ] as [(String, [String: String], Int)] {
                let connection = try await open(client, query, headers: headers)
                for number in first..<4 {
                    let event = try #require(await connection.read(until: "\n\n"))
                    #expect(event.contains("id: \(positions[number])\n") && event.contains("\"tuple\":[\(number)]"))
                }
                try await connection.close()
            }
        }
    }

    @Test("moves idle subscribers on with heartbeats that carry a position and no data")
    func heartbeats() async throws {
        let position = try await write(.int(0)).position
        try await withServer(store: store, heartbeat: .milliseconds(20)) { client in
            let connection = try await open(client, "?from=\(position)")
            let beat = try #require(await connection.read(until: "\n\n"))
            #expect(beat.hasSuffix(": heartbeat\nid: \(position)\n\n"), "\(beat)")
            try await connection.close()
        }
    }

    @Test("ends on the server when the client hangs up")
    func hangUp() async throws {
        try await withServer(store: store) { client in
            let connection = try await open(client)
            try await eventually("the stream is counted") {
                try await client.get("/metrics").body.contains("starling_http_streams 1\n")
            }
            try await connection.close()
            try await eventually("the stream is gone") {
                try await client.get("/metrics").body.contains("starling_http_streams 0\n")
            }
        }
    }

    @Test(
        "refuses what it does not understand",
        arguments: [
            "from=x", "from=1", "template=%5B", "template=7", "templat=%5B1%5D", "from=1.0&from=2.0", "template=%zz",
        ])
    func wrong(query: String) async throws {
        try await withServer { client in
            let reply = try await client.get("/v1/spaces/s/events?\(query)")
            #expect(reply.status == 400 && reply.headers["content-type"] == "application/json")
        }
    }
}
