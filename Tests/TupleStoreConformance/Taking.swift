import TupleSpace

extension TupleStoreConformance {
    static let takingChecks: [Check] = [
        Check(name: "the oldest match goes first") { suite, store, space in
            for i in 1...20 {
                _ = try await store.write(
                    tuple(.string(i % 2 == 0 ? "even" : "odd"), .int(Int64(i))), to: space, key: nil)
            }
            for i in stride(from: 2, through: 20, by: 2) {
                let taken = try await suite.takeForGood(template(text("even"), .any), space, store)
                try suite.require(taken?.tuple, equals: tuple(.string("even"), .int(Int64(i))), "the next even one")
            }
            try await suite.expectCount(10, template(.any, .any), space, store)
        },
        Check(name: "ids and positions ascend") { suite, store, space in
            var last: WriteResult?
            for i in 1...20 {
                let written = try await store.write(tuple(.int(Int64(i))), to: space, key: nil)
                if let last {
                    try suite.require(written.id > last.id, "id \(written.id) follows \(last.id)")
                    try suite.require(
                        written.position > last.position, "position \(written.position) follows \(last.position)")
                }
                last = written
            }
        },
        Check(name: "a held tuple is invisible and returns to its place") { suite, store, space in
            for i in 1...3 { _ = try await store.write(tuple(.int(Int64(i))), to: space, key: nil) }
            let held = try await store.take(template(.any), from: space, timeout: .none, key: nil)
            try suite.require(held?.stored.tuple, equals: tuple(.int(1)), "the held tuple")
            try await suite.expectCount(2, template(.any), space, store)
            await held?.release()
            try await suite.eventually("the released tuple was back") {
                try await store.count(template(.any), in: space, consistency: .linearizable).count == 3
            }
            let again = try await suite.takeForGood(template(.any), space, store)
            try suite.require(again?.id, equals: held?.stored.id, "the oldest tuple")
        },
        Check(name: "an acknowledged take is final") { suite, store, space in
            _ = try await store.write(tuple(.int(1)), to: space, key: nil)
            let held = try await store.take(template(.any), from: space, timeout: .none, key: nil)
            await held?.acknowledge()
            await held?.release()
            try await suite.expectCount(0, template(.any), space, store)
        },
        Check(name: "a write under a key is done once") { suite, store, space in
            let key = IdempotencyKey(key: space, digest: [1])
            let first = try await store.write(tuple(.int(1)), to: space, key: key)
            let second = try await store.write(tuple(.int(1)), to: space, key: key)
            try suite.require(second, equals: first, "the second reply")
            try await suite.expectCount(1, template(.any), space, store)
            try await suite.expectFailure(.idempotencyMismatch) {
                _ = try await store.write(tuple(.int(2)), to: space, key: IdempotencyKey(key: space, digest: [2]))
            }
        },
        Check(name: "a take under a key is done once and final") { suite, store, space in
            for i in 1...2 { _ = try await store.write(tuple(.int(Int64(i))), to: space, key: nil) }
            let key = IdempotencyKey(key: space, digest: [1])
            for _ in 1...3 {
                let held = try await store.take(template(.any), from: space, timeout: .none, key: key)
                try suite.require(held?.stored.tuple, equals: tuple(.int(1)), "what the key took")
                await held?.release()
            }
            try await suite.expectCount(1, template(.any), space, store)
        },
    ]
}
