import ByteCoding

/// The payload of a `snapshotPiece` request: bytes of a snapshot's file, for a backup.
public struct SnapshotPieceRequest: Equatable, Sendable {
    public static let maximumBytes: UInt32 = 1 << 20

    /// Which snapshot: its log index and term. Index 0: one that has everything the server had applied when it was asked, which is taken if
    /// need be.
    public var index: UInt64
    public var term: UInt64
    public var offset: UInt64
    /// At most so many bytes, 1 to `maximumBytes`.
    public var count: UInt32

    public init(index: UInt64 = 0, term: UInt64 = 0, offset: UInt64 = 0, count: UInt32 = maximumBytes) {
        self.index = index
        self.term = term
        self.offset = offset
        self.count = count
    }

    public func encode(into writer: inout ByteWriter) {
        writer.write(index)
        writer.write(term)
        writer.write(offset)
        writer.write(count)
    }

    public init(_ payload: UnsafeRawBufferPointer) throws(MalformedBytes) {
        var reader = ByteReader(payload)
        index = try reader.readUInt64("log index")
        term = try reader.readUInt64("term")
        offset = try reader.readUInt64("offset")
        count = try reader.readUInt32("count")
        guard (1...Self.maximumBytes).contains(count) else {
            throw MalformedBytes("\(count) bytes of a snapshot: 1 to \(Self.maximumBytes)", at: reader.offset - 4)
        }
        try reader.requireEnd("snapshot piece request")
    }
}

/// The payload of a `snapshotPiece` response.
public struct SnapshotPiece: Equatable, Sendable {
    public var index: UInt64
    public var term: UInt64
    /// Of the whole file.
    public var total: UInt64
    public var offset: UInt64
    /// Up to the end of the payload; fewer than asked for only at the end of the file.
    public var bytes: [UInt8]

    public init(index: UInt64, term: UInt64, total: UInt64, offset: UInt64, bytes: [UInt8]) {
        self.index = index
        self.term = term
        self.total = total
        self.offset = offset
        self.bytes = bytes
    }

    public func encode(into writer: inout ByteWriter) {
        writer.write(index)
        writer.write(term)
        writer.write(total)
        writer.write(offset)
        writer.write(raw: bytes)
    }

    /// Reads to the end.
    public init(from reader: inout ByteReader) throws(MalformedBytes) {
        index = try reader.readUInt64("log index")
        term = try reader.readUInt64("term")
        total = try reader.readUInt64("file size")
        offset = try reader.readUInt64("offset")
        bytes = [UInt8](try reader.readRaw(reader.remaining, "bytes"))
    }
}
