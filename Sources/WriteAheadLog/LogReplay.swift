import ByteCoding
import Raft

/// What the records read so far come to: the same rules as `StorageWrite` has, applied in the same order.
struct LogReplay: Sendable {
    private(set) var hardState: HardState
    private(set) var snapshot: SnapshotMetadata
    /// Ascending without a gap. May begin behind the snapshot's index while the segments before have been removed.
    private(set) var entries: [Entry] = []
    /// True until a batch has been applied: what the first segment restates is then taken as it is.
    private var isFirst = true

    /// - Parameter base: what holds before the first record: index 0 and the first configuration.
    init(base: SnapshotMetadata) {
        hardState = HardState()
        snapshot = base
    }

    /// Performs a whole batch or, if it makes no sense, nothing of it.
    mutating func apply(
        _ records: [(header: RecordHeader, payload: Range<Int>)], in bytes: UnsafeRawBufferPointer
    ) throws(MalformedBytes) {
        try check(records, in: bytes)
        for (header, payload) in records {
            switch header.kind {
            case .hardState:
                hardState = HardState(
                    term: Term(header.term), vote: header.index == 0 ? nil : NodeID(header.index))
            case .entry:
                // Checked above: the kind is known.
                guard let kind = Entry.Kind(rawValue: header.detail) else { continue }
                if let last = entries.last?.index, header.index != last.rawValue + 1 {
                    throw MalformedBytes("entry \(header.index) does not follow entry \(last)", at: payload.lowerBound)
                }
                entries.append(
                    Entry(
                        index: LogIndex(header.index), term: Term(header.term), kind: kind,
                        payload: Array(bytes[payload])))
            case .truncation:
                truncate(from: LogIndex(header.index))
            case .snapshot:
                let body = UnsafeRawBufferPointer(rebasing: bytes[payload])
                let metadata = try SnapshotMetadata(index: LogIndex(header.index), term: Term(header.term), body: body)
                if header.detail & SnapshotMark.restated != 0 {
                    if isFirst { snapshot = metadata }
                } else {
                    mark(metadata, keepsTail: header.detail & SnapshotMark.keepsTail != 0)
                }
            case .commit:
                continue
            }
        }
        isFirst = false
    }

    /// The log now begins behind a snapshot.
    mutating func mark(_ metadata: SnapshotMetadata, keepsTail: Bool) {
        snapshot = metadata
        if !keepsTail || contradicts(metadata) { entries.removeAll() }
    }

    mutating func truncate(from index: LogIndex) {
        guard let first = entries.first?.index else { return }
        let kept = max(0, min(entries.count, index - first))
        entries.removeSubrange(kept...)
    }

    /// A later term is known to have been in force; whom this server voted for in it is not.
    mutating func raise(to term: Term) { hardState = HardState(term: term) }

    mutating func dropEverything(base: SnapshotMetadata) {
        snapshot = base
        entries.removeAll()
    }

    /// Whether the entries that are kept can stand with a snapshot: they hold its last entry, or begin right behind it.
    func agrees(with metadata: SnapshotMetadata) -> Bool {
        guard let first = entries.first?.index else { return true }
        return metadata.index >= first.previous && !contradicts(metadata)
    }

    /// Whether the entries end before a snapshot or have another entry at its place. If they begin beyond it, they do
    /// not: then what lay between was removed because of a later snapshot, whose mark is still to come.
    private func contradicts(_ metadata: SnapshotMetadata) -> Bool {
        guard let first = entries.first?.index, metadata.index >= first else { return false }
        let position = metadata.index - first
        return position >= entries.count || entries[position].term != metadata.term
    }

    /// The first index that is missing between the snapshot and the entries, if one is.
    var gap: LogIndex? {
        guard let first = entries.first?.index, first > snapshot.index.next else { return nil }
        return snapshot.index.next
    }

    /// No index and no term reaches this.
    static let bound = UInt64(Int64.max)

    /// Goes through a batch with nothing but indices, so that `apply` need not be undone.
    private func check(
        _ records: [(header: RecordHeader, payload: Range<Int>)], in bytes: UnsafeRawBufferPointer
    ) throws(MalformedBytes) {
        // Nil: no entries are kept, and the next one may have any index above the snapshot's; the gap, if one stays, is
        // found at the end.
        var last = entries.last?.index
        var first = entries.first?.index
        for (header, payload) in records {
            // A vote is any 64 bits. What counts stays so far below 2^64 that nobody who adds to it overflows.
            let countable = header.kind == .hardState || header.index < LogReplay.bound
            guard countable, header.term < LogReplay.bound else {
                throw MalformedBytes(
                    "index \(header.index) of term \(header.term) is beyond all bounds", at: payload.lowerBound)
            }
            switch header.kind {
            case .hardState, .commit: continue
            case .entry:
                guard Entry.Kind(rawValue: header.detail) != nil else {
                    throw MalformedBytes("an entry of the unknown kind \(header.detail)", at: payload.lowerBound)
                }
                let index = LogIndex(header.index)
                guard index > .zero, last == nil || index == last?.next else {
                    throw MalformedBytes(
                        "entry \(index) does not follow entry \(last ?? .zero)", at: payload.lowerBound)
                }
                if last == nil { first = index }
                last = index
            case .truncation:
                guard let end = last, header.index <= end.rawValue else { continue }
                let index = LogIndex(header.index)
                last = first.map { index <= $0 } ?? true ? nil : index.previous
            case .snapshot:
                let body = UnsafeRawBufferPointer(rebasing: bytes[payload])
                let metadata = try SnapshotMetadata(index: LogIndex(header.index), term: Term(header.term), body: body)
                guard header.detail & SnapshotMark.restated == 0 else { continue }
                // Whether entries of this very batch are kept is not looked into: then any index may follow.
                if header.detail & SnapshotMark.keepsTail == 0 || contradicts(metadata) { last = nil }
            }
        }
    }
}
