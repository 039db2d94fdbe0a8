import Raft
import Simulation
import Testing

@testable import WriteAheadLog

/// Damage in the middle, from the log's side: what opening gives, what peers can do with it, and what may go wrong
/// meanwhile.
@Suite("Repair by peers")
struct RepairTests {
    /// Entries 1 to 80 over several segments, term 5 and a vote, and damage in the batch of entry 30.
    private func damaged(_ seed: UInt64 = 1) throws -> Server {
        let server = Server(seed: seed, options: tinyOptions)
        let (log, _, _) = try server.open()
        try log.append([write(hardState: HardState(term: Term(4), vote: NodeID(1)))])
        for index in 1...80 {
            let state = index == 60 ? HardState(term: Term(5), vote: NodeID(2)) : nil
            try log.append([write(hardState: state, [entry(UInt64(index), term: 4, bytes: 700)])])
        }
        server.files.crash(.everything)
        try rot(server, entry: 30)
        return server
    }

    private func rot(_ server: Server, entry index: UInt64) throws {
        let inspection = try LogInspection.inspect(testPath, files: server.files)
        for segment in inspection.segments {
            guard let record = segment.records.first(where: { $0.kind == "entry" && $0.index == index }) else {
                continue
            }
            server.files.rot(segment.file, at: record.offset + 50)
            return
        }
        Issue.record("entry \(index) is nowhere")
    }

    private let kept = (1...29).map { entry($0, term: 4, bytes: 700) }

    private func check(_ recovered: RecoveredLog, _ report: OpenReport, _ place: String = "") {
        #expect(!recovered.mayVote, "\(place)")
        #expect(recovered.entries == kept, "\(place)")
        // The vote in term 5 stood behind the damage: that it was given is known, and to whom is not.
        #expect(recovered.hardState == HardState(term: Term(5)), "\(place)")
    }

    @Test("opening gives what stands before the damage, in a term not below any that stands behind it, and no vote")
    func opening() throws {
        let server = try damaged()
        let (log, recovered, report) = try server.open()
        check(recovered, report)
        #expect(log.isRepairPending)
        guard case .damage(let file, let offset, let reason)? = report.findings.first else {
            Issue.record("no damage is reported")
            return
        }
        #expect(file.contains("segment-") && offset >= SegmentHeader.recordsBegin && reason.contains("unreadable"))
        #expect(report.findings.contains { if case .setAside = $0 { true } else { false } })
    }

    @Test("peers repair it by entries; a crash at any time in between changes nothing about that")
    func repairByLog() throws {
        for seed in 1...20 as ClosedRange<UInt64> {
            let server = try damaged(seed)
            var (log, recovered, _) = try server.open()
            let leader = (30...90).map { entry($0, term: $0 < 85 ? 4 : 6, bytes: 300) }
            var chance = Chance(seed)
            while let next = leader.first(where: { $0.index == (recovered.entries.last?.index.next ?? .zero) }) {
                #expect(!recovered.mayVote)
                let state = HardState(term: Term(6))
                if Int.random(in: 0..<4, using: &chance) == 0 { server.files.failSync() }
                _ = try? log.append([
                    write(hardState: state, leader.filter { $0.index - next.index < 10 && $0.index >= next.index })
                ])
                let restarted = try server.restart()
                (log, recovered) = (restarted.log, restarted.recovered)
            }
            #expect(recovered.entries == kept + leader)
            try log.markRepaired()
            let last = try server.restart().recovered
            #expect(last.mayVote && last.entries == kept + leader && last.hardState.term == Term(6))
        }
    }

    @Test("peers repair it by a snapshot")
    func repairBySnapshot() throws {
        let server = try damaged()
        let (log, _, _) = try server.open()
        try server.publish(snapshot(200, term: 6))
        try log.append([write(hardState: HardState(term: Term(6)), snapshot: snapshot(200, term: 6))])
        #expect(try !server.restart(.nothing).recovered.mayVote)
        let (again, _, _) = try server.restart()
        try again.append([write([entry(201, term: 6)])])
        try again.markRepaired()
        let recovered = try server.restart().recovered
        #expect(recovered.mayVote && recovered.snapshot == snapshot(200, term: 6))
        #expect(recovered.entries == [entry(201, term: 6)])
    }

    @Test("second damage while repairing keeps the first reason, the highest term, and the ban on voting")
    func secondDamage() throws {
        let server = try damaged()
        let (log, _, _) = try server.open()
        for index in 30...50 as ClosedRange<UInt64> {
            try log.append([write(hardState: HardState(term: Term(index)), [entry(index, term: 4, bytes: 300)])])
        }
        log.close()
        server.files.crash(.nothing)
        try rot(server, entry: 40)
        let (again, recovered, report) = try server.open()
        #expect(!recovered.mayVote)
        #expect(recovered.entries.last?.index == LogIndex(39))
        #expect(recovered.hardState == HardState(term: Term(50)))
        let pending = report.findings.compactMap { if case .repairPending(let reason) = $0 { reason } else { nil } }
        #expect(pending.count == 1 && pending[0].contains("batch 31 is unreadable"), "\(pending)")
        try again.append([write((40...60).map { entry($0, term: 51) })])
        try again.markRepaired()
        let last = try server.restart().recovered
        #expect(last.mayVote && last.entries.last?.index == LogIndex(60) && last.hardState.term == Term(50))
    }

    @Test("a process that ends at any step of opening a damaged log leaves a log that opens to the very same")
    func crashWhileOpening() throws {
        let whole = try damaged()
        let first = whole.files.changeCount
        _ = try whole.open()
        let steps = whole.files.changeCount - first
        #expect(steps > 10)
        for step in 0..<steps {
            for loss in SimulatedFileSystem.CrashLoss.allCases {
                let server = try damaged(UInt64(step) + 1)
                server.files.endProcess(after: step)
                #expect(throws: (any Error).self) { try server.open() }
                let (_, recovered, report) = try server.restart(loss)
                check(recovered, report, "step \(step)")
                let again = try server.restart(.everything)
                check(again.recovered, again.report, "step \(step), again")
            }
        }
    }

    @Test("a process that ends at any step of opening a log with a torn tail leaves a log that opens to the very same")
    func crashWhileCutting() throws {
        func torn(_ seed: UInt64) throws -> Server? {
            let server = Server(seed: seed, options: tinyOptions)
            let (log, _, _) = try server.open()
            try log.append([write(hardState: HardState(term: Term(2)), [entry(1)])])
            server.files.failSync()
            _ = try? log.append([write([entry(2, bytes: 4000)])])
            server.files.crash(.everything)
            let bytes = try server.contents(FileNames.segment(1))
            return bytes.lastIndex { $0 != 0 }.map { $0 > 5000 } ?? false ? server : nil
        }
        var tested = 0
        for step in 0..<20 {
            for seed in 1...4 as ClosedRange<UInt64> {
                guard let server = try torn(seed &* 131 &+ UInt64(step)) else { continue }
                server.files.endProcess(after: step)
                if (try? server.open()) == nil { tested += 1 }
                for loss in [SimulatedFileSystem.CrashLoss.some, .everything] {
                    let recovered = try server.restart(loss).recovered
                    #expect(recovered.mayVote && recovered.hardState.term == Term(2))
                    #expect(recovered.entries.first == entry(1) && recovered.entries.count <= 2)
                }
            }
        }
        #expect(tested > 5)
    }

    @Test("that a server is repaired is durable or not at all, and a failure of that is final")
    func markRepaired() throws {
        for step in 0..<2 {
            for loss in SimulatedFileSystem.CrashLoss.allCases {
                let server = try damaged(UInt64(step) + 1)
                let (log, _, _) = try server.open()
                server.files.endProcess(after: step)
                #expect(throws: LogError.self) { try log.markRepaired() }
                #expect(log.poison != nil)
                #expect(throws: LogError.self) { try log.append([write([entry(30, term: 4)])]) }
                let recovered = try server.restart(loss).recovered
                #expect(step == 1 || !recovered.mayVote)
                #expect(try server.restart(.everything).recovered.mayVote == recovered.mayVote)
            }
        }
    }

    @Test("no snapshot is needed if the log reaches back to the first entry")
    func wholeLogWithoutSnapshot() throws {
        let server = Server(options: tinyOptions)
        let (log, _, _) = try server.open()
        try log.append([write((1...20).map { entry($0) })])
        try server.publish(snapshot(15))
        try log.append([write(snapshot: snapshot(15), keepsTail: true)])
        log.close()
        server.files.crash(.nothing)
        server.files.rot("data/" + SnapshotPlace(index: LogIndex(15), term: Term(1)).fileName, at: 100)
        for _ in 0..<2 {
            let recovered = try server.restart().recovered
            #expect(recovered.mayVote && recovered.snapshot == genesis)
            #expect(recovered.entries == (1...20).map { entry($0) })
        }
    }

    @Test(
        "without a whole snapshot and a log that reaches back, the server starts from nothing and cannot vote"
    )
    func noSnapshotIsWhole() throws {
        let server = Server(options: tinyOptions)
        let (log, _, _) = try server.open()
        try log.append([write(hardState: HardState(term: Term(3), vote: NodeID(2)))])
        for index in 1...80 { try log.append([write([entry(UInt64(index), bytes: 1000)])]) }
        for place in [50, 70] as [UInt64] {
            try server.publish(snapshot(place))
            try log.append([write(snapshot: snapshot(place), keepsTail: true)])
        }
        try log.compact(before: LogIndex(45))
        server.files.crash(.everything)
        for place in [50, 70] as [UInt64] {
            server.files.rot("data/" + SnapshotPlace(index: LogIndex(place), term: Term(1)).fileName, at: 150)
        }
        for _ in 0..<2 {
            let (_, recovered, report) = try server.restart()
            #expect(!recovered.mayVote && recovered.entries.isEmpty && recovered.snapshot == genesis)
            #expect(recovered.hardState.term == Term(3))
            #expect(
                report.findings.contains {
                    "\($0)".contains("will not vote until its peers have repaired it")
                        || "\($0)".contains("repair is not done yet")
                })
        }
    }
}

@Suite("The simulated process ends where it is told to")
struct EndOfProcessTests {
    @Test("after so many changes nothing changes any more, until the crash")
    func end() throws {
        let files = SimulatedFileSystem(seed: 1)
        try files.createDirectory("d")
        let file = try files.open("d/f", .create)
        files.endProcess(after: 2)
        try file.write([1], at: 0)
        try file.syncData()
        #expect(throws: FileSystemError.self) { try file.write([2], at: 1) }
        #expect(throws: FileSystemError.self) { try files.syncDirectory("d") }
        #expect(throws: FileSystemError.self) { try files.rename("d/f", to: "d/g") }
        #expect(throws: FileSystemError.self) { try files.remove("d/f") }
        #expect(throws: FileSystemError.self) { try files.open("d/h", .create) }
        #expect(try file.readAll() == [1])
        files.crash(.nothing)
        #expect(try files.list("d") == ["f"])
        try files.syncDirectory("d")
    }
}
