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

    @Test(
        "may be indexed apart: the same is found; an index that lacks a tuple is refused",
        arguments: [100, 1 << 16, 1 << 30])
    func indexedApart(_ pieceBytes: Int) throws {
        let bytes = encoded(machine())
        func restored(losing lost: Int?) throws -> StateMachine {
            var restorer = StateMachine.Restorer(indexesApart: true)
            var index = StateMachine.IndexBuild(expecting: 0)
            var batches = 0
            for start in stride(from: 0, to: bytes.count, by: pieceBytes) {
                try bytes[start..<min(start + pieceBytes, bytes.count)].withUnsafeBytes { try restorer.consume($0) }
                guard let tuples = restorer.takeUnindexed() else { continue }
                #expect(restorer.expectedTuples == 700)
                if batches != lost { index.add(tuples) }
                batches += 1
            }
            #expect(batches > 0 && restorer.takeUnindexed() == nil)
            return try restorer.finish(index)
        }
        let whole = try restored(losing: nil)
        #expect(encoded(whole) == bytes)
        for number in [0, 1, 350, 699] as [Int64] {
            #expect(whole.answer(.count(space: "s", template: Template([.literal(.int(number)), .any]))) == .count(1))
        }
        #expect(whole.answer(.count(space: "s", template: Template([.any, .any]))) == .count(700))
        #expect(throws: MalformedBytes.self) { try restored(losing: 0) }
    }
}
