import ByteCoding
import Testing

@testable import TupleSpace

/// What came with feature level 4, as nobody's state machine writes it.
@Suite("A forged snapshot is refused")
struct ForgedSnapshotTests {
    /// Two of each: policies of all and of the spaces s and t, tokens, reservations, failure tuples of sessions 1 and 2; and a held tuple.
    private static let machine: StateMachine = {
        var desk = Desk()
        for number in 1...3 { desk.write(.int(Int64(number)), in: "s") }
        desk.write("rights", in: "t")
        let ann = desk.know("ann")
        _ = desk.reserve(for: 5_000, as: ann)
        _ = desk.reserve(for: 4_000)
        desk.send(.take(.any, holds: true))
        _ = desk.know("bob", roles: ["editor"])
        for session: UInt64 in [1, 2] { desk.send(.leave([failureTuple]), session: session) }
        for space in ["s", "t", ""] { desk.setPolicy(signedIn, of: space) }
        return desk.machine
    }()

    private static let signedIn = Policy(write: .signedIn)
    private static let failureTuple = FailureTuple(Tuple(1), to: "s")
    private static let sound = SnapshotBlocks(machine)

    /// Its blocks, changed.
    private func expectRefused(
        _ part: String, _ what: Comment? = nil, _ forge: (inout SnapshotBlocks) -> Void
    ) {
        var forged = Self.sound
        forge(&forged)
        #expect(forged.bytes != Self.sound.bytes, what)
        do {
            _ = try forged.restored()
            Issue.record(what ?? "restored: \(part)")
        } catch {
            #expect("\(error)".contains(part), what)
        }
    }

    private static func policy(_ space: String, _ policy: Policy = signedIn) -> [UInt8] {
        bytes {
            $0.write(space)
            policy.encode(into: &$0)
        }
    }

    private static func token(_ digest: TokenDigest) -> [UInt8] {
        bytes { TokenRecord(digest: digest, user: "u").encode(into: &$0) }
    }

    private static func reservation(_ id: UInt64, _ tuple: UInt64, caller: [UInt8] = []) -> [UInt8] {
        bytes {
            for number in [id, tuple, 9_000] { $0.write(number) }
            $0.writePrefixed(caller)
        }
    }

    private static func left(_ session: UInt64, _ tuples: [FailureTuple], credential: [UInt8] = []) -> [UInt8] {
        bytes { writer in
            writer.write(session)
            writer.writePrefixed(credential)
            writer.writeVarint(UInt64(tuples.count))
            for tuple in tuples { tuple.encode(into: &writer) }
        }
    }

    @Test("unless it was put together as it was")
    func isSound() throws {
        let restored = try Self.sound.restored()
        #expect(Self.sound.bytes == encoded(Self.machine) && encoded(restored) == Self.sound.bytes)
        #expect(restored.reservationCount == 2 && restored.featureLevel == FeatureLevels.rights)
        #expect(restored.answer(.policy(space: "t"), as: .operator) == .policy(Self.signedIn))
    }

    @Test(
        "if one of its blocks of level 4 ends too early or goes on",
        arguments: [.policies, .tokens, .reservations, .failureTuples] as [ImageBlock])
    func lengths(block: ImageBlock) {
        expectRefused("") { $0[block].removeLast() }
        expectRefused("") { $0[block].append(0) }
        expectRefused("order of blocks") { blocks in
            guard let place = blocks.blocks.firstIndex(where: { $0.kind == block }) else { return }
            blocks.blocks.swapAt(place, place - 1)
        }
    }

    @Test("for policies: twice, in another order, of a space that is not there, or such as nobody could set")
    func policies() {
        let (all, s, t) = (Self.policy(""), Self.policy("s"), Self.policy("t"))
        for blocks in [all + all + s + t, s + all + t, all + s + s + t, all + t + s] {
            expectRefused("order of records") { $0[.policies] = blocks }
        }
        expectRefused("space of a policy") { $0[.policies] = all + Self.policy("nowhere") }
        let many = Policy(write: Rule([[Condition]](repeating: [.signedIn], count: Limits.clausesPerRule + 1)))
        expectRefused("at most \(Limits.clausesPerRule) clauses") { $0[.policies] = Self.policy("s", many) }
        let text = Value.string(String(repeating: "x", count: Limits.policyBytes))
        let large = Policy(write: Rule([[.exists(space: "t", [.value(text)])]]))
        expectRefused("at most \(Limits.policyBytes) bytes") { $0[.policies] = Self.policy("s", large) }
    }

    @Test("for tokens: twice, in another order, or such as nobody could set")
    func tokens() {
        let (low, high) = (Self.token(.test(1)), Self.token(.test(2)))
        for blocks in [low + low, high + low] {
            expectRefused("order or number of tokens") { $0[.tokens] = blocks }
        }
        var record = TokenRecord(digest: .test(1), user: "u", roles: ["a", "b"])
        record.roles.reverse()
        expectRefused("roles ascend") { $0[.tokens] = bytes { record.encode(into: &$0) } }
        expectRefused("hexadecimal") { $0[.tokens][1] = UInt8(ascii: "G") }
    }

    @Test("for more tokens, reservations or bytes of failure tuples than there may be")
    func limits() throws {
        let digits = String(repeating: "0", count: 58)
        var block: [UInt8] = []
        var forged = Self.sound
        forged.blocks.removeAll { $0.kind == .tokens }
        let place = try #require(forged.blocks.firstIndex { $0.kind == .reservations })
        for number in 0..<Limits.tokens {
            block += Self.token(try #require(TokenDigest(digits + "\(100_000 + number)")))
        }
        // Of any length that a block may have.
        let size = block.count / Limits.tokens
        for start in stride(from: 0, to: Limits.tokens, by: 10_000).reversed() {
            forged.blocks.insert((.tokens, Array(block[(start * size)..<((start + 10_000) * size)])), at: place)
        }
        #expect(try forged.restored().rights.tokens.count == Limits.tokens)
        forged.blocks.insert((.tokens, Self.token(try #require(TokenDigest(digits + "200000")))), at: place + 10)
        #expect(throws: MalformedBytes.self) { try forged.restored() }

        var machine = Self.machine
        for _ in 0..<Limits.reservations - 2 { machine.reserveAnother() }
        #expect(try restore(encoded(machine), pieceBytes: 1 << 20).reservationCount == Limits.reservations)
        machine.reserveAnother()
        #expect(throws: MalformedBytes.self) { try restore(encoded(machine), pieceBytes: 1 << 20) }

        machine = Self.machine
        let text = Value.string(String(repeating: "x", count: Limits.failureTupleBytesPerSession - 6))
        let full = FailureTuple(Tuple(text), to: "s")
        func leave(_ session: UInt64) {
            machine.table.open(Session(id: session, timeoutMilliseconds: 5_000, caller: []))
            machine.testaments.set(
                .init(credential: [], tuples: [full], byteCount: full.encodedTuple.count), of: session)
        }
        let sessions = UInt64(Limits.failureTupleBytes / Limits.failureTupleBytesPerSession)
        for session in 1...sessions { leave(1_000 + session) }
        let total = machine.testaments.byteCount
        #expect(try restore(encoded(machine), pieceBytes: 1 << 20).testaments.byteCount == total)
        leave(sessions + 1_001)
        #expect(throws: MalformedBytes.self) { try restore(encoded(machine), pieceBytes: 1 << 20) }
    }

    @Test(
        "for reservations: twice, in another order, of no tuple or one that is not held by it alone, or newer than all ids"
    )
    func reservations() throws {
        let ids = Self.machine.reservations.ids
        let tuples = ids.compactMap { Self.machine.reservations[$0]?.tuple }
        let (first, second) = (Self.reservation(ids[0], tuples[0]), Self.reservation(ids[1], tuples[1]))
        for blocks in [first + first + second, second + first] {
            expectRefused("order of records") { $0[.reservations] = blocks }
        }
        expectRefused("order of records") { $0[.reservations] = first + Self.reservation(.max, tuples[1]) }
        expectRefused("counts contradict") { $0[.reservations] = first }
        let visible = try #require(Self.machine.answer(.read(space: "t", template: Template(.any)), as: .user("u")).id)
        for tuple in [0, visible, tuples[0]] {
            expectRefused("reserved tuple") { $0[.reservations] = first + Self.reservation(ids[1], tuple) }
        }
        // The tuple that session 1 holds, so that the counts agree though another is nobody's.
        let held = try #require(Self.machine.held.first)
        expectRefused("reserved tuple") { $0[.reservations] = first + Self.reservation(ids[1], held) }
        expectRefused("caller") { $0[.reservations] = first + Self.reservation(ids[1], tuples[1], caller: [0xFF]) }
    }

    @Test("for two commands that hold one tuple, though the counts agree")
    func heldTwice() {
        var desk = Desk()
        for number in 1...2 {
            desk.write(.int(Int64(number)))
            desk.send(.take(.any, holds: true))
        }
        var forged = SnapshotBlocks(desk.machine)
        let commands = forged[.commands]
        // Two records of sequence u64, code u8, id u64, position.
        let half = commands.count / 2
        forged[.commands].replaceSubrange((half + 9)..<(half + 17), with: commands[9..<17])
        #expect(throws: MalformedBytes("held tuple of a command", at: half)) { try forged.restored() }
    }

    @Test(
        "for failure tuples: of no session, twice, in another order, none, too many, too large, or such as nobody could leave"
    )
    func failureTuples() {
        let tuple = Self.failureTuple
        let (first, second) = (Self.left(1, [tuple]), Self.left(2, [tuple]))
        for blocks in [first + first + second, second + first] {
            expectRefused("order of records") { $0[.failureTuples] = blocks }
        }
        let large = FailureTuple(
            Tuple(.bytes([UInt8](repeating: 1, count: Limits.failureTupleBytesPerSession))), to: "s")
        let many = [FailureTuple](repeating: tuple, count: Limits.failureTuplesPerSession + 1)
        let long = FailureTuple(Tuple(1), to: "s", lease: .milliseconds(Limits.leaseMilliseconds + 1))
        for (block, what) in [
            (Self.left(77, [tuple]), "no session"), (Self.left(1, []), "none"), (Self.left(1, many), "too many"),
            (Self.left(1, [large]), "too large"), (Self.left(1, [FailureTuple(Tuple(1), to: "")]), "no space"),
            (Self.left(1, [long]), "too long a lease"), (Self.left(1, [tuple], credential: [0xFF]), "no text"),
        ] as [([UInt8], Comment)] {
            expectRefused("failure tuples of a session", what) { $0[.failureTuples] = block }
        }
    }

    @Test("for a waiter with flags that are unknown, or that holds and reserves")
    func waiterFlags() {
        var desk = Desk()
        _ = desk.wait(.reserve(1_000, timeout: .forever))
        let sound = SnapshotBlocks(desk.machine)
        // Behind its id, a length of one byte and four words.
        let place = 8 + 1 + 32
        #expect(sound[.waiters][place] == WaiterView.reservesFlag)
        for flags in [32, WaiterView.reservesFlag | WaiterView.holdsFlag] as [UInt8] {
            var forged = sound
            forged[.waiters][place] = flags
            #expect(throws: MalformedBytes.self) { try forged.restored() }
        }
    }
}

extension Reply {
    fileprivate var id: UInt64? { if case .found(let stored, _) = self { stored.id.rawValue } else { nil } }
}

extension StateMachine {
    fileprivate mutating func reserveAnother() {
        let id = tupleID(after: lastTupleID)
        let tuple = bytes { Tuple(1).encode(into: &$0) }
        Array("s".utf8).withUnsafeBytes { space in
            tuple.withUnsafeBytes { _ = store(id, $0, in: space, 0, lease: nil, caller: Self.nobody) }
        }
        reservations.insert(tupleID(after: id), .init(tuple: id, end: .max, caller: []))
        lastTupleID = tupleID(after: id)
    }

    /// Tuples that commands hold.
    fileprivate var held: [UInt64] {
        table.ids.compactMap { table.slot(of: $0) }.flatMap { table[$0].window }.compactMap {
            if case .held(let id, _) = $0.outcome { id } else { nil }
        }
    }
}
