import ByteCoding
import Testing

@testable import TupleSpace

@Suite("The state machine does what the simple model does")
struct ModelTests {
    @Test("with random commands, retries, acknowledgements, expiries and restarts", arguments: 0..<60 as Range<UInt64>)
    func random(seed: UInt64) throws {
        var run = ModelRun(seed: seed)
        for _ in 0..<400 { try run.step() }
        // So that the test would notice a generator that makes nothing happen.
        #expect(run.model.events.count > 50)
        #expect(run.harness.events() == run.model.events)
    }

    @Test("and the kinds of things that can happen do happen")
    func coverage() throws {
        var kinds: Set<String> = []
        for seed in 0..<20 as Range<UInt64> {
            var run = ModelRun(seed: seed)
            for _ in 0..<400 { try run.step() }
            kinds.formUnion(run.kinds)
        }
        let expected: Set<String> = [
            "done", "written", "found", "noMatch", "session-expired", "already-acknowledged", "idempotency-mismatch",
            "superseded", "event write", "event take", "event giveBack", "event expire", "event replace", "statement",
            "statement-failed", "second alternative", "waiting statement",
            "tuples", "reserved", "not-allowed",
            "held", "leased", "waiting", "kept", "policy", "token", "failure tuple", "waits by token",
            "restored",
        ]
        #expect(expected.subtracting(kinds).isEmpty)
    }
}

/// One run of machine and model side by side.
struct ModelRun {
    var harness = Harness()
    var model = SimpleModel()
    var kinds: Set<String> = []
    private var chance: SeededGenerator
    private var issued: [UInt64: [(CommandHeader, TupleSpace.Operation)]] = [:]
    private var nextSequence: [UInt64: UInt64] = [:]
    private var floors: [UInt64: UInt64] = [:]
    private var comparedEvents = 0

    init(seed: UInt64) { chance = SeededGenerator(seed: seed) }

    mutating func step() throws {
        harness.leaseTime += UInt64(chance.below(chance.chance(3) ? 2_000_000 : 300))
        harness.wallStamp = chance.chance(10) ? harness.wallStamp - 5 : harness.wallStamp + UInt64(chance.below(3))
        model.begin(leaseTime: harness.leaseTime, wallStamp: harness.wallStamp)
        for _ in 0..<(1 + chance.below(4)) {
            let (header, operation) = nextCommand()
            harness.add(
                header.session.rawValue, header.sequence, operation, caller: header.caller,
                below: header.acknowledgedBelow, singles: header.acknowledged)
            model.apply(header, operation)
        }
        let answers = harness.commit()
        #expect(answers.map(Self.withoutMessage) == model.answers)
        try compareState()
        if chance.chance(8) { try roundTrip() }
        record(answers)
    }

    private static func withoutMessage(_ answer: Harness.Answer) -> Harness.Answer {
        guard case .failed(let failure) = answer.reply else { return answer }
        var answer = answer
        answer.reply = .failed(Failure(failure.code, ""))
        return answer
    }

    // MARK: - Commands

    /// Of five clients. One whose session has ended mostly goes on with another; sometimes it does not know yet.
    private mutating func anySession() -> UInt64 {
        var session = UInt64(1 + chance.below(5))
        while model.ended.contains(session + 5), chance.chance(95) { session += 5 }
        return model.ended.contains(session) && chance.chance(90) ? session + 5 : session
    }

    private mutating func nextCommand() -> (CommandHeader, TupleSpace.Operation) {
        let session = anySession()
        if chance.chance(2) {
            let ended = (0..<(1 + chance.below(3))).map { _ in SessionID(anySession()) }
            return (CommandHeader(session: SessionID(0), sequence: 0), .expireSessions(ended))
        }
        if chance.chance(15), let earlier = issued[session], !earlier.isEmpty {
            return earlier[chance.below(earlier.count)]
        }
        if model.sessions[session] == nil, chance.chance(70) {
            return (
                CommandHeader(session: SessionID(session), sequence: 0, caller: caller(session)),
                .openSession(timeoutMilliseconds: 5_000)
            )
        }
        var sequence = nextSequence[session, default: 1]
        nextSequence[session] = sequence + 1
        if chance.chance(10) { nextSequence[session] = sequence + 3 }
        if chance.chance(10), sequence > 3 { sequence -= 2 }
        let command = (header(session, sequence), operation(before: sequence))
        issued[session, default: []].append(command)
        if (issued[session]?.count ?? 0) > 30 { issued[session]?.removeFirst() }
        return command
    }

    /// As a server vouches for it: by name, by token, as an operator. Names and roles are such as stand in tuples.
    private func caller(_ session: UInt64) -> String {
        ["a", "a", Self.credential(0), Self.credential(1), "!"][Int((session - 1) % 5)]
    }

    private static func digest(_ number: Int) -> TokenDigest {
        TokenDigest(sha256: [UInt8](repeating: UInt8(number), count: 32))!
    }

    private static func credential(_ number: Int) -> String { Credential.token(digest(number)).text }

    private mutating func header(_ session: UInt64, _ sequence: UInt64) -> CommandHeader {
        var header = CommandHeader(session: SessionID(session), sequence: sequence, caller: caller(session))
        if chance.chance(20) {
            // Behind what is new, so that some is left to be asked for again.
            let floor = max(floors[session, default: 0], sequence - min(sequence, UInt64(chance.below(12))))
            floors[session] = floor
            header.acknowledgedBelow = floor
        }
        if chance.chance(25) {
            header.acknowledged = Set((0..<3).map { _ in sequence - min(sequence, UInt64(1 + chance.below(8))) })
                .sorted()
        }
        return header
    }

    private mutating func operation(before sequence: UInt64) -> TupleSpace.Operation {
        let earlier = sequence - min(sequence, UInt64(1 + chance.below(6)))
        switch chance.below(100) {
        case 0..<25: return .write(space: space(), tuple: tuple())
        case 25..<35: return change()
        case 35..<43: return .statement(statement())
        case 43..<70: return take(holds: chance.chance(60))
        case 70..<76: return .cancel(sequence: earlier)
        case 76..<82: return .release(sequence: earlier)
        case 82..<85: return .acknowledge
        case 85: return .endSession
        case 86..<89: return rights()
        case 89..<92: return reservation()
        default:
            let inner: TupleSpace.Operation =
                switch chance.below(12) {
                case 0..<4: .write(space: space(), tuple: tuple())
                case 4..<5: change()
                case 5..<6: .statement(statement())
                case 6..<7: reservation()
                case 7..<8: rights()
                default: take(holds: chance.chance(5))
                }
            return .keyed(key: "key \(chance.below(12))", digest: [UInt8(chance.below(20) / 18)], inner)
        }
    }

    private mutating func reservation() -> TupleSpace.Operation {
        if chance.chance(40) {
            let timeout: Timeout = chance.chance(50) ? .none : .milliseconds(UInt64(chance.below(3_000)))
            return .reserve(
                space: space(), template: template(), timeout: timeout,
                reservationMilliseconds: UInt64(chance.below(4_000)))
        }
        let id = ReservationID(model.reservations.randomElement(using: &chance)?.id ?? 7)
        switch chance.below(3) {
        case 0: return .reservation(id, .complete)
        case 1: return .reservation(id, .extend(milliseconds: UInt64(chance.below(3_000))))
        default: return .reservation(id, .release)
        }
    }

    private mutating func rights() -> TupleSpace.Operation {
        switch chance.below(9) {
        case 0..<2:
            let token = Self.digest(chance.below(2))
            let roles = [["admin"], [], ["b"], ["a", "b"]][chance.below(4)]
            return .setToken(TokenRecord(digest: token, user: ["a", "ab", "b"][chance.below(3)], roles: roles))
        case 2: return chance.chance(40) ? .removeToken(Self.digest(chance.below(2))) : .setPolicy(space: "", nil)
        case 3..<5: return .setPolicy(space: chance.chance(15) ? "" : space(), chance.chance(40) ? policy() : nil)
        default:
            return .leave(
                (0..<chance.below(3)).map { _ in
                    FailureTuple(tuple(), to: space(), lease: chance.chance(20) ? .none : .forever)
                })
        }
    }

    private mutating func policy() -> Policy {
        var policy = Policy(write: rule(), read: rule(), take: rule(), administer: rule())
        if policy.problem() != nil { policy.administer = .nobody }
        return policy
    }

    private mutating func rule() -> Rule {
        guard chance.chance(50) else { return .everybody }
        return Rule((0..<(1 + chance.below(2))).map { _ in (0..<(1 + chance.below(3))).map { _ in condition() } })
    }

    private mutating func condition() -> Condition {
        switch chance.below(8) {
        case 0..<2: return .signedIn
        case 2: return .user(["a", "ab", "b"][chance.below(3)])
        case 3: return .role(["a", "b"][chance.below(2)])
        case 4..<6: return .fieldIsCaller(chance.below(2))
        default:
            var parts: [Condition.Part] = [chance.chance(50) ? .field(chance.below(2)) : .value(value())]
            if chance.chance(50) { parts.append(chance.chance(50) ? .caller : .role) }
            return .exists(space: space(), parts)
        }
    }

    /// What is done to tuples by their ids, or to many.
    private mutating func change() -> TupleSpace.Operation {
        switch chance.below(12) {
        case 0..<4:
            return .writeLeased(
                space: space(), tuple: tuple(), leaseMilliseconds: chance.chance(10) ? 0 : UInt64(chance.below(4_000)))
        case 4..<6:
            let lease: Timeout = chance.chance(20) ? .forever : .milliseconds(UInt64(chance.below(3_000)))
            return .renew(space: space(), id: anyTuple(), lease: chance.chance(10) ? .none : lease)
        case 6..<7: return .takeByID(space: space(), id: anyTuple())
        case 7..<8:
            return .takeAll(
                space: space(), template: template(),
                page: Page(limit: 1 + chance.below(4), order: chance.chance(50) ? .oldest : .newest))
        default: return .replace(space: space(), id: anyTuple(), tuple: tuple())
        }
    }

    // MARK: - Statements

    private mutating func statement() -> Statement {
        while true {
            let alternatives = (0..<(1 + chance.below(3))).map { _ in alternative() }
            let timeout: Timeout =
                switch chance.below(3) {
                case 0: .none
                case 1: .milliseconds(UInt64(chance.below(3_000)))
                default: .forever
                }
            let statement = Statement(alternatives, timeout: timeout)
            // What is drawn names formals and steps that may not be there.
            if statement.problem() == nil { return statement }
        }
    }

    private mutating func alternative() -> Statement.Alternative {
        let guarded: Statement.Guard =
            switch chance.below(8) {
            case 0: .always
            case 1..<5: .take(space: space(), expression(binds: 0))
            default: .read(space: space(), expression(binds: 0))
            }
        var steps: [Statement.Step] = []
        for number in 0..<chance.below(4) {
            switch chance.below(9) {
            case 0..<4:
                let lease: Timeout = chance.chance(70) ? .forever : .milliseconds(UInt64(chance.below(1_000)))
                steps.append(.write(space: space(), made(), lease: chance.chance(5) ? .none : lease))
            case 4: steps.append(.take(space: space(), expression(binds: 10 * (number + 1))))
            case 5: steps.append(.takeIfAny(space: space(), expression(binds: nil)))
            case 6: steps.append(.read(space: space(), expression(binds: 10 * (number + 1))))
            case 7: steps.append(.absent(space: space(), expression(binds: nil)))
            default: steps.append(.replace(step: chance.below(number + 1), made()))
            }
        }
        return Statement.Alternative(guarded, steps)
    }

    private mutating func expression(binds first: Int?) -> Statement.TemplateExpression {
        Statement.TemplateExpression(
            (0..<(1 + chance.below(3))).map { place in
                if let first, chance.chance(30) { return .bind(first + place, chance.chance(30) ? .int : nil) }
                if chance.chance(10) { return .known(known()) }
                return .plain(field())
            })
    }

    private mutating func known() -> Statement.Field {
        chance.chance(80)
            ? .formal(chance.chance(70) ? chance.below(3) : 10 + chance.below(20)) : .id(ofStep: chance.below(3))
    }

    private mutating func made() -> Statement.TupleExpression {
        Statement.TupleExpression(
            (0..<(1 + chance.below(3))).map { _ in chance.chance(40) ? known() : .value(value()) })
    }

    private mutating func anyTuple() -> TupleID {
        guard chance.chance(90), let pick = model.tuples.randomElement(using: &chance) else {
            return TupleID(model.lastID + UInt64(chance.below(3)))
        }
        return TupleID(pick.id)
    }

    private mutating func space() -> String { chance.chance(80) ? "first" : "second" }

    private mutating func take(holds: Bool) -> TupleSpace.Operation {
        let timeout: Timeout =
            switch chance.below(3) {
            case 0: .none
            case 1: .milliseconds(UInt64(chance.below(3_000)))
            default: .forever
            }
        return .take(space: space(), template: template(), timeout: timeout, holds: holds)
    }

    private mutating func value() -> Value {
        switch chance.below(12) {
        case 0..<4: .int(Int64(chance.below(4)))
        case 4: .double(Double(chance.below(8)) / 2)
        case 5..<9: .string(["a", "ab", "b", "é"][chance.below(4)])
        case 9: .bool(chance.chance(50))
        case 10: .list([.int(Int64(chance.below(2))), .null])
        default: .symbol("a")
        }
    }

    private mutating func tuple() -> Tuple { Tuple((0..<(1 + chance.below(3))).map { _ in value() }) }

    private mutating func template() -> Template {
        Template((0..<(1 + chance.below(3))).map { _ in field() })
    }

    private mutating func field() -> TemplateField {
        switch chance.below(10) {
        case 0..<4: .any
        case 4..<7: .literal(value())
        case 7: .type(ValueType.allCases[chance.below(ValueType.allCases.count)])
        case 8: .range(lower: .int(1), upper: .double(2.5), open: chance.chance(50))
        default: chance.chance(50) ? .prefix("a") : .regex(["^a", "b$", "a|é", "[a-b]{2}"][chance.below(4)])
        }
    }

    // MARK: - Comparing

    private mutating func compareState() throws {
        let machine = harness.machine
        #expect(machine.tupleCount == model.tuples.count { !$0.isHeld })
        #expect(machine.heldCount == model.tuples.count { $0.isHeld })
        #expect(machine.reservationCount == model.reservations.count)
        #expect(machine.waiterCount == model.waiters.count)
        #expect(machine.sessions.map(\.id.rawValue) == model.sessions.keys.sorted())
        #expect(machine.keyCount == model.kept.count + model.waiters.count { $0.key != nil })
        let leases = model.tuples.filter { !$0.hasPassed }.compactMap(\.leaseEnd)
        #expect(machine.leaseCount == leases.count)
        let deadlines =
            model.waiters.compactMap(\.deadline) + model.kept.map(\.expiry) + leases + model.reservations.map(\.end)
        #expect(machine.nextDeadline == deadlines.min())
        let before = comparedEvents == 0 ? Position(index: 0, ordinal: 0) : model.events[comparedEvents - 1].position
        #expect(machine.events(after: before, limit: .max) == Array(model.events[comparedEvents...]))
        comparedEvents = model.events.count
        try compareReads()
    }

    private mutating func compareReads() throws {
        let machine = harness.machine
        let (space, template) = (space(), template())
        let token = Self.digest(chance.below(2))
        let credential: Credential =
            [.anonymous, .user("a"), .token(token), .operator][chance.below(4)]
        let count = machine.answer(.count(space: space, template: template), as: credential)
        let read = machine.answer(.read(space: space, template: template), as: credential)
        let who = model.who(credential.text)
        guard let who, !model.isForbidden([\.read], space, who) else {
            for reply in [count, read] {
                guard case .failed(let failure) = reply, failure.code == (who == nil ? .unknownToken : .notAllowed)
                else {
                    Issue.record("\(reply)")
                    continue
                }
            }
            return
        }
        let visible = model.visible(space, template, [\.read], who)
            .map { StoredTuple(id: TupleID($0.id), tuple: $0.tuple) }.sorted { $0.id < $1.id }
        #expect(count == .count(UInt64(visible.count)))
        #expect(read == visible.first.map { .found($0, position: machine.lastPosition) } ?? .noMatch)
        if let stored = model.tuples.randomElement(using: &chance) {
            let may = machine.mayRead(stored.tuple, in: stored.space, as: credential)
            #expect(may == model.isAllowed([\.read], stored.space, stored.tuple, who))
        }
        comparePage(visible, space, template, credential)
    }

    private mutating func comparePage(
        _ visible: [StoredTuple], _ space: String, _ template: Template, _ credential: Credential
    ) {
        var page = Page(limit: 1 + chance.below(5), order: chance.chance(50) ? .oldest : .newest)
        if chance.chance(50), let pick = visible.randomElement(using: &chance) { page.after = pick.id }
        if chance.chance(50), let pick = visible.randomElement(using: &chance) { page.before = pick.id }
        var within = visible.filter { stored in
            (page.after.map { stored.id > $0 } ?? true) && (page.before.map { stored.id < $0 } ?? true)
        }
        if page.order == .newest { within.reverse() }
        let reply = harness.machine.answer(.readAll(space: space, template: template, page: page), as: credential)
        #expect(reply == .tuples(Array(within.prefix(page.limit)), more: within.count > page.limit))
    }

    private mutating func roundTrip() throws {
        let bytes = encoded(harness.machine)
        let restored = try restore(bytes, pieceBytes: 1 + chance.below(3_000))
        #expect(encoded(restored) == bytes)
        #expect(restored.digest == harness.machine.digest)
        #expect(restored.firstResumablePosition == harness.machine.firstResumablePosition)
        harness.machine = restored
        kinds.insert("restored")
    }

    private mutating func record(_ answers: [Harness.Answer]) {
        for answer in answers {
            switch answer.reply {
            case .done: kinds.insert("done")
            case .written: kinds.insert("written")
            case .found: kinds.insert("found")
            case .noMatch: kinds.insert("noMatch")
            case .failed(let failure): kinds.insert(failure.code.rawValue)
            case .tuples: kinds.insert("tuples")
            case .statement(let alternative, _): kinds.insert(alternative == 1 ? "second alternative" : "statement")
            case .reserved: kinds.insert("reserved")
            case .count, .spaces, .policy, .tokens: break
            }
        }
        for event in model.events.suffix(8) { kinds.insert("event \(event.kind)") }
        if harness.machine.heldCount > 0 { kinds.insert("held") }
        if harness.machine.waiterCount > 0 { kinds.insert("waiting") }
        if model.waiters.contains(where: { $0.statement != nil }) { kinds.insert("waiting statement") }
        if harness.machine.leaseCount > 0 { kinds.insert("leased") }
        if !model.kept.isEmpty { kinds.insert("kept") }
        if !model.policies.isEmpty { kinds.insert("policy") }
        if !model.tokens.isEmpty { kinds.insert("token") }
        if !model.testaments.isEmpty { kinds.insert("failure tuple") }
        if model.waiters.contains(where: { $0.credential.hasPrefix("#") }) { kinds.insert("waits by token") }
    }
}
