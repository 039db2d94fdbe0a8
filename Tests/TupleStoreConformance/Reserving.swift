import TupleSpace

extension TupleStoreConformance {
    static let reservingChecks: [Check] = [
        Check(name: "a reserved tuple is invisible, and gone for good when that is completed") { suite, store, space in
            let written = try await store.write(tuple(.int(1)), to: space, key: nil)
            let reserved = try await suite.reserve(template(.any), space, store, 60_000)
            try suite.require(reserved.stored.id, equals: written.id, "what was reserved")
            try await suite.expectCount(0, template(.any), space, store)
            try suite.require(try await store.complete(reserved.reservation).isThere, "the reservation is not there")
            let again = try await store.complete(reserved.reservation).isThere
            try suite.require(!again, "a reservation was completed twice")
            let released = try await store.release(reserved.reservation).isThere
            try suite.require(!released, "a completed reservation was released")
            try await suite.expectCount(0, template(.any), space, store)
        },
        Check(name: "a reserved tuple returns to its place when it is released, or its time is up") {
            suite, store, space in
            for i in 1...3 { _ = try await store.write(tuple(.int(Int64(i))), to: space, key: nil) }
            let first = try await suite.reserve(template(.any), space, store, 60_000)
            let second = try await suite.reserve(template(.any), space, store, 300)
            try suite.require(second.reservation > first.reservation, "a later reservation has a lower number")
            try suite.require(try await store.release(first.reservation).isThere, "it was not released")
            let oldest = try await store.read(
                template(.any), from: space, timeout: .none, consistency: .linearizable
            ).tuple
            try suite.require(oldest?.id, equals: first.stored.id, "the oldest tuple")
            try await suite.eventually("the second returned") {
                try await store.count(template(.any), in: space, consistency: .linearizable).count == 3
            }
            let late = try await store.complete(second.reservation).isThere
            try suite.require(!late, "a reservation was completed after its end")
            try await suite.expectCount(3, template(.any), space, store)
        },
        Check(name: "an extended reservation lasts longer") { suite, store, space in
            _ = try await store.write(tuple(.int(1)), to: space, key: nil)
            let reserved = try await suite.reserve(template(.any), space, store, 2_000)
            let extended = try await store.extend(reserved.reservation, milliseconds: 60_000).isThere
            try suite.require(extended, "the reservation is not there")
            try await Task.sleep(for: .milliseconds(2_300))
            try await suite.expectCount(0, template(.any), space, store)
            try suite.require(try await store.complete(reserved.reservation).isThere, "the reservation is over")
        },
        Check(name: "who waits to reserve gets what comes, once under a key") { suite, store, space in
            let key = IdempotencyKey(key: space + " reserve", digest: [1])
            async let waiting = store.reserve(
                template(.any), from: space, timeout: .milliseconds(30_000), for: 60_000, key: key)
            _ = try await store.write(tuple(.int(1)), to: space, key: nil)
            let reserved = try await waiting.reserved
            let again = try await store.reserve(template(.any), from: space, timeout: .none, for: 60_000, key: key)
            try suite.require(again.reserved, equals: reserved, "the answer to the same request")
            let nothing = try await store.reserve(template(.any), from: space, for: 1_000).reserved
            try suite.require(nothing == nil, "a reserved tuple was reserved again")
            guard let reserved else { throw Violation(description: "who waited got nothing") }
            try suite.require(try await store.complete(reserved.reservation).isThere, "the reservation is not there")
            try await suite.expectFailure(.malformed) {
                _ = try await store.reserve(
                    template(.any), from: space, for: Limits.reservationMilliseconds + 1)
            }
        },
    ]

    private func reserve(
        _ template: Template, _ space: String, _ store: any TupleStore, _ milliseconds: UInt64
    ) async throws -> ReservedTuple {
        guard let reserved = try await store.reserve(template, from: space, for: milliseconds).reserved else {
            throw Violation(description: "there was nothing to reserve")
        }
        return reserved
    }
}
