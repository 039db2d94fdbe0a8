/// Sizes of the durable log. All hold per server.
public struct LogOptions: Sendable, Equatable {
    /// Bytes of a segment's file. A batch that is bigger makes its segment as big as it needs.
    public var segmentBytes: UInt64 = 16 << 20
    /// Files kept for term, vote and snapshot marks when the disk is full: each becomes a small segment when it is
    /// needed. A restart that has to cut a torn tail takes one too.
    public var reserveFiles = 4
    /// Bytes of each: 256 KiB hold some 3,000 elections.
    public var reserveBytes: UInt64 = 256 << 10
    /// No segment is prepared if less than this would stay free, so that a snapshot can still be written and make room.
    public var freeBytesKept: UInt64 = 64 << 20
    /// Segments prepared ahead.
    public var preparedSegments = 1
    /// The longest payload of one entry.
    public var maximumPayload = 256 << 20
    /// Defences switched off. For tests.
    public var mutations: StorageMutations = []

    public init() {}

    /// A segment is never smaller than this: room for the header and for what each segment restates.
    static let minimumSegmentBytes: UInt64 = 16 << 10
    var usableSegmentBytes: UInt64 { max(segmentBytes, LogOptions.minimumSegmentBytes) & ~511 }
    var usableReserveBytes: UInt64 { max(reserveBytes, LogOptions.minimumSegmentBytes) & ~511 }
}
