import ByteCoding
import Raft
import Simulation

@testable import WriteAheadLog

/// A snapshot file that an input describes: bytes as they are, a file whose checksums hold whatever it says, or a
/// good one that was damaged afterwards. Reading it and receiving it from a peer, in pieces, come to the same.
struct SnapshotFileScript {
    private var script: Script
    private let files = SimulatedFileSystem(seed: 1)
    private let store: SnapshotStore<SimulatedFileSystem>
    private let place: SnapshotPlace
    private let node = NodeID(1)

    init(_ bytes: UnsafeRawBufferPointer) throws {
        script = Script(bytes)
        var directory = try LogDirectory.open("d", files: files, holder: "a")
        try directory.initialise(clusterID: Samples.cluster, nodeID: node, name: "a", secret: 0)
        store = try SnapshotStore(directory)
        place = SnapshotPlace(index: LogIndex(9), term: Term(3))
    }

    mutating func run(_ tamper: FuzzTarget.Tamper) throws -> FuzzTarget.Verdict {
        var mustBeRefused = false
        let bytes: [UInt8]
        switch script.below(3) {
        case 0: bytes = [UInt8](script.part())
        case 1: bytes = forged()
        default:
            bytes = try damaged()
            mustBeRefused = try FuzzTarget.undamaged(store, place, files) != bytes
        }
        try FuzzTarget.put(bytes, store.file(place), files)
        let read = try contents()
        try files.remove(store.file(place))
        let received = try receive(bytes)
        try require(read == received.map { tamper($0) }, "read and received, a file is not the same")
        guard let read else { return .refused }
        try require(!mustBeRefused, "a damaged file is taken for a whole one")
        try require(try written(read) == read, "what was read, written anew, is read as something else")
        return .accepted
    }

    /// The payload of the file; nil if it is refused.
    private func contents() throws -> [UInt8]? {
        do {
            var reader = try store.reader(place)
            var payload: [UInt8] = []
            while let chunk = try reader.nextChunk() { payload += chunk }
            return payload
        } catch {
            return nil
        }
    }

    private mutating func receive(_ bytes: [UInt8]) throws -> [UInt8]? {
        var receiver = try store.receiver(place)
        let size = 1 + script.below(256) * 16
        while receiver.offset < UInt64(bytes.count) {
            // Now and then a piece comes again, or one that is not its turn.
            let start = min(script.near(receiver.offset), UInt64(bytes.count))
            try receiver.receive(Array(bytes[Int(start)...].prefix(size)), at: start)
            try receiver.receive(Array(bytes[Int(receiver.offset)...].prefix(size)), at: receiver.offset)
        }
        do { _ = try receiver.finish() } catch { return nil }
        return try contents()
    }

    private func written(_ payload: [UInt8]) throws -> [UInt8]? {
        var rest = [payload]
        try store.write(FuzzTarget.metadata(place)) { rest.popLast() }
        return try contents()
    }

    // MARK: Files

    private mutating func forged() -> [UInt8] {
        var body = ByteWriter()
        let plan = script.byte()
        FuzzTarget.metadata(place).encodeConfiguration(into: &body)
        let bodyBytes = plan & 1 == 0 ? body.bytes : [UInt8](script.part(atMost: 512))
        var header = FileHeader(
            magic: .snapshot, version: plan & 2 == 0 ? 1 : UInt32(script.byte()),
            cluster: ClusterID(plan & 4 == 0 ? 7 : script.near(7)), node: node,
            fields: (script.near(9), script.near(3), 0, 0))
        var bytes = header.encoded(body: bodyBytes)
        if plan & 8 != 0 {
            // A length that the file does not have, with a checksum that holds.
            header.bodyLength = UInt32(truncatingIfNeeded: script.near(1 << 20))
            var writer = ByteWriter()
            header.encode(into: &writer)
            bytes = writer.bytes + bodyBytes
        }
        var (payloadBytes, chunks): (UInt64, UInt64) = (0, 0)
        for _ in 0..<script.below(5) {
            let chunk = [UInt8](script.part(atMost: 1_024))
            if chunk.isEmpty { break }
            var writer = ByteWriter()
            writer.write(UInt32(truncatingIfNeeded: script.near(UInt64(chunk.count))))
            writer.write(crc32c(chunk))
            bytes += writer.bytes + chunk
            payloadBytes += UInt64(chunk.count)
            chunks += 1
        }
        var end = ByteWriter()
        end.write(UInt64(0))
        end.write(plan & 16 == 0 ? payloadBytes : script.near(payloadBytes))
        end.write(plan & 32 == 0 ? chunks : script.near(chunks))
        end.write(raw: Array(SnapshotFormat.endMark.utf8))
        bytes += end.bytes
        var checksum = ByteWriter()
        checksum.write(crc32c(bytes))
        return bytes + checksum.bytes + [UInt8](repeating: 0, count: plan & 64 == 0 ? 0 : 3)
    }

    /// A good file with up to four bytes changed, all within four of each other, or cut short: the checksums find
    /// every such damage.
    private mutating func damaged() throws -> [UInt8] {
        var bytes = try FuzzTarget.undamaged(store, place, files)
        let at = (Int(script.byte()) | Int(script.byte()) << 8) % bytes.count
        if script.below(4) == 3 { return Array(bytes[..<at]) }
        for offset in 0..<script.below(5) where at + offset < bytes.count { bytes[at + offset] ^= script.byte() }
        return bytes
    }
}

extension FuzzTarget {
    fileprivate static func metadata(_ place: SnapshotPlace) -> SnapshotMetadata {
        SnapshotMetadata(
            index: place.index, term: place.term, configuration: Samples.configurations[3],
            configurationIndex: LogIndex(2))
    }

    fileprivate static func undamaged(
        _ store: SnapshotStore<SimulatedFileSystem>, _ place: SnapshotPlace, _ files: SimulatedFileSystem
    ) throws -> [UInt8] {
        var pieces: [[UInt8]] = [[UInt8](repeating: 4, count: 700), [1, 2, 3]]
        try store.write(metadata(place)) { pieces.popLast() }
        let bytes = try files.contents(of: store.file(place))
        try files.remove(store.file(place))
        return bytes
    }
}

// MARK: - Seeds

extension SnapshotFileScript {
    static func seeds() -> [[UInt8]] {
        var forged: [[UInt8]] = []
        for plan in [0, 1, 2, 4, 8, 16, 32, 64] as [UInt8] {
            var writer = ScriptWriter([1, plan])
            if plan == 1 { writer.part([1, 2, 3]) }
            if plan == 2 || plan == 4 { writer.step(1) }
            writer.step(0, 0)
            if plan == 8 { writer.step(100) }
            writer.step(2)
            writer.part([UInt8](repeating: 6, count: 100))
            writer.step(0)
            writer.part([1, 2])
            writer.step(0, 8, 3)
            forged.append(writer.bytes)
        }
        return forged + [[2, 0, 0, 0, 0, 9], [2, 40, 1, 0, 1, 3, 8], [2, 100, 0, 3, 8], [0, 3, 0, 1, 2, 3]]
    }
}
