import ByteCoding
import Raft

/// Writes one snapshot file piece by piece; nothing bears a snapshot's name before `finish` has made all of it durable.
///
/// A failure discards the temporary file and concerns nobody else: make another writer and try again. One thread at a
/// time uses a writer, any thread. Do not go on with a copy.
public struct SnapshotWriter<Files: FileSystem>: Sendable {
    public let metadata: SnapshotMetadata
    /// Payload so far.
    public private(set) var payloadBytes: UInt64 = 0

    private let files: Files
    private let directory: String
    private let temporary: String
    private let file: Files.File
    private let name: String
    private let mutations: StorageMutations
    private var offset: UInt64 = 0
    private var whole: UInt32 = 0
    private var chunks: UInt64 = 0
    /// A chunk header to be filled in, and the chunk's payload so far.
    private var chunk: [UInt8]

    init(
        _ metadata: SnapshotMetadata, identity: LogIdentity, files: Files, directory: String, prefix: String = "",
        mutations: StorageMutations = []
    ) throws(SnapshotError) {
        guard metadata.isReadable else { throw .malformedMetadata }
        self.mutations = mutations
        self.metadata = metadata
        self.files = files
        self.directory = directory
        name = prefix + SnapshotPlace(index: metadata.index, term: metadata.term).fileName
        let temporary = join(directory, name + FileNames.temporarySuffix)
        self.temporary = temporary
        file = try snapshotStep { () throws(FileSystemError) in try files.open(temporary, .create) }
        chunk = []
        chunk.reserveCapacity(SnapshotFormat.chunkHeader + SnapshotFormat.maximumChunk)
        chunk.append(contentsOf: [0, 0, 0, 0, 0, 0, 0, 0])

        var body = ByteWriter()
        metadata.encodeConfiguration(into: &body)
        let header = FileHeader(
            magic: .snapshot, cluster: identity.cluster, node: identity.node,
            fields: (metadata.index.rawValue, metadata.term.rawValue, 0, 0))
        try put(header.encoded(body: body.take()))
    }

    /// Adds payload; it is cut into chunks as it comes.
    public mutating func write(_ bytes: UnsafeRawBufferPointer) throws(SnapshotError) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let room = SnapshotFormat.chunkHeader + SnapshotFormat.maximumChunk - chunk.count
            let piece = rest.prefix(room)
            chunk.append(contentsOf: piece)
            rest = rest.dropFirst(piece.count)
            if piece.count == room { try flush() }
        }
    }

    public mutating func write(_ bytes: [UInt8]) throws(SnapshotError) {
        // The closure of withUnsafeBytes cannot throw a typed error; that of withUnsafeBufferPointer can.
        try bytes.withUnsafeBufferPointer { (buffer) throws(SnapshotError) in
            try write(UnsafeRawBufferPointer(buffer))
        }
    }

    /// Makes the snapshot durable under its name.
    public mutating func finish() throws(SnapshotError) {
        try flush()
        var footer = ByteWriter(reserving: SnapshotFormat.footer)
        footer.write(UInt64(0))
        footer.write(payloadBytes)
        footer.write(chunks)
        footer.write(raw: Array(SnapshotFormat.endMark.utf8))
        footer.write(crc32c(footer.bytes, continuing: whole))
        try put(footer.bytes)
        try orDiscard { () throws(FileSystemError) in
            if !mutations.contains(.snapshotNotSynced) { try file.syncData() }
            file.close()
            try files.rename(temporary, to: join(directory, name))
            try files.syncDirectory(directory)
        }
    }

    /// Gives the snapshot up.
    public func discard() {
        file.close()
        try? files.remove(temporary)
    }

    private mutating func flush() throws(SnapshotError) {
        let count = chunk.count - SnapshotFormat.chunkHeader
        guard count > 0 else { return }
        var writer = ByteWriter(appendingTo: chunk)
        chunk = []
        let checksum = writer.bytes.withUnsafeBytes {
            crc32c(UnsafeRawBufferPointer(rebasing: $0[SnapshotFormat.chunkHeader...]))
        }
        writer.patch(UInt32(count), at: 0)
        writer.patch(checksum, at: 4)
        chunk = writer.take()
        try put(chunk)
        payloadBytes += UInt64(count)
        chunks += 1
        chunk.removeLast(count)
    }

    private mutating func put(_ bytes: [UInt8]) throws(SnapshotError) {
        try orDiscard { () throws(FileSystemError) in
            try file.write(bytes, at: offset)
            // Or the log's next sync would wait for all that has gathered.
            try file.writeOut(offset..<offset + UInt64(bytes.count))
        }
        whole = crc32c(bytes, continuing: whole)
        offset += UInt64(bytes.count)
    }

    private func orDiscard(_ body: () throws(FileSystemError) -> Void) throws(SnapshotError) {
        do throws(FileSystemError) {
            try body()
        } catch {
            discard()
            throw .file(error)
        }
    }
}
