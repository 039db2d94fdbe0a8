import Gateways
import Logging
import Testing
import TupleSpace

@Suite("The HTTP server")
struct ServerTests {
    private let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    @Test("says clearly that a port is in use")
    func portInUse() async throws {
        try await withServer { client in
            let other = try GatewayServer(
                store: InMemoryTupleStore(), cluster: FakeCluster(), configuration: .init(port: client.port),
                logger: quiet)
            await #expect(throws: GatewayError.portInUse(host: "127.0.0.1", port: client.port)) {
                try await other.run()
            }
            #expect(
                GatewayError.portInUse(host: "h", port: 1).description == "port 1 of h is in use by another program")
        }
    }

    @Test("stops although a stream is open and a take waits, and the take takes nothing")
    func stops() async throws {
        let store = InMemoryTupleStore()
        let connections = Connections()
        let started = ContinuousClock.now
        try await withServer(store: store) { client in
            let stream = try await client.connect()
            try await stream.send(RawClient.head("GET", "/v1/spaces/s/events", headers: [:], body: nil))
            _ = await stream.read(until: ": starling\n\n")
            let take = try await client.connect()
            let body = #"{"template":[1],"timeout":null}"#
            try await take.send(
                RawClient.head("POST", "/v1/spaces/s/take", headers: ["Content-Type": "application/json"], body: body)
                    + body)
            try await eventually("the take waits") { await store.waiterCount >= 1 }
            await connections.keep(stream, take)
        }
        #expect(ContinuousClock.now - started < .seconds(4))
        let (stream, take) = try #require(await connections.kept)
        #expect(try await stream.rest().contains("event: error"))
        let reply = try await take.rest()
        #expect(reply.hasPrefix("HTTP/1.1 503") && reply.contains(#""code":"busy""#), "\(reply)")
        #expect(await store.waiterCount == 0)
    }

    private actor Connections {
        var kept: (RawConnection, RawConnection)?
        func keep(_ stream: RawConnection, _ take: RawConnection) { kept = (stream, take) }
    }

    @Test("refuses heads that are too large, and goes on")
    func largeHeads() async throws {
        try await withServer { client in
            let reply = try? await client.get("/livez", headers: ["X-Large": String(repeating: "x", count: 64 << 10)])
            #expect(reply == nil || reply?.status == 400)
            let after = try await client.get("/livez")
            #expect(after.status == 200)
        }
    }

    @Test("closes connections that speak something else")
    func notHTTP() async throws {
        try await withServer { client in
            let connection = try await client.connect()
            try await connection.send("\u{0}\u{1}GARBAGE\r\n\r\n")
            #expect(try await connection.rest().hasPrefix("HTTP/1.1 400"))
        }
    }
}
