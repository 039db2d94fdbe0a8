import Testing

@testable import TupleSpace

@Suite("A reservation")
struct ReservationTests {
    private let any = Template(.any)
    private let anything = Statement.TemplateExpression([.plain(.any)])

    private func statement(
        _ guarded: Statement.Guard, _ steps: Statement.Step..., timeout: Timeout = .none
    ) -> TupleSpace.Operation {
        .statement(Statement([.init(guarded, steps)], timeout: timeout))
    }

    @Test("hides its tuple from reads, takes, renewals, replacements and statements, until it is over")
    func hides() {
        var desk = Desk()
        let id = desk.write(1)
        let reservation = desk.reserve()
        #expect(desk.machine.answer(.read(space: "s", template: any)) == .noMatch)
        #expect(
            desk.machine.answer(.readAll(space: "s", template: any, page: Page(limit: 9))) == .tuples([], more: false))
        #expect(desk.count() == .count(0))
        #expect(desk.send(.take(.any)) == .noMatch)
        #expect(desk.send(.reserve(1_000)) == .noMatch)
        #expect(desk.send(.takeByID(space: "s", id: id)) == .noMatch)
        #expect(desk.send(.takeAll(space: "s", template: any, page: Page(limit: 9))) == .tuples([], more: false))
        #expect(desk.send(.renew(space: "s", id: id, lease: .forever)) == .noMatch)
        #expect(desk.send(.renew(space: "s", id: id, lease: .none)) == .noMatch)
        #expect(desk.send(.replace(space: "s", id: id, tuple: Tuple(2))) == .noMatch)
        #expect(desk.send(statement(.take(space: "s", anything))) == .noMatch)
        #expect(desk.send(statement(.read(space: "s", anything))) == .noMatch)
        #expect(desk.send(statement(.always, .take(space: "s", anything)))?.failure?.code == .statementFailed)
        #expect(desk.send(statement(.always, .read(space: "s", anything)))?.failure?.code == .statementFailed)
        let nothing = Reply.statement(alternative: 0, results: [.done, .done])
        #expect(desk.send(statement(.always, .absent(space: "s", anything))) == nothing)
        #expect(desk.send(statement(.always, .takeIfAny(space: "s", anything))) == nothing)
        #expect(desk.kinds == [.write, .take])
        #expect(desk.send(.reservation(reservation, .release)) == .done)
        #expect(desk.machine.answer(.read(space: "s", template: any)).first == 1)
    }

    @Test("that is completed takes its tuple for good, without an event; what is over is answered so")
    func completed() {
        var desk = Desk()
        desk.write(1)
        let reservation = desk.reserve()
        #expect(desk.machine.reservationCount == 1 && desk.machine.heldCount == 1)
        #expect(desk.send(.reservation(reservation, .complete)) == .done)
        #expect(desk.machine.reservationCount == 0 && desk.machine.heldCount == 0 && desk.machine.tupleCount == 0)
        for action in [.complete, .release, .extend(milliseconds: 1)] as [TupleSpace.Operation.ReservationAction] {
            #expect(desk.send(.reservation(reservation, action)) == .noMatch)
        }
        #expect(desk.kinds == [.write, .take])
    }

    @Test(
        "outlives its session, and ends by an entry when its time has passed, not before; extended it lasts from then on"
    )
    func ends() {
        var desk = Desk()
        desk.write(1)
        let reservation = desk.reserve(for: 1_000)
        desk.harness.apply(0, 0, .expireSessions([SessionID(1)]))
        desk.pass(milliseconds: 999)
        #expect(desk.send(.reservation(reservation, .extend(milliseconds: 400)), session: 2) == .done)
        desk.pass(milliseconds: 399)
        #expect(desk.machine.reservationCount == 1 && desk.machine.nextDeadline == desk.harness.leaseTime + 1)
        desk.pass(milliseconds: 1)
        #expect(desk.machine.reservationCount == 0 && desk.machine.nextDeadline == nil)
        #expect(desk.machine.answer(.read(space: "s", template: any)).first == 1)
        #expect(desk.kinds == [.write, .take, .giveBack])
        #expect(desk.send(.reservation(reservation, .complete), session: 2) == .noMatch)
    }

    @Test("that is overdue is over, though its entry ended others first")
    func overdue() {
        var desk = Desk()
        var last = ReservationID(0)
        for number in 0...Limits.expiriesPerEntry {
            desk.write(.int(Int64(number)))
            last = desk.reserve(for: 1_000)
            desk.send(.acknowledge, below: desk.sequence + 1)
            desk.send(.acknowledge, session: 2, below: desk.sequence + 1)
        }
        desk.harness.leaseTime += 1_000
        #expect(desk.send(.reservation(last, .complete)) == .noMatch)
        #expect(desk.machine.reservationCount == 1)
        desk.pass(milliseconds: 0)
        #expect(desk.machine.reservationCount == 0)
    }

    @Test("that ends gives its tuple to whoever waits, the earliest end first, the first who came first")
    func offered() {
        var desk = Desk()
        for number in 1...3 { desk.write(.int(Int64(number))) }
        _ = desk.reserve(for: 3_000)
        _ = desk.reserve(for: 2_000)
        _ = desk.reserve(for: 2_000)
        let waiting = [
            desk.wait(.take(.any, timeout: .forever)), desk.wait(.reserve(9_000, timeout: .forever)),
            desk.wait(statement(.take(space: "s", anything), timeout: .forever)),
        ]
        desk.pass(milliseconds: 4_000)
        #expect(desk.answers.map(\.sequence) == waiting)
        #expect(desk.outcome(waiting[0])?.first == 2 && desk.outcome(waiting[1])?.first == 3)
        #expect(desk.machine.reservationCount == 1 && desk.machine.tupleCount == 0)
        #expect(desk.kinds.suffix(6) == [.giveBack, .take, .giveBack, .take, .giveBack, .take])
        #expect(desk.harness.events().suffix(6).map(\.tuple.tuple.fields[0]) == [2, 2, 3, 3, 1, 1])
    }

    @Test(
        "keeps a tuple whose lease ends meanwhile; given back that goes, and nobody gets it", arguments: [true, false])
    func leaseEnds(byItself: Bool) throws {
        var desk = Desk()
        desk.send(.writeLeased(space: "s", tuple: Tuple(1), leaseMilliseconds: 500))
        let reservation = desk.reserve(for: 1_000)
        let waiting = desk.wait(.take(.any, timeout: .forever))
        desk.pass(milliseconds: 600)
        #expect(desk.machine.heldCount == 1 && desk.kinds == [.write, .take])
        // A server that begins with a snapshot of it does the same.
        desk.harness.machine = try desk.harness.restored()
        if byItself { desk.pass(milliseconds: 400) } else { desk.send(.reservation(reservation, .release)) }
        #expect(desk.machine.heldCount == 0 && desk.machine.reservationCount == 0)
        #expect(desk.kinds == [.write, .take, .expire])
        #expect(desk.outcome(waiting) == nil && desk.machine.isWaiting(SessionID(1), waiting))
    }

    @Test("of a tuple whose lease has ended is completed like another")
    func completesAnEndedLease() {
        var desk = Desk()
        desk.send(.writeLeased(space: "s", tuple: Tuple(1), leaseMilliseconds: 500))
        let reservation = desk.reserve(for: 1_000)
        desk.pass(milliseconds: 600)
        #expect(desk.send(.reservation(reservation, .complete)) == .done)
        #expect(desk.machine.leaseCount == 0 && desk.kinds == [.write, .take])
    }

    @Test("is the affair of whoever made it, or of whoever knows its number if nobody in particular did")
    func callers() {
        var desk = Desk()
        let (ann, bob) = (desk.know("ann"), desk.know("bob"))
        desk.write(1)
        let hers = desk.reserve(as: ann)
        for other in [bob, "", "!"] {
            for action in [.complete, .release, .extend(milliseconds: 1)] as [TupleSpace.Operation.ReservationAction] {
                #expect(desk.send(.reservation(hers, action), as: other)?.failure?.code == .notAllowed, "\(other)")
            }
        }
        #expect(desk.send(.reservation(hers, .release), as: ann) == .done)
        #expect(desk.harness.events().last?.caller == "ann")
        let nobodys = desk.reserve()
        #expect(nobodys > hers)
        #expect(desk.send(.reservation(nobodys, .complete), as: bob) == .done)
    }

    @Test("lasts so long at most, given or extended; a time-out is bounded too")
    func bounds() {
        var desk = Desk()
        desk.write(1)
        let limit = Limits.reservationMilliseconds
        let tooLong = desk.send(.reserve(limit + 1))?.failure
        #expect(
            tooLong?.code == .malformed
                && tooLong?.message.contains("\(limit + 1) ms exceeds the limit of \(limit)") == true)
        let waitsTooLong = desk.send(.reserve(1, timeout: .milliseconds(Limits.timeoutMilliseconds + 1)))?.failure
        #expect(waitsTooLong?.message.contains("\(Limits.timeoutMilliseconds)") == true)
        let reservation = desk.reserve(for: limit)
        let extended = desk.send(.reservation(reservation, .extend(milliseconds: limit + 1)))?.failure
        #expect(extended == tooLong)
        #expect(desk.send(.reservation(reservation, .extend(milliseconds: limit))) == .done)
        #expect(desk.machine.nextDeadline == desk.harness.leaseTime + limit)
        #expect(desk.send(.reservation(reservation, .extend(milliseconds: 0))) == .done)
        #expect(desk.send(.reservation(reservation, .complete)) == .noMatch, "it has ended already")
    }

    @Test("is one of so many: the next is refused, asked for or waited for, and there is room again when one is over")
    func limit() throws {
        var desk = Desk()
        for number in 0..<UInt64(Limits.reservations) - 1 {
            desk.harness.machine.reservations.insert(1 + number, .init(tuple: 0, end: .max, caller: []))
        }
        desk.write(0)
        let last = desk.reserve()
        let refused = try #require(desk.send(.reserve(1_000, timeout: .forever))?.failure)
        #expect(refused.code == .limitReached && refused.message.contains("\(Limits.reservations) reservations"))
        // Who waits already learns it when there is something, which goes to the next.
        desk.send(.reservation(last, .complete))
        let waitsAgain = desk.wait(.reserve(1_000, timeout: .forever), session: 3)
        let takes = desk.wait(.take(.any, timeout: .forever))
        desk.harness.machine.reservations.insert(last.rawValue, .init(tuple: 0, end: .max, caller: []))
        desk.write(1)
        #expect(desk.outcome(waitsAgain, session: 3)?.failure == refused)
        #expect(desk.outcome(takes)?.first == 1)
        desk.harness.machine.reservations.remove(1)
        desk.write(2)
        #expect(desk.send(.reserve(1_000))?.first == 2)
    }

    @Test("under an idempotency key is made once, waiting or not, however often it is asked for")
    func keyed() {
        var desk = Desk()
        let keyed = TupleSpace.Operation.keyed(key: "k", digest: [1], .reserve(5_000, timeout: .forever))
        let first = desk.wait(keyed)
        let second = desk.wait(keyed, session: 2)
        #expect(desk.outcome(first)?.failure?.code == .superseded)
        desk.write(1)
        let reply = desk.outcome(second, session: 2)
        #expect(reply?.reservation != nil && desk.send(keyed, session: 3) == reply)
        #expect(desk.machine.reservationCount == 1)
        let complete = desk.reply(underKey: "c", .complete, reply?.reservation)
        #expect(complete == .done && desk.reply(underKey: "c", .complete, reply?.reservation) == .done)
    }
}

extension Desk {
    fileprivate mutating func reply(
        underKey key: String, _ action: TupleSpace.Operation.ReservationAction, _ id: ReservationID?
    ) -> Reply? {
        send(.keyed(key: key, digest: [1], .reservation(id ?? ReservationID(0), action)))
    }
}
