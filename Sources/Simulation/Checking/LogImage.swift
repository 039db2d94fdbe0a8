import ByteCoding
import Raft

/// An entry with the fingerprint of its contents.
struct StampedEntry: Equatable {
    var entry: Entry
    var hash: UInt64

    init(_ entry: Entry) {
        self.entry = entry
        var hash = StableHash()
        hash.mix(entry.term.rawValue)
        hash.mix(UInt64(entry.kind.rawValue))
        entry.payload.withUnsafeBytes { hash.mix($0) }
        self.hash = hash.value
    }

    static func == (a: Self, b: Self) -> Bool { a.entry.index == b.entry.index && a.hash == b.hash }
}

/// What a sequence of storage writes comes to: a log of its own, kept by the checkers beside the one under test.
struct LogImage {
    private(set) var hardState = HardState()
    private(set) var snapshot: (index: LogIndex, term: Term) = (.zero, .zero)
    /// Everything up to here is known by the snapshot only.
    private(set) var base: LogIndex = .zero
    private var entries: [StampedEntry] = []

    var last: LogIndex { max(base + entries.count, snapshot.index) }

    var lastTerm: Term { term(at: last) ?? .zero }

    func stamped(_ index: LogIndex) -> StampedEntry? {
        guard index > base, index - base <= entries.count else { return nil }
        return entries[index - base - 1]
    }

    func term(at index: LogIndex) -> Term? {
        if index == .zero { return .zero }
        if let found = stamped(index) { return found.entry.term }
        return index == snapshot.index ? snapshot.term : nil
    }

    /// Whether the entry of this term at this index is in the log, itself or within the snapshot (whose contents are
    /// committed).
    func holds(_ index: LogIndex, _ term: Term) -> Bool {
        if let found = stamped(index) { return found.entry.term == term }
        return index <= snapshot.index
    }

    /// - stamps: of the write's entries, in order.
    mutating func apply(_ write: StorageWrite, _ stamps: [StampedEntry]) {
        if let hardState = write.hardState { self.hardState = hardState }
        if let metadata = write.snapshot {
            snapshot = (metadata.index, metadata.term)
            if !write.keepsTail || base + entries.count < metadata.index {
                entries.removeAll()
                base = metadata.index
            }
        }
        if let from = write.truncateFrom, from > base, from - base <= entries.count {
            entries.removeLast(base + entries.count - from + 1)
        }
        for stamped in stamps {
            guard stamped.entry.index == base + entries.count + 1 else { continue }
            entries.append(stamped)
        }
    }

    /// Takes over what a restart found.
    init(_ recovered: RecoveredLog) {
        hardState = recovered.hardState
        snapshot = (recovered.snapshot.index, recovered.snapshot.term)
        base = recovered.entries.first?.index.previous ?? recovered.snapshot.index
        entries = recovered.entries.map(StampedEntry.init)
    }

    init() {}

    /// What differs from what a disk gave back; nil if nothing does that matters. Entries before the snapshot may be
    /// gone.
    func difference(from recovered: LogImage) -> String? {
        if hardState != recovered.hardState { return "hard state \(recovered.hardState) instead of \(hardState)" }
        if snapshot.index != recovered.snapshot.index || snapshot.term != recovered.snapshot.term {
            return "snapshot \(recovered.snapshot) instead of \(snapshot)"
        }
        if last != recovered.last { return "last index \(recovered.last) instead of \(last)" }
        var index = snapshot.index.next
        while index <= last {
            guard let mine = stamped(index), let other = recovered.stamped(index), mine == other else {
                return "another entry at index \(index), or none"
            }
            index = index.next
        }
        return nil
    }
}
