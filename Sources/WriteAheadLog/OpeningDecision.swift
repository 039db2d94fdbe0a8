/// What to do about one segment, decided from what reading it found: the whole of the opening's judgement in one table.
/// docs/formats/write-ahead-log.md has the same table with the reasons.
enum OpeningDecision: Equatable {
    /// The log goes on in this segment, behind its last batch.
    case goOnHere
    /// Complete as it is; later segments follow.
    case complete
    /// A write that never finished. The log goes on in a new segment, whose header says where this one ends.
    case cut
    /// Something synced is lost or altered. What stands before is kept; later segments are set aside; no voting until
    /// repaired.
    case damage(String)

    /// What follows a segment.
    enum Successor: Equatable {
        /// It is the newest.
        case none
        /// A segment that names this one, ends it at `end`, and begins with `firstBatch`.
        case segment(end: UInt64, firstBatch: UInt64)
        /// A segment that names another predecessor.
        case stranger(previousID: UInt64)
        /// A segment whose header is damaged.
        case unreadable
    }

    static func decide(_ scan: SegmentScan, followedBy successor: Successor) -> OpeningDecision {
        switch (successor, scan.nonsense, scan.rest) {
        // A batch whose checksums hold was written by us, so its contents are not chance.
        case (_, let reason?, _):
            return .damage(reason)

        case (.none, nil, .zeros): return .goOnHere
        case (.none, nil, .unfinished): return .cut
        // A batch is begun only after the one before it was synced.
        case (.none, nil, .laterBatch(let offset)):
            return .damage("batch \(scan.nextBatch) is unreadable, and a later one stands at offset \(offset)")

        // What lies behind the end that the successor states was cut by an earlier opening, and is not looked at.
        case (.segment(let end, let first), nil, _) where UInt64(scan.end) == end && scan.nextBatch == first:
            return .complete
        case (.segment(_, let first), nil, _):
            return .damage("batch \(scan.nextBatch) is unreadable, and the next segment begins with batch \(first)")
        case (.stranger(let id), nil, _):
            return .damage("the segment that should follow is missing: the next one follows \(hexadecimal(id))")

        // A segment's header was synced before it got its name, and is never written again.
        case (.unreadable, nil, _):
            return .damage("the header of the next segment is unreadable")
        }
    }
}
