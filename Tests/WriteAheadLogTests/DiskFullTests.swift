import Raft
import Simulation
import Testing

@testable import WriteAheadLog

/// Scenario 27 in its parts: what is refused on a full disk, what is not, and how the server comes back.
@Suite("A full disk")
struct DiskFullTests {
    /// Fills what is left with entries.
    /// - Returns: the last index that was taken.
    private func fill(_ log: SimulatedLog, from index: UInt64, bytes: Int = 900) -> UInt64 {
        var last = index - 1
        while (try? log.append([write([entry(last + 1, bytes: bytes)])])) != nil { last += 1 }
        return last
    }

    private func isDiskFull(_ body: () throws -> Void) -> Bool {
        do {
            try body()
            return false
        } catch LogError.diskFull {
            return true
        } catch {
            return false
        }
    }

    @Test(
        "Scenario 27: a damaged log is opened on a full disk, for its repair; what was put by makes room for the demand"
    )
    func damagedAndFull() throws {
        let server = Server(options: smallOptions)
        let (log, _, _) = try server.open()
        for index in 1...30 { try log.append([write([entry(UInt64(index), bytes: 700)])]) }
        server.files.crash(.everything)
        server.files.rot("data/" + FileNames.segment(1), at: SegmentHeader.recordsBegin + 1_400)
        server.files.setCapacity(server.files.usedBytes)
        let (_, recovered, report) = try server.open()
        #expect(!recovered.mayVote)
        #expect(report.findings.contains { if case .damage = $0 { true } else { false } })
        #expect(try server.names.contains(FileNames.repair))
        #expect(try !server.restart(.everything).recovered.mayVote)
    }

    @Test(
        "Scenario 27: entries are refused; term, vote, marks, truncations and compaction are not; nothing is poisoned")
    func whatIsRefused() throws {
        let server = Server(options: tinyOptions)
        let (log, _, _) = try server.open()
        server.files.setCapacity(server.files.usedBytes)
        let last = fill(log, from: 1)
        #expect(last > 3 && !log.hasRoom && log.poison == nil)
        #expect(isDiskFull { try log.append([write([entry(last + 1, bytes: 0)])]) })
        #expect(
            isDiskFull { try log.append([write(hardState: HardState(term: Term(2)), [entry(last + 1, bytes: 0)])]) })
        #expect(log.preparation() == nil)
        try log.append([write(hardState: HardState(term: Term(2), vote: NodeID(3)))])
        try log.append([write(truncateFrom: last)])
        // A snapshot needs room of its own: it is refused without harm, by its own error.
        #expect(throws: SnapshotError.self) { try server.publish(snapshot(2)) }
        #expect(try !server.names.contains { $0.hasPrefix("snapshot-") })
        server.files.setCapacity(server.files.usedBytes + 2_000)
        try server.publish(snapshot(2))
        try log.append([write(snapshot: snapshot(2), keepsTail: true)])
        #expect(try log.compact(before: LogIndex(3)) == 0)
        #expect(log.poison == nil)
        let recovered = try server.restart(.everything).recovered
        #expect(recovered.mayVote && recovered.snapshot == snapshot(2))
        #expect(recovered.hardState == HardState(term: Term(2), vote: NodeID(3)))
        #expect(recovered.entries == (1..<last).map { entry($0, bytes: 900) })
    }

    @Test("Scenario 27: it fills, is freed, and goes on, again and again, over restarts, and loses nothing")
    func fillAndFree() throws {
        let server = Server(options: tinyOptions)
        var (log, recovered, _) = try server.open()
        var last: UInt64 = 0
        for round in 1...6 as ClosedRange<UInt64> {
            server.files.setCapacity(server.files.usedBytes)
            last = fill(log, from: last + 1)
            try log.append([write(hardState: HardState(term: Term(round)))])
            if round % 2 == 0 {
                (log, recovered, _) = try server.restart()
                #expect(recovered.entries.count == Int(last))
                // It finds out anew, where it needs the next segment.
                last = fill(log, from: last + 1)
                #expect(!log.hasRoom)
                #expect(isDiskFull { try log.append([write([entry(last + 1)])]) })
            }
            #expect(try !log.checkRoom())
            server.files.setCapacity(server.files.usedBytes + 40_000)
            #expect(try log.checkRoom())
            last += 1
            try log.append([write([entry(last, bytes: 900)])])
        }
        recovered = try server.restart(.everything).recovered
        #expect(recovered.entries == (1...last).map { entry($0, bytes: 900) })
        #expect(recovered.hardState.term == Term(6))
    }

    @Test("Scenario 27: room is kept for a snapshot, and a snapshot lets the log go on")
    func roomForASnapshot() throws {
        var options = tinyOptions
        options.freeBytesKept = 40_000
        let server = Server(options: options, capacity: 200_000)
        let (log, _, _) = try server.open()
        let last = fill(log, from: 1)
        #expect(!log.hasRoom)
        #expect(try server.files.freeBytes(at: testPath) >= 40_000)
        try server.publish(snapshot(last), bytes: 30_000)
        try log.append([write(snapshot: snapshot(last), keepsTail: true)])
        #expect(try log.compact(before: LogIndex(last + 1)) > 2)
        #expect(try log.checkRoom())
        let more = fill(log, from: last + 1)
        #expect(more > last + 10)
        #expect(try server.restart(.everything).recovered.entries.last?.index == LogIndex(more))
    }

    @Test("Scenario 27: when even the reserve is used up, a vote is refused as an entry is, and the log stays sound")
    func reserveUsedUp() throws {
        let server = Server(options: tinyOptions)
        let (log, _, _) = try server.open()
        server.files.setCapacity(server.files.usedBytes)
        let last = fill(log, from: 1)
        var term: UInt64 = 1
        while !isDiskFull({ try log.append([write(hardState: HardState(term: Term(term + 1)))]) }) { term += 1 }
        #expect(term > 100 && log.poison == nil)
        server.files.setCapacity(.max)
        #expect(try log.checkRoom())
        try log.append([write(hardState: HardState(term: Term(term + 1)), [entry(last + 1)])])
        let recovered = try server.restart(.everything).recovered
        #expect(recovered.hardState.term == Term(term + 1) && recovered.entries.count == Int(last) + 1)
    }

    @Test(
        "an entry too big for what is free is refused without harm, and taken when there is room for it, not for less")
    func oversized() throws {
        let server = Server(options: tinyOptions)
        let (log, _, _) = try server.open()
        try log.append([write([entry(1)])])
        server.files.setCapacity(server.files.usedBytes + 100_000)
        #expect(isDiskFull { try log.append([write([entry(2, bytes: 300_000)])]) })
        #expect(log.poison == nil)
        // There is room for a segment of the usual size, in which the entry would be refused again and again.
        let changes = server.files.changeCount
        for _ in 0..<10 { #expect(try !log.checkRoom()) }
        #expect(server.files.changeCount - changes < 100, "it looks, and does not fill the disk to find out")
        server.files.setCapacity(server.files.usedBytes + 400_000)
        #expect(try log.checkRoom())
        try log.append([write([entry(2, bytes: 300_000)])])
        try log.append([write([entry(3)])])
        let recovered = try server.restart(.everything).recovered
        #expect(recovered.entries == [entry(1), entry(2, bytes: 300_000), entry(3)])
    }

    @Test("Scenario 27: a snapshot's mark that waits behind refused entries is made ahead of them, and makes room")
    func markAhead() throws {
        var options = tinyOptions
        options.freeBytesKept = 40_000
        let server = Server(options: options, capacity: 200_000)
        let (log, _, _) = try server.open()
        let last = fill(log, from: 1)
        try server.publish(snapshot(last), bytes: 30_000)
        var waiting = [
            write([entry(last + 1)]), write(snapshot: snapshot(last), keepsTail: true, [entry(last + 2)]),
        ]
        #expect(isDiskFull { try log.append(waiting) })
        #expect(try log.markAhead(&waiting))
        #expect(waiting == [write([entry(last + 1)]), write(keepsTail: true, [entry(last + 2)])])
        #expect(log.markedIndex == LogIndex(last))
        #expect(try log.compact(before: LogIndex(last + 1)) > 2)
        #expect(try log.checkRoom())
        try log.append(waiting)
        let recovered = try server.restart(.everything).recovered
        #expect(recovered.mayVote && recovered.snapshot == snapshot(last))
        #expect(recovered.entries.last == entry(last + 2))
    }

    @Test("A mark that depends on what waits before it is not made ahead")
    func dependentMark() throws {
        let server = Server(options: tinyOptions)
        let (log, _, _) = try server.open()
        try log.append([write((1...9).map { entry($0) })])
        let dependent: [[StorageWrite]] = [
            [write([entry(10)]), write(snapshot: snapshot(10), keepsTail: true)],  // beyond what is durable
            [write(snapshot: snapshot(8))],  // it drops the log
            [write(truncateFrom: 5, [entry(5, term: 2)]), write(snapshot: snapshot(5), keepsTail: true)],
        ]
        for writes in dependent {
            var waiting = writes
            #expect(try !log.markAhead(&waiting))
            #expect(waiting == writes && log.markedIndex == .zero)
        }
        // One is, and the other that it overtakes with it is not made again afterwards.
        var both = [
            write(snapshot: snapshot(6), keepsTail: true), write(snapshot: snapshot(4), keepsTail: true),
        ]
        #expect(try log.markAhead(&both))
        #expect(log.markedIndex == LogIndex(6) && both.allSatisfy { $0.snapshot == nil })
    }

    @Test("a full disk never keeps a server from starting", arguments: 0..<8)
    func starts(_ part: UInt64) throws {
        for seed in part * 10 + 1...part * 10 + 10 {
            let server = Server(seed: seed, options: tinyOptions)
            let (log, _, _) = try server.open()
            server.files.setCapacity(server.files.usedBytes + seed * 997)
            server.files.failSync(after: Int(seed % 23))
            let last = fill(log, from: 1)
            let (again, recovered, _) = try server.restart()
            #expect(recovered.mayVote && recovered.entries.count >= Int(last))
            try again.append([write(hardState: HardState(term: Term(2), vote: NodeID(1)))])
            #expect(try server.restart(.everything).recovered.hardState == HardState(term: Term(2), vote: NodeID(1)))
        }
    }
}
