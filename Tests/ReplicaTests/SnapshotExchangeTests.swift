import Raft
import Testing

@testable import Replica

@Suite("Sending snapshots: window, pace and going on")
struct SnapshotExchangeTests {
    private static let pace = SnapshotExchange.Pace(
        pieceBytes: 1_000, bytesPerSecond: 100_000, window: 4, patienceMilliseconds: 5_000)
    private static let place = SnapshotPlaceInLog(index: LogIndex(50), term: Term(2))
    private let peer = NodeID(2)

    private func time(_ milliseconds: UInt64) -> MonotonicTime {
        MonotonicTime(nanoseconds: milliseconds * 1_000_000)
    }

    /// A stream whose receiver has said that it has nothing yet, at 1000 ms.
    private func begun(total: UInt64 = 1_000_000) -> SnapshotExchange {
        var exchange = SnapshotExchange()
        let hasBegun = exchange.begin(to: peer, Self.place, now: time(1_000))
        #expect(hasBegun)
        let first = exchange.pump(time(1_000), Self.pace).reads
        #expect(first == [.init(peer: peer, index: LogIndex(50), offset: 0, maximumBytes: 1_000)])
        exchange.pieceRead(peer, askedBytes: 1_000, bytes: 1_000, total: total)
        return exchange
    }

    private func progress(
        _ exchange: inout SnapshotExchange, _ offset: UInt64, complete: Bool = false, at milliseconds: UInt64
    ) -> LogIndex? {
        exchange.progressed(
            peer, index: LogIndex(50), nextOffset: offset, complete: complete, window: 4, now: time(milliseconds))
    }

    private func expectPieces(
        _ exchange: inout SnapshotExchange, _ now: MonotonicTime, _ offsets: [UInt64],
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let reads = exchange.pump(now, Self.pace).reads
        #expect(reads.map(\.offset) == offsets, sourceLocation: sourceLocation)
    }

    @Test("One piece goes until the receiver has said where it stands, then a window of them from there")
    func window() {
        var exchange = begun()
        expectPieces(&exchange, time(1_050), [])
        // It has a part from before.
        let answer1 = progress(&exchange, 77_000, at: 1_060)
        #expect(answer1 == nil)
        expectPieces(&exchange, time(1_100), [77_000, 78_000, 79_000, 80_000])
        expectPieces(&exchange, time(1_200), [])
        let answer2 = progress(&exchange, 79_000, at: 1_210)
        #expect(answer2 == nil)
        expectPieces(&exchange, time(1_220), [81_000, 82_000])
    }

    @Test("All streams together keep to the bytes a second, and each gets its turn")
    func pacing() {
        var exchange = SnapshotExchange()
        let peers = [NodeID(2), NodeID(3), NodeID(5)]
        for peer in peers { _ = exchange.begin(to: peer, Self.place, now: time(1_000)) }
        var bytes: [NodeID: UInt64] = [:]
        for millisecond: UInt64 in 1_000..<11_000 {
            for read in exchange.pump(time(millisecond), Self.pace).reads {
                exchange.pieceRead(read.peer, askedBytes: 1_000, bytes: 1_000, total: 1_000_000)
                _ = exchange.progressed(
                    read.peer, index: LogIndex(50), nextOffset: read.offset + 1_000, complete: false, window: 4,
                    now: time(millisecond))
                bytes[read.peer, default: 0] += 1_000
            }
        }
        let all = bytes.values.reduce(0, +)
        #expect(all >= 990_000 && all <= 1_010_000)
        for peer in peers { #expect((bytes[peer] ?? 0) > 300_000) }
    }

    @Test("A stream that waits for the budget is not given up; one whose receiver is silent is")
    func patience() {
        var slow = Self.pace
        slow.bytesPerSecond = 100
        var exchange = begun()
        _ = progress(&exchange, 1_000, at: 1_001)
        var reads = 0
        for millisecond in stride(from: UInt64(1_002), to: 61_000, by: 5) {
            let (now, givenUp) = exchange.pump(time(millisecond), slow)
            #expect(givenUp.isEmpty)
            for read in now {
                reads += 1
                _ = progress(&exchange, read.offset + 1_000, at: millisecond)
            }
        }
        #expect(reads >= 5 && reads <= 8)
        // The budget is back, and nobody answers.
        var again = 0
        var end: UInt64?
        for millisecond in stride(from: UInt64(61_000), to: 70_000, by: 5) where end == nil {
            let (now, givenUp) = exchange.pump(time(millisecond), Self.pace)
            again += now.count
            if !givenUp.isEmpty { end = millisecond }
        }
        #expect(again > 4 && (end ?? 0) > 65_000)
        #expect(exchange.unfinished[peer] == Self.place)
    }

    @Test("A lost piece is sent again when answers to later ones show it, once; a lost answer costs nothing")
    func lostPiece() {
        var exchange = begun()
        _ = progress(&exchange, 1_000, at: 1_020)
        expectPieces(&exchange, time(1_060), [1_000, 2_000, 3_000, 4_000])
        // The second is lost: what the others bring does not fit.
        _ = progress(&exchange, 2_000, at: 1_070)
        _ = progress(&exchange, 2_000, at: 1_071)
        _ = progress(&exchange, 2_000, at: 1_072)
        expectPieces(&exchange, time(1_100), [2_000])
        // The network doubles answers.
        for _ in 0..<5 { _ = progress(&exchange, 2_000, at: 1_101) }
        expectPieces(&exchange, time(1_110), [])
        _ = progress(&exchange, 3_000, at: 1_120)
        expectPieces(&exchange, time(1_160), [3_000, 4_000, 5_000, 6_000])
        // Three answers are lost, the fourth comes.
        _ = progress(&exchange, 7_000, at: 1_170)
        expectPieces(&exchange, time(1_250), [7_000, 8_000, 9_000, 10_000])
    }

    @Test("A receiver that has less than it had is sent that, by the clock")
    func fallsBack() {
        var exchange = begun()
        _ = progress(&exchange, 40_000, at: 1_020)
        _ = exchange.pump(time(1_100), Self.pace)
        _ = progress(&exchange, 0, at: 1_110)
        expectPieces(&exchange, time(1_120), [])
        expectPieces(&exchange, time(2_200), [0])
        _ = progress(&exchange, 1_000, at: 2_210)
        expectPieces(&exchange, time(2_300), [1_000, 2_000, 3_000, 4_000])
    }

    @Test("When only the last word is missing, the last byte is sent again")
    func lastWord() {
        var exchange = begun(total: 1_000)
        _ = progress(&exchange, 1_000, at: 1_010)
        expectPieces(&exchange, time(1_100), [])
        expectPieces(&exchange, time(2_200), [999])
        let sent = progress(&exchange, 1_000, complete: true, at: 2_210)
        #expect(sent == LogIndex(50))
        #expect(exchange.outgoing.isEmpty)
    }

    @Test("Nonsense and old answers change nothing")
    func nonsense() {
        var exchange = begun(total: 5_000)
        let other = exchange.progressed(
            peer, index: LogIndex(49), nextOffset: 5_000, complete: true, window: 4, now: time(1_001))
        #expect(other == nil)
        let answer3 = progress(&exchange, 5_001, at: 1_001)
        #expect(answer3 == nil)
        let answer4 = progress(&exchange, .max, at: 1_001)
        #expect(answer4 == nil)
        let stranger = exchange.progressed(
            NodeID(9), index: LogIndex(50), nextOffset: 5_000, complete: true, window: 4, now: time(1_001))
        #expect(stranger == nil)
        #expect(exchange.outgoing[peer]?.acknowledged == 0)
    }
}
