import Raft
import Simulation
import Testing

@testable import WriteAheadLog

@Suite("Restoring a saved snapshot")
struct RestorationTests {
    private let saved = snapshot(40, term: 3)
    private let cluster = ClusterID(0x5A4ED)
    private let own = member(17)

    /// A disk with nothing but a backup.
    private func disk(_ seed: UInt64 = 1) throws -> Server {
        let maker = Server()
        _ = try maker.directory()
        try maker.publish(saved, bytes: 300_000)
        let backup = try maker.contents(SnapshotPlace(index: saved.index, term: saved.term).fileName)
        let server = Server(seed: seed, options: tinyOptions)
        try server.files.createDirectory("backups")
        let file = try server.files.open("backups/s", .create)
        try file.write(backup, at: 0)
        try file.syncData()
        try server.files.syncDirectory("backups")
        return server
    }

    private func restore(_ server: Server) throws {
        try SnapshotRestoration("backups/s", files: server.files).restore(
            to: testPath, cluster: cluster, own: own, holder: "pid 1", options: tinyOptions)
    }

    private func start(_ server: Server) throws -> RecoveredLog {
        let directory = try LogDirectory.open(testPath, files: server.files, cluster: cluster, holder: "pid 1")
        defer { directory.close() }
        let store = try SnapshotStore(directory)
        let (log, recovered, _) = try SimulatedLog.open(directory, snapshots: store, options: tinyOptions)
        log.close()
        return recovered
    }

    private func check(_ recovered: RecoveredLog) {
        #expect(recovered.mayVote && recovered.entries.isEmpty)
        #expect(recovered.hardState == HardState(term: Term(4), vote: own.id))
        #expect(recovered.snapshot.index == saved.index && recovered.snapshot.term == saved.term)
        #expect(recovered.snapshot.configuration.members == [own])
    }

    @Test("a backup becomes a server of its own, with the state as it was saved")
    func restored() throws {
        let server = try disk()
        #expect(try SnapshotRestoration("backups/s", files: server.files).verify() == saved)
        try restore(server)
        server.files.crash(.everything)
        check(try start(server))
        var reader = try SnapshotReader(
            "data/" + SnapshotPlace(index: saved.index, term: saved.term).fileName, place: nil, cluster: cluster,
            files: server.files)
        var payload: [UInt8] = []
        while let chunk = try reader.nextChunk() { payload += chunk }
        #expect(payload == snapshotPayload(saved, bytes: 300_000))
        // Once is enough.
        #expect(throws: SnapshotRestorationError.inUse(path: testPath)) { try restore(server) }
    }

    @Test("a process that ends at any step leaves a directory that votes only with the whole state in it")
    func crashAtEachStep() throws {
        let whole = try disk()
        let first = whole.files.changeCount
        try restore(whole)
        for step in 0..<(whole.files.changeCount - first) {
            for loss in SimulatedFileSystem.CrashLoss.allCases {
                let server = try disk(UInt64(step) + 1)
                server.files.endProcess(after: step)
                #expect(throws: SnapshotRestorationError.self) { try restore(server) }
                server.files.crash(loss)
                // Or a first start would make it a cluster that is empty.
                if let directory = try? LogDirectory.open(testPath, files: server.files, holder: "pid 1") {
                    #expect(!directory.isInitialised || directory.hasConfiguration || directory.pendingRepair != nil)
                    directory.close()
                }
                guard let recovered = try? start(server), recovered.mayVote else { continue }
                check(recovered)
            }
        }
    }

    @Test("a damaged or a newer backup, and a directory that is not empty, are refused before anything is made")
    func refused() throws {
        let damaged = try disk()
        damaged.files.rot("backups/s", at: 200_000)
        #expect(throws: SnapshotRestorationError.self) { try restore(damaged) }
        #expect(throws: FileSystemError.self) { try damaged.files.list(testPath) }

        let foreign = try disk()
        try foreign.files.createDirectory(testPath)
        _ = try foreign.files.open("data/letters", .create)
        #expect(throws: SnapshotRestorationError.self) { try restore(foreign) }
        #expect(try foreign.files.list(testPath) == ["letters"])
    }
}
