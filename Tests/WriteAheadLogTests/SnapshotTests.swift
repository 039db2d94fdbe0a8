import ByteCoding
import Raft
import Simulation
import Testing

@testable import WriteAheadLog

@Suite("Snapshot files")
struct SnapshotTests {
    private func store(_ server: Server) throws -> SnapshotStore<SimulatedFileSystem> {
        server.files.crash(.nothing)
        return try SnapshotStore(server.directory())
    }

    private func payload(_ store: SnapshotStore<SimulatedFileSystem>, _ place: SnapshotPlace) throws -> [UInt8] {
        var reader = try store.reader(place)
        var all: [UInt8] = []
        while let chunk = try reader.nextChunk() {
            #expect(chunk.count <= 256 << 10)
            all += chunk
        }
        return all
    }

    @Test("a payload of any length comes back as it was, with its metadata")
    func roundTrip() throws {
        let server = Server()
        let store = try store(server)
        for (index, count) in [0, 1, 262_143, 262_144, 262_145, 1_000_000].enumerated() {
            let metadata = snapshot(UInt64(index + 10), members: [1, 2])
            let bytes = snapshotPayload(metadata, bytes: count)
            var rest = bytes[...]
            try store.write(metadata) {
                guard !rest.isEmpty else { return nil }
                defer { rest = rest.dropFirst(70_000) }
                return Array(rest.prefix(70_000))
            }
            server.files.crash(.everything)
            let place = SnapshotPlace(index: metadata.index, term: metadata.term)
            #expect(try payload(store, place) == bytes)
            #expect(try store.verify(place) == metadata)
        }
        #expect(try store.places().map(\.index.rawValue) == [15, 14, 13, 12, 11, 10])
        try store.prune(keeping: [LogIndex(11)])
        #expect(try store.places().map(\.index.rawValue) == [15, 14, 11])
    }

    @Test("a rotted bit anywhere is found")
    func rot() throws {
        let server = Server()
        let store = try store(server)
        let metadata = snapshot(7)
        try store.write(metadata) { nil }
        var writer = try store.writer(metadata)
        try writer.write(snapshotPayload(metadata, bytes: 500))
        try writer.finish()
        let place = SnapshotPlace(index: metadata.index, term: metadata.term)
        let size = Int(try store.size(place))
        for offset in 0..<size {
            server.files.rot(store.file(place), at: offset, bit: 3)
            #expect(throws: SnapshotError.self, "byte \(offset)") { try store.verify(place) }
            server.files.rot(store.file(place), at: offset, bit: 3)
        }
        try store.verify(place)
        let bytes = try store.range(place, offset: 0, count: size)
        for cut in stride(from: 0, to: size, by: 7) {
            try server.replace(place.fileName, Array(bytes[..<cut]))
            #expect(throws: SnapshotError.self) { try store.verify(place) }
        }
        try server.replace(place.fileName, bytes + [0])
        #expect(throws: SnapshotError.self) { try store.verify(place) }
    }

    @Test("a piece is not handed out if a bit has rotted in a chunk that it touches, in the header or in the end")
    func rottenPieces() throws {
        let server = Server()
        let store = try store(server)
        let metadata = snapshot(7)
        var writer = try store.writer(metadata)
        try writer.write(snapshotPayload(metadata, bytes: 600_000))
        try writer.finish()
        let place = SnapshotPlace(index: metadata.index, term: metadata.term)
        let size = try store.size(place)
        let bytes = try server.contents(place.fileName)
        let pieces = stride(from: UInt64(0), to: size, by: 100_000).map { $0 }
        for piece in pieces {
            let end = min(Int(size), Int(piece) + 100_000)
            #expect(try store.range(place, offset: piece, count: 100_000) == Array(bytes[Int(piece)..<end]))
        }
        #expect(try store.range(place, offset: size, count: 10) == [])
        #expect(try store.range(place, offset: size + 9, count: 10) == [])
        // All but the checksum of the whole.
        let everywhere = stride(from: 0, to: Int(size) - 40, by: 997).map { $0 } + (Int(size) - 40..<Int(size) - 4)
        for offset in everywhere {
            server.files.rot(store.file(place), at: offset, bit: 5)
            let piece = UInt64(offset / 100_000 * 100_000)
            #expect(throws: SnapshotError.self, "byte \(offset)") {
                try store.range(place, offset: piece, count: 100_000)
            }
            server.files.rot(store.file(place), at: offset, bit: 5)
        }
        server.files.rot(store.file(place), at: Int(size) - 1, bit: 5)
        _ = try store.range(place, offset: size - 10, count: 10)
        #expect(throws: SnapshotError.self) { try store.verify(place) }
    }

    @Test("pieces of a file that is cut into chunks in another way are handed out if the file is whole")
    func otherChunks() throws {
        let server = Server()
        let store = try store(server)
        let metadata = snapshot(7)
        let place = SnapshotPlace(index: metadata.index, term: metadata.term)
        let payload = snapshotPayload(metadata, bytes: 3_000)
        try store.write(metadata) { nil }
        let empty = try server.contents(place.fileName)
        var file = ByteWriter()
        file.write(raw: empty.dropLast(SnapshotFormat.footer))
        for begin in stride(from: 0, to: 3_000, by: 1_000) {
            let chunk = Array(payload[begin..<begin + 1_000])
            file.write(UInt32(1_000))
            file.write(crc32c(chunk))
            file.write(raw: chunk)
        }
        for number: UInt64 in [0, 3_000, 3] { file.write(number) }
        file.write(raw: Array(SnapshotFormat.endMark.utf8))
        file.write(crc32c(file.bytes))
        let bytes = file.take()
        try server.replace(place.fileName, bytes)
        try store.verify(place)
        for offset in stride(from: 0, to: bytes.count, by: 100) {
            let piece = try store.range(place, offset: UInt64(offset), count: 100)
            #expect(piece == Array(bytes[offset..<min(bytes.count, offset + 100)]))
        }
    }

    @Test("a failed write leaves no file and concerns nobody; the next attempt succeeds")
    func retry() throws {
        let server = Server()
        let (log, _, _) = try server.open()
        let identity = LogIdentity(cluster: testCluster, node: testNode, name: "s1", secret: 0)
        let metadata = snapshot(1)
        func attempt() throws {
            var writer = try SnapshotWriter(metadata, identity: identity, files: server.files, directory: testPath)
            try writer.write(snapshotPayload(metadata, bytes: 300_000))
            try writer.finish()
        }
        for fault in 0..<4 {
            switch fault {
            case 0: server.files.failWrite(after: 1)
            case 1: server.files.failNextSync()
            case 2: server.files.failNextDirectorySync()
            default: server.files.setCapacity(server.files.usedBytes + 100_000)
            }
            #expect(throws: SnapshotError.self) { try attempt() }
            #expect(try !server.names.contains { $0.hasSuffix(".tmp") })
        }
        server.files.setCapacity(.max)
        try attempt()
        try log.append([write([entry(1)])])
        #expect(log.poison == nil)
    }

    @Test("a crash while a snapshot is written leaves none or all of it, and no temporary file")
    func crash() throws {
        for seed in 0..<60 {
            let server = Server(seed: UInt64(seed))
            _ = try server.open()
            let metadata = snapshot(3)
            let identity = LogIdentity(cluster: testCluster, node: testNode, name: "s1", secret: 0)
            var writer = try SnapshotWriter(metadata, identity: identity, files: server.files, directory: testPath)
            try writer.write(snapshotPayload(metadata, bytes: 600_000))
            if seed % 3 == 0 { try writer.finish() }
            server.files.crash()
            let store = try SnapshotStore(server.directory())
            let places = try store.places()
            #expect(places.count == (seed % 3 == 0 ? 1 : 0))
            for place in places { try store.verify(place) }
            #expect(try !server.names.contains { $0.hasSuffix(".tmp") })
        }
    }

    @Test("a received snapshot is put together in order, from wherever the receiver says, and published once whole")
    func receive() throws {
        let sender = try store(Server())
        let metadata = snapshot(40, members: [1, 2, 3, 4])
        var writer = try sender.writer(metadata)
        try writer.write(snapshotPayload(metadata, bytes: 700_000))
        try writer.finish()
        let place = SnapshotPlace(index: metadata.index, term: metadata.term)
        let size = try sender.size(place)

        let server = Server()
        let store = try store(server)
        var receiver = try store.receiver(place)
        #expect(try receiver.receive(sender.range(place, offset: 5, count: 10), at: 5) == 0)
        #expect(try receiver.receive(sender.range(place, offset: 0, count: 100_000), at: 0) == 100_000)
        #expect(try receiver.receive(sender.range(place, offset: 50_000, count: 100_000), at: 50_000) == 150_000)
        #expect(try receiver.receive(sender.range(place, offset: 0, count: 10), at: 0) == 150_000)
        while receiver.offset < size {
            try receiver.receive(sender.range(place, offset: receiver.offset, count: 99_999), at: receiver.offset)
        }
        #expect(try store.places() == [])
        #expect(try receiver.finish() == metadata)
        server.files.crash(.everything)
        #expect(try payload(store, place) == snapshotPayload(metadata, bytes: 700_000))
    }

    @Test(
        "a received snapshot that is damaged, cut short, of another cluster or of another place is refused and removed")
    func receiveBad() throws {
        let metadata = snapshot(40)
        let place = SnapshotPlace(index: metadata.index, term: metadata.term)
        func file(cluster: ClusterID) throws -> [UInt8] {
            let files = SimulatedFileSystem(seed: 1)
            try files.createDirectory(testPath)
            let identity = LogIdentity(cluster: cluster, node: NodeID(9), name: "s9", secret: 0)
            var writer = try SnapshotWriter(metadata, identity: identity, files: files, directory: testPath)
            try writer.write([1, 2, 3])
            try writer.finish()
            return try files.contents(of: testPath + "/" + place.fileName)
        }
        let good = try file(cluster: testCluster)
        var rotted = good
        rotted[good.count / 2] ^= 1
        let server = Server()
        let store = try store(server)
        let other = SnapshotPlace(index: LogIndex(41), term: metadata.term)
        for (bytes, place) in [
            (rotted, place), (Array(good.dropLast()), place), ([], place), (try file(cluster: ClusterID(1)), place),
            (good, other),
        ] {
            var receiver = try store.receiver(place)
            try receiver.receive(bytes, at: 0)
            #expect(throws: SnapshotError.self) { _ = try receiver.finish() }
            #expect(try store.places() == [])
            #expect(try !server.names.contains { $0.hasSuffix(".tmp") })
        }
        var receiver = try store.receiver(place)
        try receiver.receive(good, at: 0)
        #expect(try receiver.finish() == metadata)
    }
}
