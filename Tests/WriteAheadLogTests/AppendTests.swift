import Raft
import Simulation
import Testing

@testable import WriteAheadLog

@Suite("Appending and opening again")
struct AppendTests {
    @Test("a new log holds the first configuration and nothing else")
    func new() throws {
        let (log, recovered, report) = try Server().open()
        #expect(recovered == RecoveredLog(hardState: HardState(), snapshot: genesis, entries: []))
        #expect(report.findings == [])
        #expect(log.hasRoom)
        #expect(!log.isRepairPending)
    }

    @Test("what was appended is there after a restart, in order")
    func reopen() throws {
        let server = Server()
        var (log, _, _) = try server.open()
        let state = HardState(term: Term(3), vote: NodeID(2))
        let noop = Entry(index: LogIndex(1), term: Term(3), kind: .noop, payload: [])
        let configured = Entry(index: LogIndex(2), term: Term(3), kind: .configuration, payload: [1, 2, 3])
        try log.append([write(hardState: state, [noop, configured])])
        try log.append([write([entry(3, term: 3)])])
        for _ in 0..<3 {
            let (reopened, recovered, report) = try server.restart()
            log = reopened
            #expect(recovered.hardState == state)
            #expect(recovered.entries == [noop, configured, entry(3, term: 3)])
            #expect(recovered.mayVote)
            #expect(report.findings == [])
        }
        try log.append([write(hardState: HardState(term: Term(4)), [entry(4, term: 4)])])
        let recovered = try server.restart().recovered
        #expect(recovered.hardState == HardState(term: Term(4), vote: nil))
        #expect(recovered.entries.last == entry(4, term: 4))
    }

    @Test("a group of writes costs one sync, and is there as a whole or not at all")
    func group() throws {
        let server = Server()
        let (log, _, _) = try server.open()
        let before = server.files.syncCount
        try log.append((1...50).map { write([entry($0)]) })
        #expect(server.files.syncCount == before + 1)
        #expect(try server.restart().recovered.entries.count == 50)
    }

    @Test("truncation drops a tail, also across segments and in the middle of a group")
    func truncation() throws {
        let server = Server()
        let (log, _, _) = try server.open()
        for index in 1...200 { try log.append([write([entry(UInt64(index), bytes: 1000)])]) }
        #expect(log.segments.count > 2)
        try log.append([
            write(truncateFrom: 21, [entry(21, term: 2), entry(22, term: 2)]),
            write(truncateFrom: 22, [entry(22, term: 3)]),
        ])
        let recovered = try server.restart().recovered
        #expect(recovered.entries.map(\.index.rawValue) == Array(1...22))
        #expect(recovered.entries.suffix(3) == [entry(20, bytes: 1000), entry(21, term: 2), entry(22, term: 3)])
    }

    @Test("a write that would leave a hole is refused and changes nothing")
    func hole() throws {
        let server = Server()
        let (log, _, _) = try server.open()
        try log.append([write([entry(1)])])
        for bad in [entry(3), entry(1)] {
            #expect(throws: LogError.self) { try log.append([write([bad])]) }
        }
        #expect(throws: LogError.self) { try log.append([write(truncateFrom: 0)]) }
        #expect(throws: LogError.self) { try log.append([write([entry(2), entry(4)])]) }
        try log.append([write([entry(2)])])
        #expect(try server.restart().recovered.entries == [entry(1), entry(2)])
    }

    @Test("an entry bigger than a segment makes its segment as big as it needs")
    func bigEntry() throws {
        let server = Server()
        let (log, _, _) = try server.open()
        let big = entry(2, bytes: 300_000)
        try log.append([write([entry(1)])])
        try log.append([write([big])])
        try log.append([write([entry(3)])])
        let (_, recovered, report) = try server.restart()
        #expect(recovered.entries == [entry(1), big, entry(3)])
        #expect(report.findings == [])
    }

    @Test("an entry of 70 MiB is appended and read again")
    func hugeEntry() throws {
        try withTemporaryDirectory { path in
            var directory = try LogDirectory.open(path + "/d", files: PosixFileSystem(), holder: "pid 1")
            try directory.initialise(clusterID: testCluster, nodeID: testNode, name: "s1")
            try directory.adopt(firstConfiguration: testConfiguration)
            let store = try SnapshotStore(directory)
            var options = smallOptions
            options.segmentBytes = 1 << 20
            let (log, _, _) = try WriteAheadLog.open(directory, snapshots: store, options: options)
            let huge = Entry(
                index: LogIndex(1), term: Term(1), kind: .command, payload: [UInt8](repeating: 0xAB, count: 70 << 20))
            try log.append([write([huge])])
            try log.append([write([entry(2)])])
            log.close()
            let recovered = try WriteAheadLog.open(directory, snapshots: store, options: options).recovered
            #expect(recovered.entries.count == 2)
            #expect(recovered.entries.first == huge)
        }
    }

    @Test("segments prepared on another thread are used, whenever they arrive")
    func preparation() throws {
        let server = Server()
        let (log, _, _) = try server.open()
        let early = try #require(log.preparation())
        #expect(log.preparation() == nil)
        for index in 1...100 { try log.append([write([entry(UInt64(index), bytes: 1000)])]) }
        try log.finish(early.run())
        #expect(log.preparation() == nil)
        let used = log.segments.count
        for index in 101...160 { try log.append([write([entry(UInt64(index), bytes: 1000)])]) }
        #expect(log.segments.count > used)
        #expect(log.segments == log.segments.sorted())
        try log.prepareNextSegment()
        let (again, recovered, report) = try server.restart(.everything)
        #expect(recovered.entries.count == 160)
        #expect(report.findings == [])
        try again.append([write([entry(161)])])
    }
}
