import Raft
import Simulation
import Testing

@testable import WriteAheadLog

@Suite("Receiving a snapshot over restarts")
struct ReceivingTests {
    private let metadata = snapshot(40, members: [1, 2, 3, 4])
    private var place: SnapshotPlace { SnapshotPlace(index: metadata.index, term: metadata.term) }

    /// A peer's file.
    private func file(node: NodeID = NodeID(9), bytes: Int = 1_500_000) throws -> [UInt8] {
        let sender = Server()
        _ = try sender.directory()
        var writer = try SnapshotWriter(
            metadata, identity: LogIdentity(cluster: testCluster, node: node, name: "x", secret: 0),
            files: sender.files,
            directory: testPath)
        try writer.write(snapshotPayload(metadata, bytes: bytes).map { $0 &+ UInt8(node.rawValue) })
        try writer.finish()
        return try sender.contents(place.fileName)
    }

    private func store(_ server: Server) throws -> SnapshotStore<SimulatedFileSystem> {
        try SnapshotStore(server.directory())
    }

    @Test("Scenario 22: a receiver that restarts goes on from what it has and has checked, and never fails for it")
    func resume() throws {
        let file = try file()
        var resumedAt: Set<UInt64> = []
        for seed in 1...30 as ClosedRange<UInt64> {
            let server = Server(seed: seed)
            var chance = Chance(seed)
            var received = 0
            var store = try store(server)
            var receiver = try store.receiver(place)
            var crashes = 0
            while receiver.offset < UInt64(file.count) {
                let offset = Int(receiver.offset)
                let piece = Array(file[offset..<min(offset + 100_000, file.count)])
                try receiver.receive(piece, at: receiver.offset)
                received += piece.count
                guard crashes < 4, Int.random(in: 0..<5, using: &chance) == 0 else { continue }
                crashes += 1
                let before = receiver.offset
                let loss = SimulatedFileSystem.CrashLoss.allCases[Int(seed % 3)]
                server.files.crash(loss)
                store = try self.store(server)
                let sound = try store.resume(index: metadata.index, term: metadata.term)
                receiver = try store.receiver(place)
                #expect(receiver.offset == sound && sound <= before)
                // Whole chunks stay, if the machine does not lose them.
                if loss == .nothing { #expect(before - sound < UInt64(SnapshotFormat.maximumChunk + 100)) }
                resumedAt.insert(sound)
            }
            #expect(try receiver.finish() == metadata)
            #expect(try store.places() == [place])
            server.files.crash(.everything)
            #expect(try server.contents(place.fileName) == file)
            #expect(try !server.names.contains { FileNames.isReceiving($0) })
        }
        #expect(resumedAt.count > 3)
    }

    @Test("Scenario 22: all received and not yet named when the process ended: only its end is missing")
    func allReceived() throws {
        let file = try file()
        let server = Server()
        var receiver = try store(server).receiver(place)
        try receiver.receive(file, at: 0)
        server.files.crash(.nothing)
        receiver = try store(server).receiver(place)
        #expect(receiver.offset == UInt64(file.count))
        #expect(try receiver.finish() == metadata)
        server.files.crash(.everything)
        #expect(try server.contents(place.fileName) == file)
    }

    @Test("the rest of another peer's file does not make a snapshot of the two: it is begun anew")
    func otherPeer() throws {
        let (one, other) = (try file(node: NodeID(8)), try file(node: NodeID(9)))
        #expect(one != other && one.count == other.count)
        let server = Server()
        let store = try store(server)
        var receiver = try store.receiver(place)
        try receiver.receive(Array(one.prefix(600_000)), at: 0)
        receiver.suspend()
        receiver = try store.receiver(place)
        let offset = Int(receiver.offset)
        #expect(offset > 500_000)
        try receiver.receive(Array(other[offset...]), at: receiver.offset)
        #expect(throws: SnapshotError.self) { try receiver.finish() }
        #expect(try store.places() == [])
        receiver = try store.receiver(place)
        #expect(receiver.offset == 0)
        try receiver.receive(other, at: 0)
        #expect(try receiver.finish() == metadata)
    }

    @Test("what was left of another cluster's or another place's file, or of noise, is not gone on with")
    func foreign() throws {
        let file = try file(bytes: 400_000)
        let other = SnapshotPlace(index: LogIndex(41), term: metadata.term)
        for bytes in [Array(file.prefix(50)), [], [UInt8](repeating: 0x5A, count: 300_000)] {
            let server = Server()
            _ = try server.directory()
            server.files.crash(.nothing)
            try server.replace(FileNames.receiving(place), bytes)
            #expect(try store(server).resume(index: metadata.index, term: metadata.term) == 0)
        }
        let server = Server()
        _ = try server.directory()
        server.files.crash(.nothing)
        try server.replace(FileNames.receiving(other), file)
        let store = try store(server)
        #expect(try store.resume(index: other.index, term: other.term) == 0)
        // A receiver of one place removes what was left of others.
        _ = try store.receiver(place)
        #expect(try server.names.filter { FileNames.isReceiving($0) } == [FileNames.receiving(place)])
    }

    @Test("what was received in part of a snapshot that has been overtaken goes when snapshots are pruned")
    func overtaken() throws {
        let file = try file()
        let server = Server()
        let store = try store(server)
        var receiver = try store.receiver(place)
        try receiver.receive(Array(file.prefix(500_000)), at: 0)
        receiver.suspend()
        try server.publish(snapshot(30))
        try store.prune(keeping: [])
        #expect(try store.resume(index: metadata.index, term: metadata.term) > 0)
        try server.publish(snapshot(50))
        try store.prune(keeping: [])
        #expect(try store.resume(index: metadata.index, term: metadata.term) == 0)
        #expect(try !server.names.contains { FileNames.isReceiving($0) })
    }

    @Test("what an earlier process wrote and could not sync is written again before the snapshot gets its name")
    func rewritten() throws {
        let file = try file()
        for seed in 1...10 as ClosedRange<UInt64> {
            let server = Server(seed: seed)
            var receiver = try store(server).receiver(place)
            try receiver.receive(file, at: 0)
            // The sync fails, what it should have written counts as written, and the process is gone.
            server.files.failNextSync()
            let left = try server.files.open("data/" + FileNames.receiving(place), .update)
            #expect(throws: FileSystemError.self) { try left.syncData() }
            server.files.crash(.nothing)
            receiver = try store(server).receiver(place)
            #expect(receiver.offset == UInt64(file.count))
            _ = try receiver.finish()
            server.files.crash(.everything)
            #expect(try store(server).verify(place) == metadata)
        }
    }
}
