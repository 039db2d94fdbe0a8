import ByteCoding
import Testing

@testable import TupleSpace

@Suite("A snapshot's pieces")
struct RestorePiecesTests {
    /// Some blocks of tuples, and records longer than the short pieces.
    private func machine() -> StateMachine {
        var harness = Harness(sessions: 1)
        for number in 0..<700 {
            let tuple = Tuple(.int(Int64(number)), .string(String(repeating: "x", count: number)))
            harness.apply(1, UInt64(number + 1), .write(space: "s", tuple: tuple), below: UInt64(number + 1))
        }
        return harness.machine
    }

    @Test("may be of any length", arguments: [1, 3, 4, 5, 6, 4_096, 65_535, 65_541, 262_144, 1 << 30])
    func anyLength(_ pieceBytes: Int) throws {
        let bytes = encoded(machine())
        #expect(bytes.count > 3 * 64 << 10)
        let restored = try restore(bytes, pieceBytes: pieceBytes)
        #expect(encoded(restored) == bytes)
        #expect(restored.answer(.count(space: "s", template: Template([.literal(.int(599)), .any]))) == .count(1))
    }

    @Test("that end too early are refused, wherever", arguments: [1, 1_000])
    func cut(_ pieceBytes: Int) {
        let bytes = encoded(machine())
        for end in [0, 1, 19, 20, 24, 25, 26, 70_000, bytes.count - 1] {
            #expect(throws: (any Error).self) { try restore(Array(bytes.prefix(end)), pieceBytes: pieceBytes) }
        }
    }
}
