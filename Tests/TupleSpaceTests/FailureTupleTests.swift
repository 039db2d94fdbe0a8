import Testing

@testable import TupleSpace

@Suite("Failure tuples")
struct FailureTupleTests {
    private func expire(_ desk: inout Desk, _ sessions: UInt64...) {
        desk.harness.apply(0, 0, .expireSessions(sessions.map { SessionID($0) }))
    }

    @Test("are written once when their session is ended for its silence, in order, and go to whoever waits")
    func deposited() throws {
        var desk = Desk()
        let ann = desk.know("ann")
        desk.write("held")
        desk.send(.take(.any, holds: true))
        let left = [FailureTuple(Tuple("first"), to: "s"), FailureTuple(Tuple("second"), to: "t")]
        #expect(desk.send(.leave(left), as: ann) == .done)
        #expect(desk.machine.spaceCount == 1 && desk.kinds == [.write, .take])
        let waiting = desk.wait(.take("first", timeout: .forever), session: 2)
        // A server that begins with a snapshot of it does the same.
        desk.harness.machine = try desk.harness.restored()
        expire(&desk, 1, 1)
        #expect(desk.outcome(waiting, session: 2)?.first == "first")
        #expect(desk.machine.answer(.read(space: "t", template: Template(.any))).first == "second")
        #expect(desk.kinds == [.write, .take, .giveBack, .write, .take, .write])
        #expect(desk.harness.events().map(\.caller) == ["", "", "", "ann", "", "ann"])
        expire(&desk, 1)
        #expect(desk.kinds.count == 6 && desk.machine.tupleCount == 2)
    }

    @Test("are not written when their session ends itself")
    func cleanEnd() {
        var desk = Desk()
        desk.send(.leave([FailureTuple(Tuple(1), to: "s")]))
        #expect(desk.send(.endSession) == .done)
        expire(&desk, 1)
        #expect(desk.kinds.isEmpty && desk.machine.spaceCount == 0)
    }

    @Test("are those that the session said last; none if it said none")
    func replaced() {
        var desk = Desk()
        for session: UInt64 in [1, 2] {
            desk.send(.leave([FailureTuple(Tuple(1), to: "s"), FailureTuple(Tuple(2), to: "s")]), session: session)
        }
        desk.send(.leave([FailureTuple(Tuple(3), to: "s")]), session: 1)
        desk.send(.leave([]), session: 2)
        expire(&desk, 1, 2)
        #expect(desk.harness.events().map(\.tuple.tuple) == [Tuple(3)])
    }

    @Test("reach no session that ends in the same entry")
    func notToTheDying() {
        var desk = Desk()
        desk.send(.leave([FailureTuple(Tuple(1), to: "s")]))
        _ = desk.wait(.take(.any, timeout: .forever, holds: true), session: 2)
        expire(&desk, 1, 2)
        #expect(desk.kinds == [.write] && desk.machine.tupleCount == 1)
    }

    @Test("have leases, which begin when they are written")
    func leases() {
        var desk = Desk()
        desk.send(
            .leave([
                FailureTuple(Tuple(1), to: "s", lease: .milliseconds(500)),
                FailureTuple(Tuple(2), to: "s", lease: .none),
            ]))
        desk.pass(milliseconds: 1_000)
        let waiting = desk.wait(.take(2, timeout: .forever), session: 2)
        expire(&desk, 1)
        #expect(desk.kinds == [.write, .write, .expire] && desk.outcome(waiting, session: 2) == nil)
        #expect(desk.machine.nextDeadline == desk.harness.leaseTime + 500)
        desk.pass(milliseconds: 500)
        #expect(desk.kinds == [.write, .write, .expire, .expire])
    }

    @Test("need the right to write, when they are left and when they are written")
    func rights() {
        var desk = Desk()
        let ann = desk.know("ann")
        desk.setPolicy(Policy(write: Rule([[.fieldIsCaller(0)]])))
        let failure = desk.send(.leave([FailureTuple(Tuple("bob"), to: "s")]), as: ann)?.failure
        #expect(failure?.code == .notAllowed)
        desk.harness.open(9)
        for session: UInt64 in [1, 2, 9] {
            desk.send(.leave([FailureTuple(Tuple("ann"), to: "s")]), as: ann, session: session)
        }
        expire(&desk, 1)
        #expect(desk.kinds == [.write])
        desk.setPolicy(Policy(write: .nobody))
        expire(&desk, 9)
        #expect(desk.kinds == [.write], "who may not write by now leaves nothing")
        desk.setPolicy(nil)
        desk.send(.removeToken(.test(UInt8(ascii: "a"))), as: "!", session: 3)
        expire(&desk, 2)
        #expect(desk.kinds == [.write], "whose token was taken back leaves nothing")
        #expect(desk.machine.testaments.byteCount == 0)
    }

    @Test("are refused if one of them is, and what was left before stays")
    func refused() {
        var desk = Desk()
        desk.send(.leave([FailureTuple(Tuple(1), to: "s")]))
        for bad in [
            FailureTuple(Tuple(2), to: ""), FailureTuple(Tuple(2), to: String(repeating: "s", count: 129)),
            FailureTuple(Tuple(2), to: "s", lease: .milliseconds(Limits.leaseMilliseconds + 1)),
        ] {
            let operation = TupleSpace.Operation.leave([FailureTuple(Tuple(3), to: "s"), bad])
            let failure = desk.send(operation)?.failure
            #expect(failure != nil && operation.refusal == failure, "\(bad)")
        }
        let longest = FailureTuple(Tuple(1), to: "s", lease: .milliseconds(Limits.leaseMilliseconds))
        #expect(desk.send(.leave([longest]), session: 2) == .done)
        expire(&desk, 1)
        #expect(desk.harness.events().map(\.tuple.tuple) == [Tuple(1)])
    }

    @Test("of a session are so many, of so many bytes, at most")
    func sessionLimits() {
        var desk = Desk()
        func leave(_ tuples: [Tuple]) -> (reply: Reply?, validated: Failure?) {
            let operation = TupleSpace.Operation.leave(tuples.map { FailureTuple($0, to: "s") })
            return (desk.send(operation), operation.refusal)
        }
        func of(bytes: Int) -> Tuple { Tuple(.bytes([UInt8](repeating: 1, count: bytes - 5))) }
        let count = Limits.failureTuplesPerSession
        let fine = leave([Tuple](repeating: Tuple(1), count: count))
        #expect(fine.reply == .done && fine.validated == nil)
        let many = leave([Tuple](repeating: Tuple(1), count: count + 1))
        #expect(many.reply?.failure == many.validated && many.validated?.code == .malformed)
        #expect(many.validated?.message.contains("at most \(count) failure tuples, and not \(count + 1)") == true)
        let half = Limits.failureTupleBytesPerSession / 2
        let full = leave([of(bytes: half), of(bytes: half)])
        #expect(full.reply == .done && full.validated == nil)
        #expect(desk.machine.testaments.byteCount == 2 * half)
        let large = leave([of(bytes: half), of(bytes: half + 1)])
        #expect(large.reply?.failure == large.validated && large.validated?.code == .tupleTooLarge)
        #expect(large.validated?.message.contains("at most \(2 * half) bytes, and not \(2 * half + 1)") == true)
        #expect(desk.machine.testaments.byteCount == 2 * half, "what was said before stands")
    }

    @Test("of all sessions have so many bytes at most; there is room again when a session ends or says less")
    func limit() throws {
        var desk = Desk()
        let one = FailureTuple(Tuple(1), to: "s")
        let rest = Limits.failureTupleBytes - one.encodedTuple.count
        desk.harness.machine.testaments.set(.init(credential: [], tuples: [], byteCount: rest), of: 99)
        #expect(desk.send(.leave([one]), session: 1) == .done)
        // In the place of as much, there is room.
        #expect(desk.send(.leave([one]), session: 1) == .done)
        let failure = try #require(desk.send(.leave([one]), session: 2)?.failure)
        #expect(failure.code == .limitReached && failure.message.contains("\(Limits.failureTupleBytes) bytes"))
        #expect(desk.send(.leave([]), session: 1) == .done)
        #expect(desk.send(.leave([one]), session: 2) == .done)
        #expect(desk.send(.leave([one]), session: 1)?.failure == failure)
        expire(&desk, 2)
        #expect(desk.send(.leave([one]), session: 1) == .done)
    }

    @Test("go under no idempotency key: they are a session's")
    func notKeyed() {
        var desk = Desk()
        let operation = TupleSpace.Operation.keyed(key: "k", digest: [], .leave([]))
        #expect(desk.send(operation)?.failure?.code == .malformed)
        #expect(operation.refusal?.code == .malformed)
    }
}
