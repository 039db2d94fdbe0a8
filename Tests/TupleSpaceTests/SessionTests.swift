import Testing
import TupleSpace

@Suite("A session")
struct SessionTests {
    private func code(_ reply: Reply?) -> Failure.Code? {
        if case .failed(let failure)? = reply { failure.code } else { nil }
    }

    @Test("that never was, or has ended, has expired")
    func unknown() {
        var harness = Harness()
        #expect(code(harness.reply(1, 1, .write(1))) == .sessionExpired)
        harness.open(1)
        #expect(harness.sessionsOpened == [1])
        #expect(harness.reply(1, 1, .endSession) == .done)
        #expect(harness.sessionsEnded == [1])
        #expect(code(harness.reply(1, 2, .write(1))) == .sessionExpired)
    }

    @Test("is opened once, however often")
    func reopen() {
        var harness = Harness(sessions: 1)
        #expect(harness.reply(1, 0, .openSession(timeoutMilliseconds: 20_000)) == .done)
        #expect(harness.sessionsOpened.isEmpty)
        #expect(harness.machine.sessionTimeout(SessionID(1)) == 10_000)
    }

    @Test("that has ended is not opened anew by a late repetition, nor after a restart from a snapshot")
    func staysEnded() throws {
        var harness = Harness(sessions: 1)
        #expect(harness.reply(1, 1, .write(1)) != nil)
        #expect(harness.reply(1, 2, .endSession) == .done)
        #expect(code(harness.reply(1, 0, .openSession(timeoutMilliseconds: 10_000))) == .sessionExpired)
        #expect(code(harness.reply(1, 1, .write(1))) == .sessionExpired)
        #expect(harness.machine.tupleCount == 1)

        var restorer = StateMachine.Restorer()
        var pieces: [[UInt8]] = []
        harness.machine.capture().encode { pieces.append([UInt8]($0)) }
        for piece in pieces { try piece.withUnsafeBytes { try restorer.consume($0) } }
        harness.machine = try restorer.finish()
        #expect(code(harness.reply(1, 0, .openSession(timeoutMilliseconds: 10_000))) == .sessionExpired)
        #expect(harness.machine.sessionCount == 0)
    }

    @Test("that asks again is answered the same, and nothing is done twice")
    func retry() {
        var harness = Harness(sessions: 1)
        let first = harness.reply(1, 1, .write(1))
        #expect(harness.reply(1, 1, .write(1)) == first)
        #expect(harness.machine.tupleCount == 1)
        #expect(code(harness.reply(1, 1, .write(1), singles: [1])) == .alreadyAcknowledged)
    }

    @Test("that asks again while it waits is answered once")
    func retryWhileWaiting() {
        var harness = Harness(sessions: 1, 2)
        #expect(harness.apply(1, 1, .take(.any, timeout: .forever)).isEmpty)
        #expect(harness.apply(1, 1, .take(.any, timeout: .forever)).isEmpty)
        #expect(harness.machine.isWaiting(SessionID(1), 1))
        let answers = harness.apply(2, 1, .write(1))
        #expect(answers.map(\.session) == [1, 2])
        #expect(harness.events().map(\.kind) == [.write, .take])
        #expect(harness.events().map(\.position.ordinal) == [0, 1])
    }

    @Test("that ends gives its tuples back to their places, and to whom waits for them")
    func giveBack() {
        var harness = Harness(sessions: 1, 2)
        for i in 1...3 as ClosedRange<UInt64> { harness.apply(1, i, .write(.int(Int64(i)))) }
        for i in 4...5 as ClosedRange<UInt64> { harness.apply(1, i, .take(.any, holds: true)) }
        harness.apply(2, 1, .take(1, timeout: .forever, holds: true))
        #expect(harness.machine.heldCount == 2)
        let answers = harness.apply(0, 0, .expireSessions([SessionID(1)]))
        #expect(answers.map(\.session) == [2])
        #expect(harness.events().suffix(3).map(\.kind) == [.giveBack, .take, .giveBack])
        #expect(harness.machine.heldCount == 1)
        guard case .found(let oldest, _) = harness.machine.answer(.read(space: "s", template: Template(.any))) else {
            Issue.record("nothing came back")
            return
        }
        #expect(oldest.tuple == Tuple(2))
    }

    @Test("has a window with a limit that it names")
    func window() {
        var harness = Harness(sessions: 1)
        for i in 1...UInt64(Limits.sessionWindow) { harness.add(1, i, .cancel(sequence: 0)) }
        harness.commit()
        let beyond = UInt64(Limits.sessionWindow) + 1
        let reply = harness.reply(1, beyond, .write(1))
        #expect(code(reply) == .sessionWindowFull)
        #expect(harness.machine.tupleCount == 0)
        if case .failed(let failure)? = reply { #expect(failure.message.contains("4096")) }
        // Refused is not done, so the same number may do it when there is room.
        #expect(code(harness.reply(1, beyond, .write(1), singles: [7])) == nil)
        #expect(harness.machine.tupleCount == 1)
    }

    @Test("keeps single acknowledgements as ranges, and its floor jumps over them")
    func ranges() throws {
        var harness = Harness(sessions: 1)
        for i in 1...6 as ClosedRange<UInt64> { harness.apply(1, i, .cancel(sequence: 0)) }
        harness.apply(1, 7, .acknowledge, singles: [2, 3, 5, .max])
        harness.apply(1, 7, .acknowledge, below: 2)
        harness.machine = try harness.restored()
        for (sequence, known) in [(1, true), (2, true), (3, true), (4, false), (5, true), (6, false)]
            as [(UInt64, Bool)]
        {
            #expect((code(harness.reply(1, sequence, .cancel(sequence: 0))) == .alreadyAcknowledged) == known)
        }
        #expect(code(harness.reply(1, .max, .write(1))) == .alreadyAcknowledged)
        harness.apply(1, 7, .acknowledge, below: .max)
        #expect(code(harness.reply(1, .max, .write(1))) == .alreadyAcknowledged)
    }

    @Test("that acknowledges a take that waits abandons it")
    func abandon() {
        var harness = Harness(sessions: 1)
        harness.apply(1, 1, .take(.any, timeout: .forever))
        #expect(harness.apply(1, 2, .acknowledge, below: 2).map(\.sequence) == [2])
        #expect(harness.machine.waiterCount == 0)
    }

    @Test("of a client cannot end others")
    func expireByClient() {
        var harness = Harness(sessions: 1, 2)
        #expect(code(harness.reply(1, 1, .expireSessions([SessionID(2)]))) == .notAllowed)
        #expect(harness.machine.sessionCount == 2)
    }

    @Test("keeps a waiter under a key when it ends, if another asked again")
    func reowned() {
        var harness = Harness(sessions: 1, 2, 3)
        let take = Operation.keyed(key: "k", digest: [1], .take(.any, timeout: .forever))
        #expect(harness.apply(1, 1, take).isEmpty)
        let answers = harness.apply(2, 1, take)
        #expect(answers.map(\.session) == [1])
        #expect(code(answers.first?.reply) == .superseded)
        harness.apply(1, 2, .endSession)
        #expect(harness.apply(3, 1, .write(1)).map(\.session) == [2, 3])
        harness.apply(2, 2, .endSession)
        // Final, and the key outlives the session.
        guard case .found(let stored, _)? = harness.reply(3, 2, take) else {
            Issue.record("the key forgot")
            return
        }
        #expect(stored.tuple == Tuple(1))
    }
}
