import ByteCoding
import Testing

@testable import TupleSpace

@Suite("Damaged bytes")
struct DamagedBytesTests {
    /// Makes values of every kind, operations that hold them, and damages their bytes.
    private struct Source {
        var chance: SeededGenerator

        mutating func value(depth: Int = 0) -> Value {
            switch chance.below(depth > 3 ? 8 : 10) {
            case 0: return .null
            case 1: return .bool(chance.chance(50))
            case 2: return .int(Int64(bitPattern: chance.next() >> UInt64(chance.below(64))))
            case 3: return .double(Double(chance.below(1_000)) / 8)
            case 4, 5: return .string(["", "a", "é€😀", "ASCII of more than eight"][chance.below(4)])
            case 6: return .bytes((0..<chance.below(12)).map { UInt8($0) })
            case 7: return .symbol("s")
            case 8: return .list((0..<chance.below(4)).map { _ in value(depth: depth + 1) })
            default:
                let entries = (0..<chance.below(3)).map {
                    Value.MapEntry(key: "k\($0)", value: value(depth: depth + 1))
                }
                return .map(entries)
            }
        }

        mutating func field() -> TemplateField {
            switch chance.below(5) {
            case 0: .any
            case 1: .literal(value())
            case 2: .type(ValueType.allCases[chance.below(9)])
            case 3: .range(lower: 1, upper: 2.5, open: chance.chance(50))
            default: .prefix("é")
            }
        }

        mutating func operation() -> TupleSpace.Operation {
            if chance.chance(40) { return rights() }
            return switch chance.below(6) {
            case 0, 1: .write(space: "s", tuple: Tuple((0..<(1 + chance.below(4))).map { _ in value() }))
            case 2, 3:
                .take(
                    space: "s", template: Template((0..<(1 + chance.below(4))).map { _ in field() }),
                    timeout: chance.chance(50) ? .forever : .milliseconds(500), holds: chance.chance(50))
            case 4: .keyed(key: "k", digest: [1], .write(space: "s", tuple: Tuple(value())))
            default: .expireSessions([SessionID(1), SessionID(2)])
            }
        }

        private mutating func rights() -> TupleSpace.Operation {
            let digest = TokenDigest.test(UInt8(chance.below(3)))
            switch chance.below(8) {
            case 0:
                return .reserve(
                    space: "s", template: Template(field()), timeout: chance.chance(50) ? .none : .milliseconds(500),
                    reservationMilliseconds: UInt64(chance.below(3_000)))
            case 1:
                let actions: [TupleSpace.Operation.ReservationAction] = [
                    .complete, .release, .extend(milliseconds: 300),
                ]
                return .reservation(ReservationID(chance.next() >> UInt64(chance.below(64))), actions[chance.below(3)])
            case 2: return .leave((0..<chance.below(3)).map { _ in FailureTuple(Tuple(value()), to: "s") })
            case 3:
                let rule = Rule([
                    [.signedIn, .fieldIsCaller(0)], [.exists(space: "t", [.field(1), .role, .value(value())])],
                ])
                return .setPolicy(space: "s", chance.chance(30) ? Policy(read: rule, administer: .signedIn) : nil)
            case 4: return .setToken(TokenRecord(digest: digest, user: "ann", roles: ["a", "b"]))
            case 5: return .removeToken(digest)
            case 6: return .raiseLevel(4)
            default: return .keyed(key: "r", digest: [1], .reserve(1_000))
            }
        }

        mutating func damage(_ bytes: inout [UInt8]) {
            for _ in 0..<chance.below(3) {
                guard !bytes.isEmpty else { return }
                let place = chance.below(bytes.count)
                switch chance.below(4) {
                case 0: bytes[place] = UInt8(truncatingIfNeeded: chance.next())
                case 1: bytes.remove(at: place)
                case 2: bytes.insert(UInt8(chance.below(16)), at: place)
                default: bytes.removeSubrange(place...)
                }
            }
        }
    }

    private static func encode(_ operation: TupleSpace.Operation) -> [UInt8] {
        var writer = ByteWriter()
        operation.encode(into: &writer)
        return writer.bytes
    }

    @Test("are refused by the scanner exactly when the decoder refuses them", arguments: 0..<8 as Range<UInt64>)
    func scannerAgrees(seed: UInt64) {
        var source = Source(chance: SeededGenerator(seed: seed))
        var refused = 0
        for _ in 0..<3_000 {
            var bytes = Self.encode(source.operation())
            source.damage(&bytes)
            let decodes = bytes.withUnsafeBytes { raw in
                var reader = ByteReader(raw)
                guard (try? Operation(from: &reader)) != nil else { return false }
                return reader.isAtEnd
            }
            let scans = bytes.withUnsafeBytes { OperationView($0) != nil }
            #expect(decodes == scans, "\(bytes)")
            if !scans { refused += 1 }
        }
        #expect(refused > 300 && refused < 2_700)
    }

    @Test("never trap the state machine, and make the same of two", arguments: 0..<8 as Range<UInt64>)
    func damagedBatches(seed: UInt64) {
        var source = Source(chance: SeededGenerator(seed: seed))
        var first = Harness(sessions: 1, 2, 3)
        var second = first
        for i in 1...1_500 as ClosedRange<UInt64> {
            var batch = BatchWriter()
            for _ in 0..<3 {
                var bytes = Self.encode(source.operation())
                source.damage(&bytes)
                let header = CommandHeader(
                    session: SessionID(UInt64(source.chance.below(4))), sequence: i, acknowledgedBelow: i - min(i, 20))
                bytes.withUnsafeBytes { batch.append(header, operation: $0) }
            }
            var payload = batch.finish(leaseTime: i * 10, wallStamp: i)
            if source.chance.chance(30) { source.damage(&payload) }
            #expect(first.apply(payload) == second.apply(payload))
        }
        #expect(first.machine.digest == second.machine.digest)
    }

    @Test("of a snapshot are refused, or make a state machine that works", arguments: 0..<4 as Range<UInt64>)
    func damagedSnapshots(seed: UInt64) throws {
        var source = Source(chance: SeededGenerator(seed: seed))
        var harness = Harness(sessions: 1, 2)
        for i in 1...60 as ClosedRange<UInt64> {
            harness.apply(1 + i % 2, i, source.operation(), caller: i % 3 == 0 ? "!" : "")
            harness.apply(1 + i % 2, 100 + i, .take(.any, holds: true))
            harness.apply(1 + i % 2, 200 + i, .reserve(5_000))
        }
        let whole = encoded(harness.machine)
        for _ in 0..<300 {
            var bytes = whole
            source.damage(&bytes)
            guard let machine = try? restore(bytes, pieceBytes: 4_096) else { continue }
            var copy = harness
            copy.machine = machine
            copy.apply(1, 1_000, .write(1))
            copy.apply(0, 0, .expireSessions([SessionID(1), SessionID(2)]))
            #expect(copy.machine.heldCount == copy.machine.reservationCount)
        }
        #expect(throws: MalformedBytes.self) { try restore(Array(whole.dropLast()), pieceBytes: 100) }
    }

    @Test("of a batch's frame leave everything but the index and the digest")
    func malformedBatch() {
        var harness = Harness(sessions: 1)
        let before = harness.machine
        harness.apply([2, 0, 0])
        #expect(harness.machine.appliedIndex == before.appliedIndex + 1)
        #expect(harness.machine.leaseTime == before.leaseTime)
        #expect(harness.machine.digest != before.digest)
    }

    @Test("A malformed operation is answered, and answered again")
    func malformedOperation() {
        var harness = Harness(sessions: 1)
        for _ in 1...2 {
            var batch = BatchWriter()
            let header = CommandHeader(session: SessionID(1), sequence: 1)
            [UInt8(99)].withUnsafeBytes { batch.append(header, operation: $0) }
            let answers = harness.apply(batch.finish(leaseTime: 0, wallStamp: 0))
            guard case .failed(let failure)? = answers.first?.reply else {
                Issue.record("no failure")
                return
            }
            #expect(failure.code == .malformed)
        }
    }
}
