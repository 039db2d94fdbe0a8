import Raft
import Simulation
import Testing

@testable import WriteAheadLog

/// Files that are gone, names that are durable only in part, and places that a disk cannot read any more.
@Suite("Lost and unreadable files")
struct LostFilesTests {
    /// Entries 1 to 80 over several segments, and a snapshot at 60 that the log names.
    private func filled(_ seed: UInt64 = 1) throws -> (Server, SimulatedLog) {
        let server = Server(seed: seed, options: tinyOptions)
        let (log, _, _) = try server.open()
        try log.append([write(hardState: HardState(term: Term(4), vote: NodeID(1)))])
        for index in 1...80 as ClosedRange<UInt64> { try log.append([write([entry(index, term: 4, bytes: 700)])]) }
        try server.publish(snapshot(60, term: 4))
        try log.append([write(snapshot: snapshot(60, term: 4), keepsTail: true)])
        return (server, log)
    }

    private func file(_ server: Server, withEntry index: UInt64) throws -> (name: String, offset: Int) {
        let inspection = try LogInspection.inspect(testPath, files: server.files)
        for segment in inspection.segments {
            let record = segment.records.first { $0.kind == "entry" && $0.index == index }
            if let record { return (segment.file, record.offset) }
        }
        throw FileSystemError("find", "entry \(index)", .notFound, "it is nowhere")
    }

    @Test("a process that ends at any step of compaction leaves a log without a hole, whatever names survive")
    func compaction() throws {
        let (whole, log) = try filled()
        let first = whole.files.changeCount
        let removed = try log.compact(before: LogIndex(60))
        #expect(removed > 2)
        for step in 0..<(whole.files.changeCount - first) {
            for loss in SimulatedFileSystem.CrashLoss.allCases {
                let (server, log) = try filled(UInt64(step) + 1)
                server.files.endProcess(after: step)
                #expect(throws: LogError.self) { try log.compact(before: LogIndex(60)) }
                let recovered = try server.restart(loss).recovered
                #expect(recovered.mayVote && recovered.snapshot.index == LogIndex(60), "step \(step), \(loss)")
                #expect(recovered.entries.last?.index == LogIndex(80), "step \(step), \(loss)")
            }
        }
    }

    @Test("what fails once a segment has its name is final, also if it says that there is no space")
    func nameOfASegment() throws {
        let server = Server(options: tinyOptions)
        let (log, _, _) = try server.open()
        try log.prepareNextSegment()
        server.files.failNextDirectorySync(.noSpace)
        var failure: LogError?
        for index in 1...80 as ClosedRange<UInt64> where failure == nil {
            do throws(LogError) {
                try log.append([write([entry(index, bytes: 700)])])
            } catch {
                failure = error
            }
        }
        guard case .failed? = failure else {
            Issue.record("\(String(describing: failure))")
            return
        }
        // A vote would go into the segment that the new one's header has ended, and be cut by the next opening.
        #expect(throws: LogError.self) { try log.append([write(hardState: HardState(term: Term(9), vote: NodeID(2)))]) }
        #expect(log.poison != nil)
    }

    @Test("a log that is gone altogether is damage if there is a snapshot, and that snapshot is used")
    func noSegments() throws {
        let (server, log) = try filled()
        log.close()
        server.files.crash(.nothing)
        for name in try server.segmentNames { try server.files.remove(testPath + "/" + name) }
        try server.files.syncDirectory(testPath)
        let (again, recovered, report) = try server.open()
        #expect(!recovered.mayVote && again.isRepairPending)
        #expect(recovered.snapshot == snapshot(60, term: 4) && recovered.entries.isEmpty)
        #expect(report.findings.contains { "\($0)".contains("there is no segment") })
        try again.append([write(hardState: HardState(term: Term(5)), [entry(61, term: 5)])])
        let last = try server.restart(.everything)
        #expect(!last.recovered.mayVote && last.recovered.entries == [entry(61, term: 5)])
    }

    @Test("a process that ends while all segments are set aside opens with the snapshot all the same")
    func setAside() throws {
        let (whole, _) = try filled()
        let names = try whole.segmentNames
        func damaged(_ seed: UInt64) throws -> Server {
            let (server, log) = try filled(seed)
            log.close()
            server.files.crash(.nothing)
            server.files.rot(testPath + "/" + names[0], at: 20)
            return server
        }
        let model = try damaged(1)
        let first = model.files.changeCount
        #expect(try model.open().recovered.snapshot.index == LogIndex(60))
        for step in 0..<(model.files.changeCount - first) {
            let server = try damaged(UInt64(step) + 1)
            server.files.endProcess(after: step)
            #expect(throws: (any Error).self) { try server.open() }
            let recovered = try server.restart(.some).recovered
            #expect(!recovered.mayVote && recovered.snapshot.index == LogIndex(60), "step \(step)")
            #expect(recovered.hardState.term == Term(4), "step \(step)")
        }
    }

    @Test("a place that the disk cannot read is damage like any other, never a torn tail")
    func unreadableEntries() throws {
        for index in [70, 80] as [UInt64] {
            let (server, log) = try filled()
            log.close()
            server.files.crash(.nothing)
            let (name, offset) = try file(server, withEntry: index)
            server.files.makeUnreadable(name, at: UInt64(offset))
            let (_, recovered, report) = try server.open()
            #expect(!recovered.mayVote && recovered.snapshot.index == LogIndex(60))
            #expect(report.findings.contains { "\($0)".contains("cannot read") }, "\(report.findings)")
            #expect(recovered.entries.allSatisfy { $0.index < LogIndex(index) })
            #expect(recovered.hardState.term == Term(4))
        }
    }

    @Test("what nobody needs may be unreadable: old snapshots, prepared and reserved files")
    func unreadableLeftovers() throws {
        let (server, log) = try filled()
        try server.publish(snapshot(40, term: 4))
        try log.prepareNextSegment()
        log.close()
        server.files.crash(.nothing)
        var count = 0
        for name in try server.names {
            let isOld = FileNames.snapshotPlace(name)?.index == 40
            guard isOld || FileNames.preparedNumber(name) != nil || FileNames.isReserve(name) else { continue }
            server.files.makeUnreadable(testPath + "/" + name, at: 8)
            count += 1
        }
        #expect(count > 2)
        let recovered = try server.open().recovered
        #expect(recovered.mayVote && recovered.entries.last?.index == LogIndex(80))
    }

    @Test("a part of a snapshot that cannot be read any more is received again from there")
    func unreadablePart() throws {
        let (server, log) = try filled()
        log.close()
        server.files.crash(.nothing)
        let (again, _, _) = try server.open()
        defer { again.close() }
        let metadata = snapshot(90, term: 4)
        let maker = Server()
        _ = try maker.directory()
        try maker.publish(metadata, bytes: 900_000)
        let place = SnapshotPlace(index: metadata.index, term: metadata.term)
        let bytes = try maker.contents(place.fileName)
        server.files.crash(.nothing)
        let store = try SnapshotStore(try server.directory())
        var receiver = try store.receiver(place)
        try receiver.receive(Array(bytes[..<800_000]), at: 0)
        receiver.suspend()
        server.files.makeUnreadable(testPath + "/" + FileNames.receiving(place), at: 400_000)
        let sound = try store.resume(index: place.index, term: place.term)
        #expect(sound > 100_000 && sound <= 400_000)
    }
}
