import ByteCoding
import Raft

/// What a segment says of itself in its header, written and synced before it bears a segment's name.
struct SegmentHeader: Equatable, Sendable {
    /// Where records begin: the header has a page of its own that no later write touches.
    static let recordsBegin = 4096

    /// Unique for ever and ascending in the order of the log; unlike a first index, it is never used again after a
    /// truncation.
    var id: UInt64
    /// The number of the batch that comes first in it.
    var firstBatch: UInt64
    /// The segment before it and where that one's last good batch ends; what lies behind that is cut and never counts.
    /// 0 and 0 for the first.
    var previousID: UInt64
    var previousEnd: UInt64

    func fileHeader(_ identity: LogIdentity) -> FileHeader {
        FileHeader(
            magic: .segment, cluster: identity.cluster, node: identity.node,
            fields: (id, firstBatch, previousID, previousEnd))
    }

    init(id: UInt64, firstBatch: UInt64, previousID: UInt64, previousEnd: UInt64) {
        self.id = id
        self.firstBatch = firstBatch
        self.previousID = previousID
        self.previousEnd = previousEnd
    }

    init(_ header: FileHeader) {
        self.init(
            id: header.fields.0, firstBatch: header.fields.1, previousID: header.fields.2, previousEnd: header.fields.3)
    }

    /// Both count up from 1, one by one. So far up nothing ever gets, and what came after would stand before.
    var isPossible: Bool { id < LogReplay.bound && firstBatch < LogReplay.bound }

    /// What the checksums of a segment's records begin from.
    static func salt(_ identity: LogIdentity, id: UInt64) -> UInt32 {
        var writer = ByteWriter(reserving: 32)
        writer.write(identity.cluster.rawValue)
        writer.write(identity.node.rawValue)
        writer.write(id)
        if identity.secret != 0 { writer.write(identity.secret) }
        return crc32c(writer.bytes)
    }
}

/// A segment of the open log.
struct Segment: Sendable {
    var id: UInt64
    /// The highest index of an entry in it that still counts; 0 if there is none.
    var lastIndex: LogIndex
    /// Batches in it. The newest segment may have none yet.
    var hasBatches: Bool
}
