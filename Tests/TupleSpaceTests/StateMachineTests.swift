import ByteCoding
import Testing

@testable import TupleSpace

@Suite("The state machine")
struct StateMachineTests {
    @Test("makes ids of the wall stamp that never go back")
    func ids() {
        var harness = Harness(sessions: 1)
        let stamp = harness.wallStamp
        func id(_ reply: Reply?) -> UInt64 {
            if case .written(let id, _)? = reply { id.rawValue } else { 0 }
        }
        #expect(id(harness.reply(1, 1, .write(1))) == stamp << 16)
        harness.wallStamp -= 1_000
        #expect(id(harness.reply(1, 2, .write(1))) == stamp << 16 + 1)
        harness.wallStamp = .max
        let highest = id(harness.reply(1, 3, .write(1)))
        #expect(highest > stamp << 16 && highest < 1 << 63)
    }

    @Test("drops the oldest events by chunks and says where one can resume")
    func ring() throws {
        var harness = Harness(sessions: 1)
        var sequence: UInt64 = 1
        while harness.machine.firstResumablePosition.index == 0 {
            for _ in 0..<500 {
                harness.add(1, sequence, .write(.bytes([UInt8](repeating: 7, count: 1_000))), below: sequence)
                sequence += 1
            }
            harness.commit()
        }
        let first = harness.machine.firstResumablePosition
        #expect(harness.machine.events(after: Position(index: 0, ordinal: 0), limit: 1) == nil)
        let events = try #require(harness.machine.events(after: first, limit: .max))
        #expect(events.last?.position == harness.machine.lastPosition)
        #expect(events.count <= Limits.eventRingEvents + 500)
        let restored = try harness.restored(pieceBytes: 100_000)
        #expect(restored.firstResumablePosition == first)
        #expect(restored.events(after: first, limit: 3) == Array(events.prefix(3)))
    }

    @Test("expires so many waiters in one entry and the rest in the next, in order of deadline")
    func expiry() {
        var harness = Harness(sessions: 1)
        let count = UInt64(Limits.expiriesPerEntry) + 10
        for i in 1...count {
            harness.add(1, i, .take(.any, timeout: .milliseconds(5_000 - i)))
        }
        harness.commit()
        #expect(harness.machine.nextDeadline == harness.leaseTime + 5_000 - count)
        harness.leaseTime += 6_000
        let first = harness.commit()
        #expect(first.map(\.sequence) == Array((11...count).reversed()))
        #expect(harness.commit().map(\.sequence) == Array((1...10).reversed()))
        #expect(harness.machine.nextDeadline == nil)
    }

    @Test("captures what was, whatever comes afterwards")
    func captureIsFrozen() throws {
        var harness = Harness(sessions: 1)
        for i in 1...2_000 as ClosedRange<UInt64> { harness.apply(1, i, .write(.int(Int64(i)))) }
        let image = harness.machine.capture()
        let before = encoded(harness.machine)
        for i in 2_001...3_000 as ClosedRange<UInt64> { harness.apply(1, i, .take(.any), below: i) }
        var after: [UInt8] = []
        image.encode { after.append(contentsOf: $0) }
        #expect(before == after)
        #expect(harness.machine.tupleCount == 1_000)
        #expect(try restore(after, pieceBytes: 10_000).tupleCount == 2_000)
    }

    @Test("gives up on a template that leaves too many to examine, wherever it was restored")
    func tooBroad() throws {
        var harness = Harness(sessions: 1)
        for i in 1...50 as ClosedRange<UInt64> { harness.apply(1, i, .write(.int(Int64(i)), "x")) }
        harness.apply(1, 51, .take(7, .any))
        var writer = ByteWriter()
        Template(.range(lower: 40, upper: 50, open: false), .any).encode(into: &writer)
        for machine in [harness.machine, try harness.restored()] {
            func complete(examining limit: Int) -> Bool {
                writer.bytes.withUnsafeBytes { template in
                    Array("s".utf8).withUnsafeBytes { space in
                        machine.tuples.search(template, in: space, examining: limit) { _, _ in false }
                    }
                }
            }
            #expect(complete(examining: 38))
            #expect(!complete(examining: 37))
        }
    }

    @Test("refuses a command that is longer than any may be")
    func longCommand() {
        var harness = Harness(sessions: 1)
        let reply = harness.reply(1, 1, .write(.bytes([UInt8](repeating: 1, count: Limits.commandBytes))))
        guard case .failed(let failure)? = reply else {
            Issue.record("no failure")
            return
        }
        #expect(failure.code == .tupleTooLarge)
        #expect(harness.machine.tupleCount == 0)
    }

    @Test("applies an index once")
    func once() {
        var harness = Harness(sessions: 1)
        harness.apply(1, 1, .write(1))
        let before = harness.machine.digest
        var applied = Applied()
        let batch = BatchWriter()
        #expect(batch.isEmpty)
        [UInt8(1)].withUnsafeBytes { harness.machine.apply($0, at: 1, into: &applied) }
        #expect(harness.machine.digest == before)
    }

    @Test("compares ints with doubles exactly")
    func numbers() {
        let big: Int64 = 9_007_199_254_740_993
        #expect(Value.int(big) != .double(9_007_199_254_740_992))
        #expect(Value.int(5) == .double(5))
        #expect(Value.int(5).hashValue == Value.double(5).hashValue)
        #expect(Value.double(-0.0) == .int(0))
        #expect(Value.double(-0.0).hashValue == Value.int(0).hashValue)
        #expect(Value.int(.max) != .double(0x1p63))
        #expect(Value.int(.min) == .double(-0x1p63))
        #expect(ExactNumber.compare(.max, 0x1p63) == .less)
        #expect(ExactNumber.compare(-3, -2.5) == .less)
        #expect(ExactNumber.compare(-2, -2.5) == .greater)
        #expect(ExactNumber.compare(big, 9_007_199_254_740_992) == .greater)
        #expect(Value.string("\u{E9}") != .string("e\u{301}"))
    }
}

@Suite("An ordered set in chunks")
struct OrderedChunksTests {
    @Test("does what a sorted array does", arguments: 0..<6 as Range<UInt64>)
    func random(seed: UInt64) {
        var chance = SeededGenerator(seed: seed)
        var set = OrderedChunks<UInt64>()
        var plain: Set<UInt64> = []
        for round in 0..<6_000 {
            let element = UInt64(chance.below(4_000))
            if chance.chance(round < 4_000 ? 75 : 20) {
                set.insert(element)
                plain.insert(element)
            } else if chance.chance(40), let lowest = plain.min() {
                #expect(set.first == lowest)
                let removed = set.remove(lowest)
                #expect(removed)
                plain.remove(lowest)
            } else {
                let (removed, expected) = (set.remove(element), plain.remove(element) != nil)
                #expect(removed == expected)
            }
            #expect(set.count == plain.count)
            guard round % 100 == 0 else { continue }
            let (above, below) = (UInt64(chance.below(4_000)), UInt64(chance.below(4_000)))
            var found: [UInt64] = []
            set.forEach(above: above, below: below, descending: chance.chance(50)) {
                found.append($0)
                return true
            }
            #expect(found.sorted() == plain.filter { $0 > above && $0 < below }.sorted())
            #expect(set.first == plain.min() && set.last == plain.max())
        }
    }

    @Test("and the table of keys does what a dictionary does")
    func keyTable() {
        var chance = SeededGenerator(seed: 1)
        var table = KeyTable()
        var plain: [UInt64: UInt64] = [:]
        for round in 0..<20_000 {
            // Few low bits, so that many keys want the same place.
            let key = UInt64(chance.below(40)) << 8 | UInt64(chance.below(30))
            if chance.chance(round < 12_000 ? 65 : 25) {
                table.set(key, UInt64(round + 1))
                plain[key] = UInt64(round + 1)
            } else {
                table.remove(key)
                plain[key] = nil
            }
            #expect(table[key] == plain[key, default: 0])
            #expect(table.count == plain.count)
        }
        for high in 0..<40 as Range<UInt64> {
            for low in 0..<30 as Range<UInt64> { #expect(table[high << 8 | low] == plain[high << 8 | low, default: 0]) }
        }
    }
}
