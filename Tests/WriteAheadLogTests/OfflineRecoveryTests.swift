import ByteCoding
import Raft
import Simulation
import Testing

@testable import WriteAheadLog

@Suite("Recovery from the permanent loss of a majority")
struct OfflineRecoveryTests {
    typealias Recovery = OfflineRecovery<SimulatedFileSystem>

    static let newCluster = ClusterID(0xBEEF)

    /// Server 1 of three, with a snapshot at 20 and entries to 40, and a process that has just been killed.
    private func survivor(_ seed: UInt64 = 1, options: LogOptions = tinyOptions) throws -> Server {
        var server = Server(seed: seed, options: options)
        server.node = NodeID(1)
        server.secret = 77
        let (log, _, _) = try server.open()
        try log.append([write(hardState: HardState(term: Term(7), vote: NodeID(2)))])
        for index in 1...40 { try log.append([write([entry(UInt64(index), term: 6, bytes: 700)])]) }
        try server.publish(snapshot(20, term: 6))
        try log.append([write(snapshot: snapshot(20, term: 6), keepsTail: true)])
        try log.compact(before: LogIndex(15))
        server.files.crash(.everything)
        return server
    }

    private func recovery(_ server: Server) throws -> Recovery {
        try Recovery(testPath, files: server.files, holder: "pid 5", options: server.options)
    }

    private struct State: Equatable {
        var cluster: ClusterID?
        var recovered: RecoveredLog
        var findings: [OpenReport.Finding]
    }

    /// What a server finds that starts in whatever cluster the directory is of.
    private func start(_ server: Server) throws -> State {
        let directory = try LogDirectory.open(testPath, files: server.files, holder: "pid 1")
        let store = try SnapshotStore(directory)
        let (log, recovered, report) = try SimulatedLog.open(directory, snapshots: store, options: server.options)
        if recovered.snapshot.index > .zero {
            try store.verify(SnapshotPlace(index: recovered.snapshot.index, term: recovered.snapshot.term))
        }
        log.close()
        directory.close()
        return State(cluster: directory.identity?.cluster, recovered: recovered, findings: report.findings)
    }

    private func checkNew(_ state: State, before: State, cluster: ClusterID = newCluster) {
        #expect(state.cluster == cluster)
        #expect(state.recovered.mayVote)
        #expect(state.recovered.snapshot == before.recovered.snapshot)
        #expect(state.recovered.entries.dropLast() == before.recovered.entries[...])
        let change = state.recovered.entries.last
        #expect(change?.index == LogIndex(41))
        #expect(change?.term == Term(8))
        #expect(change.flatMap { Configuration(payload: $0.payload) } == Configuration(members: [member(1)]))
        #expect(state.recovered.hardState == HardState(term: Term(8), vote: NodeID(1)))
        #expect(state.findings == [])
    }

    @Test("the survivor keeps all it has, in a cluster of its own, above all terms it knows, and is its only voter")
    func recover() throws {
        let server = try survivor()
        let before = try start(server)
        let recovery = try recovery(server)
        #expect(recovery.survey.lastIndex == LogIndex(40))
        #expect(recovery.survey.lastTerm == Term(6))
        #expect(recovery.survey.hardState.term == Term(7))
        #expect(recovery.survey.own == member(1))
        #expect(!recovery.survey.isAlone)
        #expect(try recovery.perform(newCluster: Self.newCluster) == member(1))
        recovery.close()
        server.files.crash(.everything)
        checkNew(try start(server), before: before)

        // What it replaced is kept, and nothing else is left over.
        let names = try server.names
        #expect(names.contains("before-" + hexadecimal(testCluster.rawValue) + "-" + FileNames.segment(1)) == false)
        #expect(names.contains { $0.hasPrefix("before-" + hexadecimal(testCluster.rawValue) + "-segment-") })
        #expect(names.contains("before-" + hexadecimal(testCluster.rawValue) + "-identity"))
        #expect(!names.contains { $0.hasPrefix(FileNames.stagedPrefix) || $0 == FileNames.recovery })

        // The lost members' cluster is refused, and the log goes on.
        #expect(throws: LogDirectoryError.self) {
            _ = try LogDirectory.open(testPath, files: server.files, cluster: testCluster, holder: "pid 1")
        }
        let directory = try LogDirectory.open(testPath, files: server.files, cluster: Self.newCluster, holder: "pid 1")
        let (log, _, _) = try SimulatedLog.open(
            directory, snapshots: SnapshotStore(directory), options: server.options)
        for index in 42...90 { try log.append([write([entry(UInt64(index), term: 8, bytes: 700)])]) }
        server.files.crash(.everything)
        #expect(try start(server).recovered.entries.last?.index == LogIndex(90))
    }

    @Test("a process that ends at any step leaves the old state or the new one, and repeating it gives the new one")
    func crashAtEachStep() throws {
        let whole = try survivor()
        let before = try start(whole)
        let opened = try recovery(whole)
        let first = whole.files.changeCount
        _ = try opened.perform(newCluster: Self.newCluster)
        let steps = whole.files.changeCount - first
        #expect(steps > 20)
        var clusters: [ClusterID?] = []
        for step in 0..<steps {
            for loss in SimulatedFileSystem.CrashLoss.allCases {
                let server = try survivor(UInt64(step) + 1)
                let recovery = try recovery(server)
                server.files.endProcess(after: step)
                #expect(throws: OfflineRecoveryError.self) { try recovery.perform(newCluster: Self.newCluster) }
                server.files.crash(loss)
                // The start that finds this out does not live long either.
                server.files.endProcess(after: step % 5)
                _ = try? start(server)
                server.files.crash(loss)
                let after = try start(server)
                clusters.append(after.cluster)
                if after.cluster == testCluster {
                    #expect(after.recovered == before.recovered, "step \(step)")
                } else {
                    checkNew(after, before: before)
                }
                #expect(try !server.names.contains { $0.hasPrefix(FileNames.stagedPrefix) })

                let again = try self.recovery(server)
                #expect(again.survey.isAlone == (after.cluster != testCluster))
                guard !again.survey.isAlone else { continue }
                _ = try again.perform(newCluster: ClusterID(0xF00D))
                again.close()
                checkNew(try start(server), before: before, cluster: ClusterID(0xF00D))
            }
        }
        #expect(Set(clusters) == [testCluster, Self.newCluster])
    }

    @Test("a new key takes the place of the old one")
    func newKey() throws {
        let server = try survivor()
        let recovery = try recovery(server)
        let key = [UInt8](repeating: 0x77, count: 32)
        #expect(try recovery.perform(newCluster: Self.newCluster, publicKey: key).publicKey == key)
        recovery.close()
        let last = try #require(try start(server).recovered.entries.last)
        #expect(Configuration(payload: last.payload)?[NodeID(1)]?.publicKey == key)
    }

    @Test("a survivor whose own log is damaged is told so, and serves what it has left")
    func damagedSurvivor() throws {
        let server = try survivor()
        let name = try #require(try server.segmentNames.last)
        server.files.rot("data/" + name, at: SegmentHeader.recordsBegin + 300)
        let damaged = try start(server)
        #expect(!damaged.recovered.mayVote)
        let recovery = try recovery(server)
        #expect(recovery.survey.damage?.contains(name) == true)
        _ = try recovery.perform(newCluster: Self.newCluster)
        recovery.close()
        let after = try start(server)
        #expect(after.recovered.mayVote)
        #expect(after.recovered.entries.dropLast() == damaged.recovered.entries[...])
        #expect(after.recovered.hardState.term == Term(8))
    }

    @Test("a directory in use, an unknown one, a stranger's and an empty one are refused, and nothing is changed")
    func refusals() throws {
        let server = try survivor()
        let running = try server.directory()
        guard
            case .directory(.inUse)? = #expect(
                throws: OfflineRecoveryError.self, performing: { try recovery(server) })
        else {
            Issue.record("it was not refused as in use")
            return
        }
        running.close()

        let nothing = SimulatedFileSystem(seed: 1)
        #expect(throws: OfflineRecoveryError.notInitialised(path: "dota")) {
            _ = try Recovery("dota", files: nothing, holder: "pid 5")
        }
        #expect(throws: FileSystemError.self) { try nothing.list("dota") }

        // testNode is no member.
        let stranger = Server(options: tinyOptions)
        let (log, _, _) = try stranger.open()
        try log.append([write([entry(1)])])
        stranger.files.crash(.everything)
        let survey = try recovery(stranger)
        #expect(throws: OfflineRecoveryError.notAMember(name: "s1", members: ["s1", "s2", "s3"])) {
            try survey.perform(newCluster: Self.newCluster)
        }
        survey.close()
        #expect(try start(stranger).cluster == testCluster)

        var empty = Server(options: tinyOptions)
        empty.node = NodeID(1)
        _ = try empty.open()
        empty.files.crash(.everything)
        #expect(throws: OfflineRecoveryError.nothingLeft(path: testPath)) {
            try recovery(empty).perform(newCluster: Self.newCluster)
        }
    }

    @Test("a full disk refuses it, and the old state stays")
    func fullDisk() throws {
        let server = try survivor()
        let before = try start(server)
        let recovery = try recovery(server)
        server.files.setCapacity(server.files.usedBytes + 6000)
        #expect(throws: OfflineRecoveryError.self) { try recovery.perform(newCluster: Self.newCluster) }
        recovery.close()
        let after = try start(server)
        #expect(after.cluster == testCluster)
        #expect(after.recovered == before.recovered)
        #expect(try !server.names.contains { $0.hasPrefix(FileNames.stagedPrefix) })
    }

    @Test("a log of many batches' length is carried over whole")
    func longLog() throws {
        var server = Server(options: smallOptions)
        server.node = NodeID(1)
        let (log, _, _) = try server.open()
        for group in 0..<5 {
            try log.append([write((1...100).map { entry(UInt64(group * 100 + $0), bytes: 6000) })])
        }
        server.files.crash(.everything)
        let before = try start(server)
        let recovery = try recovery(server)
        _ = try recovery.perform(newCluster: Self.newCluster)
        recovery.close()
        let after = try start(server)
        #expect(after.recovered.entries.count == 501)
        #expect(after.recovered.entries.dropLast() == before.recovered.entries[...])
    }
}
