import TupleSpace

extension TupleStoreConformance {
    static let changingChecks: [Check] = [
        Check(name: "a tuple goes when its lease ends, though nobody reads it") { suite, store, space in
            let stream = try await store.events(matching: template(.any), in: space, after: nil)
            let written = try await store.write(tuple(.int(1)), to: space, lease: 300, key: nil)
            let events = try await suite.events(2, from: stream)
            try suite.require(events.map(\.kind), equals: [.write, .expire], "the kinds of events")
            try suite.require(events[1].tuple.id, equals: written.id, "what expired")
            try await suite.expectCount(0, template(.any), space, store)
            let renewed = try await store.renew(written.id, in: space, lease: .milliseconds(1_000)).isThere
            try suite.require(!renewed, "a lease was renewed after its end")
        },
        Check(name: "a renewed lease ends so long after its renewal, or never") { suite, store, space in
            let written = try await store.write(tuple(.int(1)), to: space, lease: 60_000, key: nil)
            let short = try await store.write(tuple(.int(2)), to: space, lease: 60_000, key: nil)
            for (id, lease) in [(written.id, Timeout.forever), (short.id, .milliseconds(200))] {
                let renewed = try await store.renew(id, in: space, lease: lease).isThere
                try suite.require(renewed, "a lease that runs was not renewed")
            }
            try await suite.eventually("the other tuple went") {
                try await store.count(template(number(2)), in: space, consistency: .linearizable).count == 0
            }
            try await suite.expectCount(1, template(.any), space, store)
        },
        Check(name: "a lease that is over at once makes a write and an expiry") { suite, store, space in
            let stream = try await store.events(matching: template(.any), in: space, after: nil)
            _ = try await store.write(tuple(.int(1)), to: space, lease: 0, key: nil)
            let events = try await suite.events(2, from: stream)
            try suite.require(events.map(\.kind), equals: [.write, .expire], "the kinds of events")
            try await suite.expectCount(0, template(.any), space, store)
            try await suite.expectFailure(.malformed) {
                _ = try await store.write(tuple(.int(1)), to: space, lease: Limits.leaseMilliseconds + 1, key: nil)
            }
        },
        Check(name: "take-all takes what matches, as one, and once under a key") { suite, store, space in
            for i in 1...5 {
                _ = try await store.write(
                    tuple(.string(i % 2 == 0 ? "even" : "odd"), .int(Int64(i))), to: space, key: nil)
            }
            let key = IdempotencyKey(key: space, digest: [1])
            for _ in 1...2 {
                let taken = try await store.takeAll(
                    template(text("odd"), .any), from: space, page: Page(limit: 10), key: key)
                try suite.require(
                    taken.tuples.map { $0.tuple.fields[1] }, equals: [.int(1), .int(3), .int(5)], "what was taken")
                try suite.require(!taken.more, "there is no more")
            }
            let page = Page(limit: 1, order: .newest)
            let newest = try await store.takeAll(template(.any, .any), from: space, page: page)
            try suite.require(newest.tuples.map { $0.tuple.fields[1] }, equals: [.int(4)], "the newest")
            try suite.require(newest.more, "there is one more")
            try await suite.expectCount(1, template(.any, .any), space, store)
        },
        Check(name: "a tuple is taken and replaced by its id") { suite, store, space in
            let first = try await store.write(tuple(.int(1)), to: space, key: nil)
            let second = try await store.write(tuple(.int(2)), to: space, key: nil)
            let replaced = try await store.replace(first.id, in: space, with: tuple(.string("new")))
            try suite.require(replaced?.id, equals: first.id, "the id of what was replaced")
            let oldest = try await store.read(template(.any), from: space, timeout: .none, consistency: .linearizable)
            try suite.require(
                oldest.tuple, equals: StoredTuple(id: first.id, tuple: tuple(.string("new"))), "the oldest tuple")
            let taken = try await store.take(second.id, from: space).tuple
            try suite.require(taken?.tuple, equals: tuple(.int(2)), "what was taken")
            let again = try await store.take(second.id, from: space).tuple
            try suite.require(again == nil, "a tuple was taken twice")
            let gone = try await store.replace(second.id, in: space, with: tuple(.null))
            try suite.require(gone == nil, "a tuple was replaced that is gone")
            let elsewhere = try await store.take(first.id, from: space + " else").tuple
            try suite.require(elsewhere == nil, "a tuple of another space was taken")
        },
        Check(name: "who waits for what a tuple becomes gets it") { suite, store, space in
            let written = try await store.write(tuple(.int(1)), to: space, key: nil)
            async let waiting = store.take(
                template(text("ready")), from: space, timeout: .milliseconds(20_000), key: nil)
            try await suite.eventually("the tuple was replaced and taken") {
                _ = try await store.replace(written.id, in: space, with: tuple(.string("ready")))
                return try await store.count(template(.any), in: space, consistency: .linearizable).count == 0
            }
            let held = try await waiting
            await held?.acknowledge()
            try suite.require(held?.stored.id, equals: written.id, "what the taker got")
        },
        Check(name: "a move between spaces is atomic") { suite, store, space in
            let other = space + " other"
            for i in 1...10 { _ = try await store.write(tuple(.int(Int64(i))), to: space, key: nil) }
            let move = Statement([
                .init(
                    .take(space: space, .init([.bind(0, .int)])),
                    [.write(space: other, .init([.formal(0)]), lease: .forever)])
            ])
            // However many move at once, and whoever looks, each tuple is in one of the two.
            let moved = try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 1...4 {
                    group.addTask {
                        var count = 0
                        while try await store.run(move).done != nil { count += 1 }
                        return count
                    }
                }
                return try await group.reduce(0, +)
            }
            try suite.require(moved, equals: 10, "how many were moved")
            try await suite.expectCount(0, template(.any), space, store)
            for i in 1...10 { try await suite.expectCount(1, template(number(Int64(i))), other, store) }
        },
        Check(name: "compare and set: one of many wins each round") { suite, store, space in
            _ = try await store.write(tuple(.string("n"), .int(0)), to: space, key: nil)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 1...4 {
                    group.addTask {
                        var done = 0
                        while done < 5 {
                            let now = try await store.read(
                                template(text("n"), .any), from: space, timeout: .none, consistency: .linearizable)
                            guard case .int(let number)? = now.tuple?.tuple.fields[1] else { return }
                            let set = Statement([
                                .init(
                                    .read(space: space, .init([.plain(text("n")), .plain(.literal(.int(number)))])),
                                    [.replace(step: 0, .init([.value(.string("n")), .value(.int(number + 1))]))])
                            ])
                            if try await store.run(set).done != nil { done += 1 }
                        }
                    }
                }
                try await group.waitForAll()
            }
            try await suite.expectCount(1, template(text("n"), number(20)), space, store)
        },
        Check(name: "a statement that fails midway does nothing, and one that waits is done later") {
            suite, store, space in
            try await suite.expectFailure(.statementFailed) {
                _ = try await store.run(
                    Statement([
                        .init(
                            .always,
                            [
                                .write(space: space, .init([.value(.int(1))]), lease: .forever),
                                .take(space: space, .init([.plain(number(2))])),
                            ])
                    ]))
            }
            try await suite.expectCount(0, template(.any), space, store)
            try await suite.expectFailure(.malformed) {
                let unbound = Statement.Step.write(space: space, .init([.formal(0)]), lease: .forever)
                _ = try await store.run(Statement([.init(.always, [unbound])]))
            }
            async let waiting = store.run(
                Statement(
                    [
                        .init(.take(space: space, .init([.plain(text("never"))]))),
                        .init(
                            .take(space: space, .init([.plain(text("go")), .bind(5, nil)])),
                            [.write(space: space, .init([.formal(5)]), lease: .forever)]),
                    ], timeout: .milliseconds(20_000)))
            _ = try await store.write(tuple(.string("go"), .string("x")), to: space, key: nil)
            let result = try await waiting.done
            try suite.require(result?.alternative, equals: 1, "the alternative that was done")
            try suite.require(result?.results.count, equals: 2, "how many results there are")
            try await suite.expectCount(0, template(.any, .any), space, store)
            try await suite.expectCount(1, template(text("x")), space, store)
            let late = Statement([.init(.take(space: space, .init([.plain(text("y"))])))], timeout: .milliseconds(50))
            try suite.require(try await store.run(late).done == nil, "a statement found what is not there")
        },
        Check(name: "regular expressions") { suite, store, space in
            for word in ["lamp", "clamp", "lamps", "LAMP", "é"] {
                _ = try await store.write(tuple(.string(word)), to: space, key: nil)
            }
            try await suite.expectCount(3, template(.regex("lamp")), space, store)
            try await suite.expectCount(2, template(.regex("^[cl]*amp$")), space, store)
            try await suite.expectCount(1, template(.regex("^.$")), space, store)
            try await suite.expectFailure(.invalidTemplate) {
                _ = try await store.count(template(.regex("a(b")), in: space, consistency: .linearizable)
            }
            async let waiting = store.take(
                template(.regex("^x+$")), from: space, timeout: .milliseconds(20_000), key: nil)
            _ = try await store.write(tuple(.string("xy")), to: space, key: nil)
            _ = try await store.write(tuple(.string("xxx")), to: space, key: nil)
            let held = try await waiting
            await held?.acknowledge()
            try suite.require(held?.stored.tuple, equals: tuple(.string("xxx")), "what the taker got")
        },
    ]
}
