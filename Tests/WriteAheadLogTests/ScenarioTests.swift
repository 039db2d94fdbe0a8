import Raft
import Simulation
import Testing

@testable import WriteAheadLog

/// The storage side of the scenarios in the design: what stands on the disk after each.
@Suite("Scenarios of storage")
struct ScenarioTests {
    private func seeds(_ count: Int) -> [UInt64] { (1...UInt64(count)).map { $0 } }

    @Test("Scenario 1: what append returned for is there after any crash")
    func acknowledgedBeforeSync() throws {
        for seed in seeds(100) {
            let server = Server(seed: seed)
            let (log, _, _) = try server.open()
            for index in 1...5 { try log.append([write([entry(UInt64(index), bytes: 700)])]) }
            #expect(try server.restart(.everything).recovered.entries.count == 5)
        }
    }

    @Test("Scenario 2: snapshot and mark are apart, and a crash between them neither skips nor repeats an entry")
    func crashBetweenSnapshotAndMark() throws {
        let server = Server()
        let (log, _, _) = try server.open()
        try log.append([write((1...10).map { entry($0) })])
        try server.publish(snapshot(6))
        let recovered = try server.restart(.everything).recovered
        // The log's mark says where the state begins; the file that nobody marked is not in force.
        #expect(recovered.snapshot == genesis)
        #expect(recovered.entries.map(\.index.rawValue) == Array(1...10))
    }

    @Test("Scenario 3: a new segment's name is durable before an entry in it counts")
    func segmentNameNotSynced() throws {
        for seed in seeds(40) {
            let server = Server(seed: seed)
            let (log, _, _) = try server.open()
            var appended: UInt64 = 0
            while log.segments.count < 3 {
                appended += 1
                try log.append([write([entry(appended, bytes: 5000)])])
            }
            // The crash comes right after the first batch in a new segment.
            let recovered = try server.restart().recovered
            #expect(recovered.entries.count == Int(appended))
        }
    }

    @Test("Scenario 3: a directory sync that fails poisons the log before an entry counts")
    func segmentDirectorySyncFails() throws {
        let server = Server()
        let (log, _, _) = try server.open()
        var acknowledged: UInt64 = 0
        try log.prepareNextSegment()
        server.files.failNextDirectorySync()
        #expect(throws: LogError.self) {
            for index in 1...40 {
                try log.append([write([entry(UInt64(index), bytes: 5000)])])
                acknowledged = UInt64(index)
            }
        }
        #expect(acknowledged > 5)
        #expect(log.poison != nil)
        #expect(try server.restart().recovered.entries.count >= Int(acknowledged))
    }

    @Test("Scenario 6: an entry never outlives the term that was stored with it or before it")
    func entryWithoutItsTerm() throws {
        var survivals: Set<Int> = []
        for seed in seeds(200) {
            let server = Server(seed: seed)
            let (log, _, _) = try server.open()
            try log.append([write(hardState: HardState(term: Term(1)), [entry(1)])])
            server.files.failNextSync()
            #expect(throws: LogError.self) {
                try log.append([
                    write(hardState: HardState(term: Term(7), vote: NodeID(2)), [entry(2, term: 7, bytes: 3000)])
                ])
            }
            let recovered = try server.restart().recovered
            let survived = recovered.entries.count == 2
            #expect(recovered.hardState.term == Term(survived ? 7 : 1))
            survivals.insert(recovered.entries.count)
        }
        #expect(survivals == [1, 2])
    }

    @Test("Scenario 16: a vote that was stored is there after any crash, and one that was not may not be told")
    func voteIsThere() throws {
        for seed in seeds(60) {
            let server = Server(seed: seed, options: tinyOptions)
            var (log, _, _) = try server.open()
            var voted = HardState()
            for term in 1...6 as ClosedRange<UInt64> {
                let next = HardState(term: Term(term), vote: NodeID(term % 3 + 1))
                if (seed + term) % 4 == 0 { server.files.failNextSync() }
                let isTold =
                    (try? log.append([write(hardState: next, term == 3 ? [entry(1, bytes: 9000)] : [])])) != nil
                if isTold { voted = next }
                guard !isTold || term % 2 == 0 else { continue }
                let (again, recovered, _) = try server.restart()
                #expect(recovered.hardState == voted || (!isTold && recovered.hardState == next))
                if term == 3, recovered.entries.isEmpty { break }
                (log, voted) = (again, recovered.hardState)
            }
        }
    }

    @Test("Scenario 23: two compactions in a row keep term, vote and membership")
    func compactions() throws {
        let server = Server()
        var (log, _, _) = try server.open()
        let state = HardState(term: Term(5), vote: NodeID(3))
        try log.append([write(hardState: state)])
        var index: UInt64 = 0
        var newest = genesis
        for round in 1...3 {
            for _ in 0..<100 {
                index += 1
                try log.append([write([entry(index, term: 5, bytes: 1500)])])
            }
            newest = snapshot(index - 10, term: 5, members: [UInt64(round), 7])
            try server.publish(newest)
            try log.append([write(snapshot: newest, keepsTail: true)])
            #expect(try log.compact(before: LogIndex(index - 20)) > 0)
            let (reopened, recovered, report) = try server.restart()
            log = reopened
            #expect(report.findings == [])
            #expect(recovered.snapshot == newest)
            #expect(recovered.hardState == state)
            #expect(recovered.entries.last?.index == LogIndex(index))
            let first = try #require(recovered.entries.first)
            #expect(first.index <= LogIndex(index - 20))
        }
        let segments = log.segments.count
        #expect(try log.compact(before: LogIndex(index)) == 0 || log.segments.count < segments)
    }

    @Test("Scenario 26: the first failed sync is final, in this process and for what the page cache shows after it")
    func failedSync() throws {
        var kept = 0
        for seed in seeds(100) {
            let server = Server(seed: seed)
            let (log, _, _) = try server.open()
            try log.append([write([entry(1)])])
            server.files.failNextSync()
            let first = #expect(throws: LogError.self) { try log.append([write([entry(2, bytes: 2000)])]) }
            guard case .failed? = first else {
                Issue.record("not .failed")
                return
            }
            for _ in 0..<2 {
                guard
                    case .poisoned? = #expect(
                        throws: LogError.self, performing: { try log.append([write([entry(2)])]) })
                else {
                    Issue.record("not .poisoned")
                    return
                }
            }
            #expect(throws: LogError.self) { try log.compact(before: LogIndex(1)) }
            // The process ends, the machine does not: the page cache shows the batch, and the medium has it in part.
            let shown = try server.restart(.nothing).recovered.entries
            #expect(shown.count == 2)
            // Whoever was told of entry 2 now relies on it. Nothing may take it away again.
            let after = try server.restart(.everything).recovered.entries
            #expect(after == shown)
            kept += 1
        }
        #expect(kept == 100)
    }

    @Test("Scenario 26: a failed write is final too, wherever it happens", arguments: 0..<6)
    func failedWrite(_ after: Int) throws {
        for seed in seeds(20) {
            let server = Server(seed: seed)
            let (log, _, _) = try server.open()
            server.files.failWrite(after: after)
            var acknowledged = 0
            #expect(throws: LogError.self) {
                for index in 1...50 {
                    try log.append([write([entry(UInt64(index), bytes: 9000)])])
                    acknowledged = index
                }
            }
            #expect(log.poison != nil)
            #expect(throws: LogError.self) { try log.append([write(hardState: HardState(term: Term(9)))]) }
            let recovered = try server.restart().recovered
            #expect(recovered.entries.count >= acknowledged && recovered.entries.count <= acknowledged + 1)
        }
    }

    @Test(
        "Scenario 27: a full disk refuses entries, takes votes and marks, restarts, and resumes when there is room"
    )
    func diskFull() throws {
        let server = Server()
        var (log, _, _) = try server.open()
        server.files.setCapacity(server.files.usedBytes + 10)
        var index: UInt64 = 0
        let refusal = #expect(throws: LogError.self) {
            while true {
                try log.append([write([entry(index + 1, bytes: 900)])])
                index += 1
            }
        }
        guard case .diskFull? = refusal else {
            Issue.record("not .diskFull but \(String(describing: refusal))")
            return
        }
        #expect(index > 10)
        #expect(!log.hasRoom)
        #expect(try !log.checkRoom())
        #expect(log.poison == nil)
        // A small entry would fit what is left of the segment: that is kept for running on.
        #expect(throws: LogError.self) { try log.append([write([entry(index + 1, bytes: 1)])]) }
        for term in 2...500 { try log.append([write(hardState: HardState(term: Term(UInt64(term)), vote: NodeID(1)))]) }

        // Restarting on the full disk works, even with a torn tail that needs a new segment.
        (log, _, _) = try server.restart()
        let name = try #require(try server.segmentNames.last)
        let used = try #require(try server.contents(name).lastIndex { $0 != 0 }) + 1
        log.close()
        server.files.crash(.nothing)
        server.files.rot("data/" + name, at: (used + 7) / 8 * 8 + 600)
        let (full, recovered, report) = try server.open()
        #expect(recovered.entries.count == Int(index))
        #expect(recovered.hardState == HardState(term: Term(500), vote: NodeID(1)))
        #expect(recovered.mayVote)
        #expect(report.findings.contains { if case .diskFull = $0 { true } else { false } })
        #expect(!full.hasRoom)
        try full.append([write(hardState: HardState(term: Term(501)))])
        #expect(throws: LogError.self) { try full.append([write([entry(index + 1)])]) }
        // A snapshot's mark lets segments go, and that makes room.
        server.files.setCapacity(server.files.usedBytes + (1 << 20))
        #expect(try full.checkRoom())
        try full.append([write([entry(index + 1)])])
        let last = try server.restart(.everything).recovered
        #expect(last.entries.count == Int(index) + 1)
        #expect(last.hardState.term == Term(501))
    }

    @Test("Scenario 27: compaction makes room on a full disk")
    func compactionMakesRoom() throws {
        let server = Server()
        let (log, _, _) = try server.open()
        for index in 1...150 { try log.append([write([entry(UInt64(index), bytes: 1000)])]) }
        try server.publish(snapshot(150))
        server.files.setCapacity(server.files.usedBytes)
        var next: UInt64 = 151
        #expect(throws: LogError.self) {
            while true {
                try log.append([write([entry(next, bytes: 1000)])])
                next += 1
            }
        }
        try log.append([write(snapshot: snapshot(150), keepsTail: true)])
        #expect(try log.compact(before: LogIndex(151)) > 0)
        #expect(try log.checkRoom())
        try log.append([write([entry(next, bytes: 1000)])])
        #expect(try server.restart().recovered.entries.last == entry(next, bytes: 1000))
    }

    @Test("Scenario 28: a torn batch is not part of the log, and the segment it was cut from is never written again")
    func tornTailIsCut() throws {
        var tails: Set<Bool> = []
        for seed in seeds(150) {
            let server = Server(seed: seed)
            let (log, _, _) = try server.open()
            try log.append([write([entry(1)])])
            server.files.failSync()
            #expect(throws: LogError.self) { try log.append([write([entry(2, bytes: 1500)])]) }
            let (again, recovered, report) = try server.restart()
            let name = FileNames.segment(1)
            let torn = report.findings.contains { if case .tornTail = $0 { true } else { false } }
            tails.insert(torn)
            guard torn else { continue }
            #expect(recovered.entries == [entry(1)])
            let before = try server.contents(name)
            for index in 2...5 { try again.append([write([entry(UInt64(index), term: 2)])]) }
            #expect(again.segments == [1, 2])
            #expect(try server.contents(name) == before)
            let (_, last, quiet) = try server.restart()
            #expect(last.entries == [entry(1)] + (2...5).map { entry($0, term: 2) })
            #expect(quiet.findings == [])
        }
        #expect(tails == [true, false])
    }

    @Test("Scenario 29: a gap between snapshot and log is found, and is never bridged in silence")
    func gap() throws {
        let server = Server()
        let (log, _, _) = try server.open()
        for index in 1...150 { try log.append([write([entry(UInt64(index), bytes: 1000)])]) }
        try server.publish(snapshot(140))
        try log.append([write(snapshot: snapshot(140), keepsTail: true)])
        #expect(try log.compact(before: LogIndex(141)) == 2)
        log.close()
        server.files.crash(.nothing)
        // The only snapshot is lost, and what is left of the log does not begin at 1.
        try server.files.remove("data/" + SnapshotPlace(index: LogIndex(140), term: Term(1)).fileName)
        let (again, recovered, report) = try server.open()
        #expect(!recovered.mayVote)
        #expect(recovered.entries == [])
        #expect(recovered.snapshot == genesis)
        #expect(report.findings.contains(.snapshotMissing(wanted: LogIndex(140))))
        #expect(try server.names.contains(FileNames.segment(3) + ".damaged"))
        // Its peers repair it by a snapshot.
        try server.publish(snapshot(300, term: 3))
        try again.append([
            write(hardState: HardState(term: Term(3)), snapshot: snapshot(300, term: 3)), write([entry(301, term: 3)]),
        ])
        try again.markRepaired()
        let repaired = try server.restart().recovered
        #expect(
            repaired
                == RecoveredLog(
                    hardState: HardState(term: Term(3)), snapshot: snapshot(300, term: 3),
                    entries: [entry(301, term: 3)]))
    }

    @Test("Scenario 29: an older snapshot stands in for a damaged newest one if the log covers the way from it")
    func olderSnapshot() throws {
        let server = Server()
        let (log, _, _) = try server.open()
        for index in 1...150 { try log.append([write([entry(UInt64(index), bytes: 1000)])]) }
        for place in [100, 140] {
            try server.publish(snapshot(UInt64(place)))
            try log.append([write(snapshot: snapshot(UInt64(place)), keepsTail: true)])
        }
        try log.compact(before: LogIndex(90))
        log.close()
        server.files.crash(.nothing)
        server.files.rot("data/" + SnapshotPlace(index: LogIndex(140), term: Term(1)).fileName, at: 200)
        var read: [(place: SnapshotPlace, payload: [UInt8])] = []
        let (_, recovered, report) = try server.open { place, chunk in
            if let chunk { read[read.count - 1].payload += chunk } else { read.append((place, [])) }
        }
        #expect(recovered.mayVote)
        #expect(recovered.snapshot == snapshot(100))
        // Whoever builds a state from what is read ends with that of the chosen one.
        #expect(read.first?.place.index == LogIndex(140))
        #expect(read.last?.place.index == LogIndex(100))
        #expect(read.last?.payload == snapshotPayload(snapshot(100), bytes: 1000))
        #expect(recovered.entries.last?.index == LogIndex(150))
        #expect(recovered.entries.first.map { $0.index <= LogIndex(101) } == true)
        #expect(report.findings.contains(.snapshotReplaced(wanted: LogIndex(140), used: LogIndex(100))))
        #expect(try server.restart().recovered.snapshot == snapshot(100))
    }

    @Test("a received snapshot takes the log's place, with or without what follows it")
    func installed() throws {
        for keepsTail in [true, false] {
            let server = Server()
            let (log, _, _) = try server.open()
            try log.append([write((1...10).map { entry($0) })])
            let metadata = snapshot(8)
            try server.publish(metadata)
            try log.append([write(snapshot: metadata, keepsTail: keepsTail)])
            let next: UInt64 = keepsTail ? 11 : 9
            try log.append([write([entry(next, term: 2)])])
            let recovered = try server.restart().recovered
            #expect(recovered.snapshot == metadata)
            #expect(recovered.entries.map(\.index.rawValue) == (keepsTail ? Array(1...11) : [9]))
        }
    }
}
