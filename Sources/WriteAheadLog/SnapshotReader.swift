import ByteCoding
import Raft

/// Reads a snapshot file from its start to its end, checking each chunk before it hands it out.
///
/// That the file is whole is known only when `nextChunk` has returned nil: do not put a state built from it in force
/// before.
public struct SnapshotReader<Files: FileSystem>: Sendable {
    public let metadata: SnapshotMetadata
    /// The node that made it.
    public let node: NodeID
    private let file: Files.File
    let size: UInt64
    private(set) var offset: UInt64
    private var whole: UInt32
    private var payloadBytes: UInt64 = 0
    private var chunks: UInt64 = 0
    private var isFinished = false

    /// The cluster that it is of.
    public let cluster: ClusterID

    /// - Parameters:
    ///   - place: what the file must be; nil to take what it says.
    ///   - cluster: likewise.
    init(
        _ path: String, place: SnapshotPlace?, cluster: ClusterID?, files: Files
    ) throws(SnapshotError) {
        let file = try snapshotStep { () throws(FileSystemError) in try files.open(path, .read) }
        self.file = file
        size = try snapshotStep { () throws(FileSystemError) in try file.size() }
        let start = try snapshotStep { () throws(FileSystemError) in
            try file.readRange(0, count: FileHeader.byteCount)
        }
        let header: FileHeader
        switch start.withUnsafeBytes({ FileHeader.read($0, expecting: .snapshot) }) {
        case .valid(let valid): header = valid
        case .newer(let version):
            throw .newerVersion(file: path, found: version, supported: FileHeader.supportedVersion)
        case .damaged(let reason): throw .damaged(file: path, reason: reason)
        }
        if let cluster, header.cluster != cluster {
            throw .otherCluster(file: path, found: header.cluster, expected: cluster)
        }
        self.cluster = header.cluster
        let body = try snapshotStep { () throws(FileSystemError) in
            try file.readRange(UInt64(FileHeader.byteCount), count: Int(header.bodyLength))
        }
        guard body.count == Int(header.bodyLength), crc32c(body) == header.bodyChecksum else {
            throw .damaged(file: path, reason: "the checksum of the file's body does not hold")
        }
        metadata = try SnapshotReader.metadata(header, body, path)
        node = header.node
        let found = SnapshotPlace(index: metadata.index, term: metadata.term)
        if let place, place != found { throw .otherPlace(file: path, found: found, expected: place) }
        offset = UInt64(start.count + body.count)
        whole = crc32c(body, continuing: crc32c(start))
    }

    /// The payload's next chunk, or nil at the end of a file that is whole.
    public mutating func nextChunk() throws(SnapshotError) -> [UInt8]? {
        if isFinished { return nil }
        let header = try read(SnapshotFormat.chunkHeader)
        let (length, checksum) = header.withUnsafeBytes { raw in
            (
                UInt32(littleEndian: raw.loadUnaligned(fromByteOffset: 0, as: UInt32.self)),
                UInt32(littleEndian: raw.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
            )
        }
        whole = crc32c(header, continuing: whole)
        if length == 0 {
            try readEnd(checksum)
            return nil
        }
        guard length <= UInt32(SnapshotFormat.maximumChunk) else { throw damaged("a chunk of \(length) bytes") }
        let chunk = try read(Int(length))
        guard crc32c(chunk) == checksum else { throw damaged("the checksum of a chunk does not hold") }
        whole = crc32c(chunk, continuing: whole)
        payloadBytes += UInt64(length)
        chunks += 1
        return chunk
    }

    /// Goes on from a chunk that is known to begin there. The end of the file cannot be read then.
    mutating func skip(to chunk: UInt64) { offset = chunk }

    /// Bytes of the file as they are, at most up to its end.
    func raw(_ start: UInt64, count: Int) throws(SnapshotError) -> [UInt8] {
        try snapshotStep { () throws(FileSystemError) in try file.readRange(start, count: count) }
    }

    /// Checks what the end of the file says but for the checksum of the whole, which takes reading the whole.
    func checkFooter(at start: UInt64, payloadBytes: UInt64, chunks: UInt64) throws(SnapshotError) {
        var expected = ByteWriter(reserving: SnapshotFormat.footer)
        expected.write(UInt64(0))
        expected.write(payloadBytes)
        expected.write(chunks)
        expected.write(raw: Array(SnapshotFormat.endMark.utf8))
        guard try raw(start, count: SnapshotFormat.footer - 4) == expected.bytes else {
            throw damaged("its end does not fit its length")
        }
    }

    private mutating func readEnd(_ zero: UInt32) throws(SnapshotError) {
        let footer = try read(SnapshotFormat.footer - SnapshotFormat.chunkHeader)
        var expected = ByteWriter()
        expected.write(payloadBytes)
        expected.write(chunks)
        expected.write(raw: Array(SnapshotFormat.endMark.utf8))
        expected.write(crc32c(expected.bytes, continuing: whole))
        guard zero == 0, footer == expected.bytes else {
            throw damaged("length or checksum of the whole does not hold")
        }
        guard offset == size else { throw damaged("\(size - offset) bytes follow its end") }
        isFinished = true
    }

    private mutating func read(_ count: Int) throws(SnapshotError) -> [UInt8] {
        let from = offset
        let bytes = try snapshotStep { () throws(FileSystemError) in try file.readRange(from, count: count) }
        guard bytes.count == count else { throw damaged("it is cut short") }
        offset += UInt64(count)
        return bytes
    }

    func damaged(_ reason: String) -> SnapshotError {
        .damaged(file: file.path, reason: "\(reason), at offset \(offset)")
    }

    private static func metadata(
        _ header: FileHeader, _ body: [UInt8], _ path: String
    ) throws(SnapshotError) -> SnapshotMetadata {
        do {
            return try body.withUnsafeBytes {
                try SnapshotMetadata(
                    index: LogIndex(header.fields.0), term: Term(header.fields.1), body: UnsafeRawBufferPointer($0))
            }
        } catch {
            throw .damaged(file: path, reason: "\(error)")
        }
    }
}
