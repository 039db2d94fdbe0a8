import TupleSpace

extension TupleStoreConformance {
    static let waitingChecks: [Check] = [
        Check(name: "a take or read without time-out answers at once") { suite, store, space in
            let taken = try await suite.takeForGood(template(.any), space, store)
            try suite.require(taken == nil, "a take found something in an empty space")
            let read = try await store.read(template(.any), from: space, timeout: .none, consistency: .linearizable)
            try suite.require(read.tuple == nil, "a read found something in an empty space")
        },
        Check(name: "a short time-out ends, and not before its time") { suite, store, space in
            let started = ContinuousClock.now
            let taken = try await suite.takeForGood(template(.any), space, store, timeout: .milliseconds(80))
            try suite.require(taken == nil, "a take found something in an empty space")
            let read = try await store.read(
                template(.any), from: space, timeout: .milliseconds(80), consistency: .linearizable)
            try suite.require(read.tuple == nil, "a read found something in an empty space")
            try suite.require(
                ContinuousClock.now - started >= .milliseconds(150), "two time-outs of 80 ms ended within 150 ms")
        },
        Check(name: "a taker that waits gets what is written later") { suite, store, space in
            async let taken = store.take(template(text("job"), .any), from: space, timeout: .forever, key: nil)
            // Not what it waits for; then what it does, again and again until the taker was there to get one.
            _ = try await store.write(tuple(.string("other"), .int(0)), to: space, key: nil)
            let written = try await store.write(tuple(.string("job"), .int(1)), to: space, key: nil)
            let held = try await taken
            try suite.require(held?.stored.id, equals: written.id, "the taken tuple")
            await held?.acknowledge()
        },
        Check(name: "a reader that waits gets what is written later") { suite, store, space in
            async let read = store.read(
                template(text("news")), from: space, timeout: .forever, consistency: .linearizable)
            let written = try await store.write(tuple(.string("news")), to: space, key: nil)
            try suite.require(try await read.tuple?.id, equals: written.id, "the tuple read")
            try await suite.expectCount(1, template(.any), space, store)
        },
        Check(name: "takers are served in order of arrival") { suite, store, space in
            let first = try await suite.waitingTaker(template(text("job"), .any), space, store)
            let second = try await suite.waitingTaker(template(text("job"), .any), space, store)
            for i in 1...2 { _ = try await store.write(tuple(.string("job"), .int(Int64(i))), to: space, key: nil) }
            let values = (try await first.value?.stored.tuple, try await second.value?.stored.tuple)
            try suite.require(values.0, equals: tuple(.string("job"), .int(1)), "what the first got")
            try suite.require(values.1, equals: tuple(.string("job"), .int(2)), "what the second got")
        },
        Check(name: "a cancelled taker loses nothing") { suite, store, space in
            let taker = try await suite.waitingTaker(template(text("job")), space, store)
            taker.cancel()
            _ = try? await taker.value
            _ = try await store.write(tuple(.string("job")), to: space, key: nil)
            let taken = try await suite.takeForGood(template(text("job")), space, store, timeout: .milliseconds(5_000))
            try suite.require(taken != nil, "what was written after the taker was cancelled is gone")
        },
        Check(name: "ten takers and one tuple - one gets it") { suite, store, space in
            let winners = try await withThrowingTaskGroup(of: Bool.self) { group in
                for _ in 0..<10 {
                    group.addTask {
                        let held = try await store.take(
                            template(text("one")), from: space, timeout: .milliseconds(300), key: nil)
                        await held?.acknowledge()
                        return held != nil
                    }
                }
                _ = try await store.write(tuple(.string("one")), to: space, key: nil)
                return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
            }
            try suite.require(winners, equals: 1, "the number of takers that got it")
            try await suite.expectCount(0, template(.any), space, store)
        },
    ]

    /// A taker that waits by all expectation, and makes what it gets its own.
    func waitingTaker(
        _ template: Template, _ space: String, _ store: any TupleStore
    ) async throws -> Task<HeldTuple?, any Error> {
        let task = Task { () async throws -> HeldTuple? in
            let held = try await store.take(template, from: space, timeout: .forever, key: nil)
            await held?.acknowledge()
            return held
        }
        // Nothing in the protocol tells who waits, so it is given time; the checks hold without it, but would check less.
        try await Task.sleep(for: .milliseconds(50))
        return task
    }
}
