import Testing
import TupleSpace
import TupleStoreConformance

@Suite("The tuplespace in memory")
struct InMemoryTupleStoreTests {
    @Test("does what every tuple store does", arguments: TupleStoreConformance.checks)
    func conforms(check: TupleStoreConformance.Check) async throws {
        try await TupleStoreConformance { InMemoryTupleStore() }.run(check)
    }

    @Test("gives everybody their rights", arguments: RightsConformance.checks)
    func rights(check: RightsConformance.Check) async throws {
        let store = InMemoryTupleStore()
        // No digest to trust, but another for each text.
        let digest: @Sendable (String) -> TokenDigest = { text in
            let numbers = (0..<4).map {
                UInt64(bitPattern: Int64(text.utf8.reduce($0 + 5_381) { $0 &* 33 &+ Int($1) }))
            }
            return TokenDigest(
                sha256: numbers.flatMap { number in (0..<8).map { UInt8(truncatingIfNeeded: number >> ($0 * 8)) } })!
        }
        try await RightsConformance(admin: store.acting(as: .operator), digest: digest) { token in
            store.acting(as: token.map { .token(digest($0)) } ?? .anonymous)
        }.run(check)
    }

    @Test("forgets a taker that was cancelled")
    func cancelledTaker() async throws {
        let store = InMemoryTupleStore()
        let taker = Task {
            try await store.take(Template(.any), from: "s", timeout: .forever, key: nil)
        }
        while await store.waiterCount == 0 { await Task.yield() }
        taker.cancel()
        #expect(try await taker.value == nil)
        #expect(await store.waiterCount == 0)
    }

    @Test("forgets a reader that was cancelled")
    func cancelledReader() async throws {
        let store = InMemoryTupleStore()
        let reader = Task {
            try await store.read(Template(.any), from: "s", timeout: .forever, consistency: .local)
        }
        while await store.waiterCount == 0 { await Task.yield() }
        reader.cancel()
        #expect(try await reader.value.tuple == nil)
        #expect(await store.waiterCount == 0)
    }

    @Test("ends a stream of events when its task is cancelled")
    func cancelledSubscriber() async throws {
        let store = InMemoryTupleStore()
        let stream = try await store.events(matching: nil, in: "s", after: nil)
        let subscriber = Task {
            var count = 0
            for try await batch in stream { count += batch.events.count }
            return count
        }
        subscriber.cancel()
        #expect(try await subscriber.value == 0)
    }
}
