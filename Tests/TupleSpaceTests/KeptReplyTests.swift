import Testing

@testable import TupleSpace

@Suite("The replies that a session keeps")
struct KeptReplyTests {
    private let any = Template(.any)
    private var anything: Statement.TemplateExpression { .init([.plain(.any)]) }

    /// A sixteenth of what a session may keep, together with what stands around a found tuple.
    private static let share = Value.bytes([UInt8](repeating: 7, count: Limits.keptReplyBytes / 16 - 26))

    /// - Returns: a desk whose session 1 keeps exactly what it may, by final takes with the numbers returned.
    private func full(level: UInt32 = FeatureLevels.rights) -> (desk: Desk, takes: [UInt64]) {
        var desk = Desk(level: level)
        let takes = (0..<16).map { _ in
            desk.write(Self.share)
            desk.send(.take(.any))
            return desk.sequence
        }
        return (desk, takes)
    }

    /// One more byte, at least.
    private func overfill(_ desk: inout Desk) {
        desk.write("one more")
        #expect(
            desk.send(.take(.any))?.first == "one more", "at the limit there is room for one more, whatever its size")
    }

    /// One of each kind that a client may ask for, and that is bounded.
    private static let bounded: [TupleSpace.Operation] = [
        .write(1), .writeLeased(space: "s", tuple: Tuple(1), leaseMilliseconds: 5),
        .renew(space: "s", id: TupleID(1), lease: .forever), .takeByID(space: "s", id: TupleID(1)),
        .takeAll(space: "s", template: Template(.any), page: Page(limit: 1)),
        .replace(space: "s", id: TupleID(1), tuple: Tuple(1)), .take(.any), .take(.any, holds: true),
        .take(.any, timeout: .forever), .statement(Statement([.init(.always)])), .reserve(1),
        .reservation(ReservationID(1), .complete), .leave([]), .setPolicy(space: "s", nil),
        .setToken(TokenRecord(digest: .test(1), user: "u")), .removeToken(.test(1)),
        .keyed(key: "k", digest: [], .write(1)),
    ]

    @Test(
        "are bounded: whatever comes then is refused with the limit, is not done, and is done when some were acknowledged"
    )
    func refused() {
        let (fresh, takes) = full()
        var desk = fresh
        overfill(&desk)
        let (tuples, spaces) = (desk.machine.tupleCount, desk.machine.spaceCount)
        var refused: [UInt64] = []
        for operation in Self.bounded {
            let failure = desk.send(operation, as: "!")?.failure
            #expect(failure?.code == .sessionWindowFull, "\(operation)")
            #expect(failure?.message.contains("more than \(Limits.keptReplyBytes) bytes") == true)
            refused.append(desk.sequence)
        }
        #expect(desk.machine.tupleCount == tuples && desk.machine.spaceCount == spaces && desk.machine.keyCount == 0)
        #expect(desk.machine.waiterCount == 0)
        // What was answered is answered again, and others' sessions have room.
        #expect(desk.harness.reply(1, takes[0], .take(.any))?.first == Self.share)
        #expect(desk.send(.write(1, in: "t"), session: 2)?.failure == nil)
        // Refused is not done: the same numbers do it when there is room.
        desk.send(.acknowledge, singles: [takes[0]])
        for (sequence, operation) in zip(refused, Self.bounded) {
            let failure = desk.harness.reply(1, sequence, operation, caller: "!")?.failure
            #expect(failure?.code != .sessionWindowFull, "\(operation)")
        }
    }

    @Test("are let go, waits are cancelled, held tuples given back and the session ended, however much it keeps")
    func exempt() {
        var desk = full().desk
        let waiting = desk.wait(.take("never", timeout: .forever))
        desk.write("held")
        desk.send(.take("held", holds: true))
        let held = desk.sequence
        overfill(&desk)
        #expect(desk.send(.cancel(sequence: waiting)) == .done && desk.outcome(waiting) == .noMatch)
        #expect(desk.send(.release(sequence: held)) == .done && desk.machine.heldCount == 0)
        #expect(desk.send(.openSession(timeoutMilliseconds: 5_000)) == .done)
        #expect(desk.send(.acknowledge) == .done)
        #expect(desk.send(.endSession) == .done)
    }

    @Test("are the same after a restart from a snapshot")
    func restored() throws {
        var desk = full().desk
        desk.harness.machine = try desk.harness.restored(pieceBytes: 1 << 20)
        overfill(&desk)
        desk.harness.machine = try desk.harness.restored(pieceBytes: 1 << 20)
        #expect(desk.send(.write(1))?.failure == .keepsTooMuch)
    }

    @Test("are bounded for takes-all and statements alone below feature level 4")
    func lowerLevel() {
        var desk = full(level: FeatureLevels.rights - 1).desk
        overfill(&desk)
        #expect(desk.send(.write("a", in: "t"))?.failure == nil)
        #expect(desk.send(.take(.any, in: "t"))?.first == "a")
        #expect(desk.send(.statement(Statement([.init(.always)])))?.failure == .keepsTooMuch)
        let takeAll = TupleSpace.Operation.takeAll(space: "s", template: any, page: Page(limit: 1))
        #expect(desk.send(takeAll)?.failure == .keepsTooMuch)
        // The leader says the level by the log, and it never falls.
        desk.harness.apply(0, 0, .raiseLevel(FeatureLevels.rights))
        desk.harness.apply(0, 0, .raiseLevel(1))
        #expect(desk.send(.write(1))?.failure == .keepsTooMuch)
    }

    @Test(
        "end those who wait, when a tuple comes that would be kept; it goes to the next, and who only holds it may have it"
    )
    func waiting() {
        var desk = full().desk
        let waits: [TupleSpace.Operation] = [
            .take(.any, timeout: .forever), .reserve(1_000, timeout: .forever),
            .statement(Statement([.init(.take(space: "s", anything))], timeout: .forever)),
            .keyed(key: "k", digest: [], .take(.any, timeout: .forever)),
        ]
        let sequences = waits.map { desk.wait($0) }
        let holds = desk.wait(.take(.any, timeout: .forever, holds: true))
        desk.write("one more", in: "t")
        #expect(desk.send(.take(.any, in: "t"))?.first == "one more")
        desk.write(1)
        for sequence in sequences { #expect(desk.outcome(sequence)?.failure == .keepsTooMuch) }
        #expect(desk.outcome(holds)?.first == 1)
        // Nothing was done under the key, and so it is free.
        desk.write(2)
        #expect(desk.send(waits[3], session: 3)?.first == 2)
    }
}
