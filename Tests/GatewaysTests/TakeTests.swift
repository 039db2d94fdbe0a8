import Gateways
import Testing
import TupleSpace

@Suite("A take over HTTP")
struct TakeTests {
    private static let body = #"{"template":["job"],"timeout":null}"#
    private static let request =
        RawClient.head("POST", "/v1/spaces/s/take", headers: ["Content-Type": "application/json"], body: body) + body
    private let store = InMemoryTupleStore()
    private let job = Tuple([.string("job")])

    private func write() async throws { _ = try await store.write(job, to: "s", key: nil) }
    private func count() async throws -> UInt64 {
        try await store.count(Template([.any]), in: "s", consistency: .linearizable).count
    }

    @Test("waits until there is a tuple, acknowledges it when the socket has it, and leaves the connection open")
    func waits() async throws {
        try await withServer(store: store) { client in
            let connection = try await client.connect()
            for _ in 0..<3 {
                try await connection.send(Self.request)
                try await eventually("the take waits") { await store.waiterCount == 1 }
                try await write()
                let reply = try #require(await connection.read(until: "]}\n"))
                #expect(reply.hasPrefix("HTTP/1.1 200") && reply.contains(#""tuple":["job"]"#))
                try await eventually("the tuple is the client's") { await store.heldCount == 0 }
                #expect(try await count() == 0)
            }
            try await connection.close()
        }
    }

    @Test("a time-out ends it, fractions of a second included")
    func timesOut() async throws {
        try await withServer(store: store) { client in
            let reply = try await client.json("/v1/spaces/s/take", #"{"template":["job"],"timeout":0.05}"#)
            #expect(reply.status == 404 && reply.body.contains("before the time-out"))
            #expect(await store.waiterCount == 0)
        }
    }

    @Test("a client that hangs up while it waits takes nothing")
    func hangsUpWaiting() async throws {
        try await withServer(store: store) { client in
            let connection = try await client.connect()
            try await connection.send(Self.request)
            try await eventually("the take waits") { await store.waiterCount == 1 }
            try await connection.close()
            try await eventually("nobody waits any more") { await store.waiterCount == 0 }
            try await write()
            #expect(try await count() == 1)
        }
    }

    @Test("a client that closes its sending half while it waits takes nothing either")
    func closesHalf() async throws {
        try await withServer(store: store) { client in
            let connection = try await client.connect()
            try await connection.send(Self.request)
            try await eventually("the take waits") { await store.waiterCount == 1 }
            try await connection.closeSending()
            try await eventually("nobody waits any more") { await store.waiterCount == 0 }
            try await write()
            #expect(try await count() == 1)
            try await connection.close()
        }
    }

    @Test("a tuple taken for a client that hung up meanwhile goes back to its place", arguments: [true, false])
    func hangsUpAfterTake(half: Bool) async throws {
        try await write()
        let gate = GatedStore(base: store)
        try await withServer(store: gate) { client in
            let connection = try await client.connect()
            let body = #"{"template":["job"]}"#
            try await connection.send(
                RawClient.head("POST", "/v1/spaces/s/take", headers: ["Content-Type": "application/json"], body: body)
                    + body)
            await gate.taken.wait()
            #expect(await store.heldCount == 1)
            if half { try await connection.closeSending() } else { try await connection.close() }
            // The close is on its way; a full turn through the server follows it on the same loopback.
            try await Task.sleep(for: .milliseconds(100))
            await gate.mayReturn.open()
            try await eventually("the tuple is back") { try await count() == 1 }
            #expect(await store.heldCount == 0)
            if half {
                #expect(try await connection.rest() == "", "what was given back must not be told as taken")
            }
        }
    }

    @Test("many clients that hang up at any moment lose nothing and take nothing twice")
    func manyHangUps() async throws {
        let total = 60
        for number in 0..<total {
            _ = try await store.write(Tuple([.string("job"), .int(Int64(number))]), to: "s", key: nil)
        }
        try await withServer(store: store) { client in
            let body = #"{"template":["job",null]}"#
            let request =
                RawClient.head("POST", "/v1/spaces/s/take", headers: ["Content-Type": "application/json"], body: body)
                + body
            var received: [String] = []
            var generator = SeededGenerator(state: 9)
            for _ in 0..<total / 2 {
                let connection = try await client.connect()
                try await connection.send(request)
                if Bool.random(using: &generator) {
                    let reply = try #require(await connection.read(until: "}\n"))
                    received.append(String(reply.suffix(20)))
                }
                try await connection.close()
            }
            try await eventually("nothing is held") { await store.heldCount == 0 }
            #expect(Set(received).count == received.count)
            // A client that broke off may have got its reply into the socket before; never more than those.
            let left = try await store.count(Template([.any, .any]), in: "s", consistency: .linearizable).count
            #expect((UInt64(total - total / 2)...UInt64(total - received.count)).contains(left))
        }
    }
}

/// Lets a test stop a take between the store's answer and the handler's.
private struct GatedStore: SharedTupleStore {
    let base: InMemoryTupleStore
    let taken = Gate()
    let mayReturn = Gate()

    func take(
        _ template: Template, from space: String, timeout: Timeout, key: IdempotencyKey?
    ) async throws(Failure) -> HeldTuple? {
        let held = try await base.take(template, from: space, timeout: timeout, key: key)
        await taken.open()
        await mayReturn.wait()
        return held
    }

    func write(_ tuple: Tuple, to space: String, key: IdempotencyKey?) async throws(Failure) -> WriteResult {
        try await base.write(tuple, to: space, key: key)
    }
    func perform(
        _ operation: TupleSpace.Operation, key: IdempotencyKey?
    ) async throws(Failure) -> (reply: Reply, position: Position) { try await base.perform(operation, key: key) }
    func read(
        _ template: Template, from space: String, timeout: Timeout, consistency: Consistency
    ) async throws(Failure) -> (tuple: StoredTuple?, position: Position) {
        try await base.read(template, from: space, timeout: timeout, consistency: consistency)
    }
    func ask(
        _ query: Query, consistency: Consistency
    ) async throws(Failure) -> (reply: Reply, position: Position) {
        try await base.ask(query, consistency: consistency)
    }
    func acting(as credential: Credential) -> any TupleStore { self }
    func events(
        matching template: Template?, in space: String, after position: Position?
    ) async throws(Failure) -> EventStream {
        try await base.events(matching: template, in: space, after: position)
    }
}

private actor Gate {
    private var isOpen = false
    private var waiting: [CheckedContinuation<Void, Never>] = []

    func open() {
        isOpen = true
        for continuation in waiting { continuation.resume() }
        waiting.removeAll()
    }

    func wait() async {
        if isOpen { return }
        await withCheckedContinuation { waiting.append($0) }
    }
}
