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

    /// The rows of the table, in the order in which they are asked.
    enum Row: String, CaseIterable {
        case headerIsDamaged, contentsMakeNoSense
        case onlyZerosFollow, somethingFollows, laterBatchFollows
        case successorAgrees, successorDisagrees, successorIsMissing, successorIsDamaged

        /// What is said of the row in the documentation: followed by; behind the last good batch; decision.
        var words: (followedBy: String, behind: String, decision: String) {
            switch self {
            case .headerIsDamaged:
                (
                    "any (the oldest segment's own header is damaged)", "",
                    "**damage**: headers are synced before the name is given"
                )
            case .contentsMakeNoSense:
                (
                    "any",
                    "a batch whose checksums hold and whose contents make no sense, a file too short, or a place that the disk cannot read",
                    "**damage**"
                )
            case .onlyZerosFollow: ("nothing", "zeros", "**clean**: the log goes on here")
            case .somethingFollows:
                (
                    "nothing", "something, but no record of a later batch",
                    "**torn tail**: cut; the log goes on in a new segment"
                )
            case .laterBatchFollows:
                (
                    "nothing", "a valid record header with a number above the missing batch's",
                    "**damage**: batches are begun only after the one before was synced"
                )
            case .successorAgrees:
                (
                    "a segment that names it",
                    "the good batches end at the stated offset, and the next number is the successor's first",
                    "**complete**; whatever lies behind was cut before"
                )
            case .successorDisagrees: ("a segment that names it", "they end elsewhere", "**damage**")
            case .successorIsMissing: ("a segment that names another", "", "**damage**: a segment is missing")
            case .successorIsDamaged:
                ("a segment whose header is damaged", "", "**damage**: headers are synced before the name is given")
            }
        }
    }

    static func row(_ scan: SegmentScan, followedBy successor: Successor) -> Row {
        switch (successor, scan.nonsense, scan.rest) {
        // A batch whose checksums hold was written by us, so its contents are not chance.
        case (_, .some, _): .contentsMakeNoSense
        case (.none, nil, .zeros): .onlyZerosFollow
        case (.none, nil, .unfinished): .somethingFollows
        // A batch is begun only after the one before it was synced.
        case (.none, nil, .laterBatch): .laterBatchFollows
        // What lies behind the end that the successor states was cut by an earlier opening, and is not looked at.
        case (.segment(let end, let first), nil, _):
            UInt64(scan.end) == end && scan.nextBatch == first ? .successorAgrees : .successorDisagrees
        case (.stranger, nil, _): .successorIsMissing
        // A segment's header was synced before it got its name, and is never written again.
        case (.unreadable, nil, _): .successorIsDamaged
        }
    }

    static func decide(_ scan: SegmentScan, followedBy successor: Successor) -> OpeningDecision {
        switch row(scan, followedBy: successor) {
        case .onlyZerosFollow: .goOnHere
        case .somethingFollows: .cut
        case .successorAgrees: .complete
        case .headerIsDamaged: .damage("its header is damaged")
        case .contentsMakeNoSense: .damage(scan.nonsense ?? "its contents make no sense")
        case .laterBatchFollows:
            .damage("batch \(scan.nextBatch) is unreadable, and a later one stands \(scan.rest.place)")
        case .successorDisagrees, .successorIsMissing, .successorIsDamaged: .damage(successor.problem(scan))
        }
    }
}

extension OpeningDecision.Successor {
    fileprivate func problem(_ scan: SegmentScan) -> String {
        switch self {
        case .none: "it is the newest segment"
        case .segment(_, let first):
            "batch \(scan.nextBatch) is unreadable, and the next segment begins with batch \(first)"
        case .stranger(let id):
            "the segment that should follow is missing: the next one follows \(hexadecimal(id))"
        case .unreadable: "the header of the next segment is unreadable"
        }
    }
}

extension SegmentScan.Rest {
    fileprivate var place: String {
        if case .laterBatch(let offset) = self { "at offset \(offset)" } else { "behind it" }
    }
}
