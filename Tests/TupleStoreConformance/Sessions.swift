import TupleSpace

extension TupleStoreConformance {
    /// Of sessions whose commands their sender numbers.
    static let sessionChecks: [Check] = [
        Check(name: "a command under a number is done once, until its reply is acknowledged") { suite, store, space in
            var session = try await Numbered(store)
            let write = Operation.write(space: space, tuple: tuple(.int(1)))
            let first = try await session.next(write)
            for _ in 1...2 { try suite.require(try await session.again(write), equals: first, "the same reply") }
            try await suite.expectCount(1, template(.any), space, store)
            _ = try await session.next(.acknowledge, acknowledging: 1)
            try await suite.expectFailure(.alreadyAcknowledged) { _ = try await session.again(write, number: 1) }
            try await suite.expectCount(1, template(.any), space, store)
            try await session.end()
            try await suite.expectFailure(.sessionExpired) { _ = try await session.next(write) }
            try await suite.expectFailure(.sessionExpired) { try await session.open() }
        },
        Check(name: "what a session takes under a number is held until that is acknowledged, or released") {
            suite, store, space in
            for i in 1...3 { _ = try await store.write(tuple(.int(Int64(i))), to: space, key: nil) }
            var session = try await Numbered(store)
            let take = Operation.take(space: space, template: template(.any), timeout: .none, holds: true)
            var taken: [TupleID] = []
            for _ in 1...3 {
                guard case .found(let stored, _) = try await session.next(take) else { continue }
                taken.append(stored.id)
            }
            try suite.require(taken, equals: taken.sorted(), "tuples are taken in their order")
            try suite.require(taken.count, equals: 3, "how many were taken")
            let released = try await session.next(.release(sequence: 2))
            try suite.require(released, equals: .done, "the reply to a release")
            try await suite.expectCount(1, template(number(2)), space, store)
            _ = try await session.next(.acknowledge, acknowledging: 1)
            try await session.end()
            // The first was acknowledged, the third was still held.
            try await suite.expectCount(2, template(.any), space, store)
            try await suite.expectCount(0, template(number(1)), space, store)
        },
        Check(name: "a take under a number waits on when its caller has gone, and is found again by it") {
            suite, store, space in
            let session = try await Numbered(store)
            let take = Operation.take(space: space, template: template(.any), timeout: .forever, holds: true)
            let gone = Task { try await store.perform(take, under: session.header(1)).reply }
            gone.cancel()
            try await suite.expectFailure(.outcomeUnknown) { _ = try await gone.value }
            // Sent after the cancelled one, or instead of it: there is one take of this number.
            async let again = store.perform(take, under: session.header(1)).reply
            let written = try await store.write(tuple(.int(1)), to: space, key: nil)
            guard case .found(let stored, _) = try await again else {
                throw Violation(description: "the take found nothing")
            }
            try suite.require(stored.id, equals: written.id, "what was taken")
            _ = try await store.write(tuple(.int(2)), to: space, key: nil)
            guard case .found(let same, _) = try await store.perform(take, under: session.header(1)).reply else {
                throw Violation(description: "the reply was not kept")
            }
            try suite.require(same, equals: stored, "what the same number found")
            try await suite.expectCount(1, template(.any), space, store)
            try await session.end()
            try await suite.expectCount(2, template(.any), space, store)
        },
        Check(name: "a take under a number is ended by a cancel, and then stays without a match") {
            suite, store, space in
            let session = try await Numbered(store)
            let take = Operation.take(space: space, template: template(.any), timeout: .forever, holds: true)
            let reply = try await withThrowingTaskGroup(of: Reply?.self) { group in
                group.addTask { try await session.again(take, number: 1) }
                group.addTask {
                    var canceller = session
                    canceller.last = 1
                    // Again and again: a cancel that overtakes its take finds nothing to cancel.
                    while !Task.isCancelled {
                        _ = try? await canceller.next(.cancel(sequence: 1))
                        try? await Task.sleep(for: .milliseconds(5))
                    }
                    return nil
                }
                defer { group.cancelAll() }
                return try await group.next() ?? nil
            }
            try suite.require(reply, equals: .noMatch, "the reply to a take that was cancelled")
            _ = try await store.write(tuple(.int(1)), to: space, key: nil)
            try suite.require(try await session.again(take, number: 1), equals: .noMatch, "the reply later")
            try await session.end()
        },
        Check(name: "a session that ends itself leaves nothing, and leaving too much is refused") {
            suite, store, space in
            var session = try await Numbered(store)
            let left = FailureTuple(tuple(.string("dead")), to: space)
            try suite.require(try await session.next(.leave([left])), equals: .done, "the reply")
            try await suite.expectFailure(.malformed) {
                let tooMany = Array(repeating: left, count: Limits.failureTuplesPerSession + 1)
                _ = try await session.next(.leave(tooMany))
            }
            try await session.end()
            try await suite.expectCount(0, template(.any), space, store)
        },
    ]
}

/// A session's sender.
private struct Numbered: Sendable {
    let store: any TupleStore
    let id = SessionID(.random(in: 1 ... .max))
    var last: UInt64 = 0

    init(_ store: any TupleStore) async throws {
        self.store = store
        try await open()
    }

    func open() async throws {
        let open = Operation.openSession(timeoutMilliseconds: 60_000)
        _ = try await store.perform(open, under: CommandHeader(session: id, sequence: 0))
    }

    func header(_ sequence: UInt64) -> CommandHeader { CommandHeader(session: id, sequence: sequence) }

    mutating func next(_ operation: Operation, acknowledging: UInt64 = 0) async throws -> Reply {
        last += 1
        var header = header(last)
        if acknowledging > 0 { header.acknowledgedBelow = acknowledging + 1 }
        return try await store.perform(operation, under: header).reply
    }

    func again(_ operation: Operation, number: UInt64? = nil) async throws -> Reply {
        try await store.perform(operation, under: header(number ?? last)).reply
    }

    func end() async throws { _ = try await store.perform(.endSession, under: .passing(in: id)) }
}
