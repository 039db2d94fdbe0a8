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
    /// Ascending: the one of the snapshot or of the beginning, and those of the entries behind it.
    private(set) var configurations: [PlacedConfiguration] = []

    /// The latest one, which is in force (dissertation 4.1). Nil before the server's first start.
    var configuration: PlacedConfiguration? { configurations.last }

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

    /// The last place that is of an earlier term than this one; the beginning if only a snapshot would tell.
    func end(before term: Term) -> (term: Term, last: LogIndex) {
        if let found = entries.last(where: { $0.entry.term < term }) { return (found.entry.term, found.entry.index) }
        return snapshot.term < term ? (snapshot.term, snapshot.index) : (.zero, .zero)
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
                configurations.removeAll()
            }
            configurations.removeAll { $0.index <= metadata.index }
            configurations.insert(PlacedConfiguration(of: metadata), at: 0)
        }
        if let from = write.truncateFrom, from > base, from - base <= entries.count {
            entries.removeLast(base + entries.count - from + 1)
            configurations.removeAll { $0.index >= from }
        }
        for stamped in stamps {
            guard stamped.entry.index == base + entries.count + 1 else { continue }
            entries.append(stamped)
            noteConfiguration(stamped.entry)
        }
    }

    private mutating func noteConfiguration(_ entry: Entry) {
        guard entry.kind == .configuration, let configuration = Configuration(entry) else { return }
        configurations.append(PlacedConfiguration(index: entry.index, configuration: configuration))
    }

    /// Takes over what a restart found.
    init(_ recovered: RecoveredLog) {
        hardState = recovered.hardState
        snapshot = (recovered.snapshot.index, recovered.snapshot.term)
        base = recovered.entries.first?.index.previous ?? recovered.snapshot.index
        entries = recovered.entries.map(StampedEntry.init)
        configurations = [PlacedConfiguration(of: recovered.snapshot)]
        for entry in recovered.entries where entry.index > recovered.snapshot.index { noteConfiguration(entry) }
    }

    init() {}

    /// What differs from what a disk gave back; nil if nothing does that matters. Entries before the snapshot may be
    /// gone.
    func difference(from recovered: LogImage) -> String? {
        if hardState != recovered.hardState { return "hard state \(recovered.hardState) instead of \(hardState)" }
        if snapshot.index != recovered.snapshot.index || snapshot.term != recovered.snapshot.term {
            return "snapshot \(recovered.snapshot) instead of \(snapshot)"
        }
        return differenceOfLogs(from: recovered)
    }

    /// What differs from what a disk gave back on which bits have rotted, and which nevertheless says that nothing is
    /// missing. Another snapshot may have taken the damaged one's place.
    func differenceAfterRot(from recovered: LogImage) -> String? {
        if hardState != recovered.hardState { return "hard state \(recovered.hardState) instead of \(hardState)" }
        // It may go beyond the log: entries are applied, and are in a snapshot, once a majority has them, though this disk hangs.
        if recovered.snapshot.index > last, recovered.last == recovered.snapshot.index { return nil }
        return differenceOfLogs(from: recovered)
    }

    /// What a damaged disk gave back is at most what it once had: what has been overwritten since was of an earlier term.
    /// - Parameter highestTerm: that it ever began to write.
    func contradiction(with recovered: LogImage, highestTerm: Term) -> String? {
        let known = max(hardState.term, highestTerm)
        if recovered.hardState.term > known {
            return "term \(recovered.hardState.term), and it never knew more than \(known)"
        }
        var index = recovered.base.next
        while let other = recovered.stamped(index) {
            if let mine = stamped(index), mine != other, mine.entry.term <= other.entry.term {
                return "another entry at index \(index)"
            }
            index = index.next
        }
        return nil
    }

    private func differenceOfLogs(from recovered: LogImage) -> String? {
        if last != recovered.last { return "last index \(recovered.last) instead of \(last)" }
        var index = max(snapshot.index, recovered.snapshot.index).next
        while index <= last {
            guard let mine = stamped(index), let other = recovered.stamped(index), mine == other else {
                return "another entry at index \(index), or none"
            }
            index = index.next
        }
        return nil
    }
}

extension PlacedConfiguration {
    init(of snapshot: SnapshotMetadata) {
        self.init(index: snapshot.configurationIndex, configuration: snapshot.configuration)
    }
}

extension Configuration {
    /// Nil if it holds none, or none that can be read.
    init?(_ entry: Entry) {
        guard entry.kind == .configuration else { return nil }
        let decoded = entry.payload.withUnsafeBytes { raw in
            var reader = ByteReader(raw)
            return try? Configuration(from: &reader)
        }
        guard let decoded else { return nil }
        self = decoded
    }

    /// Whether a majority of every set of voters passes: of the old and of the new ones while it is joint
    /// (dissertation 4.3). Written anew here, apart from the code under test.
    func isMajority(_ passes: (NodeID) -> Bool) -> Bool {
        var sets = [members.filter { $0.role == .voter }.map(\.id)]
        if !outgoingVoters.isEmpty { sets.append(outgoingVoters) }
        return sets.allSatisfy { set in 2 * set.count(where: passes) > set.count }
    }

    /// Servers of which so many may be lost in every set of voters.
    func isMinority(_ lost: (NodeID) -> Bool) -> Bool { isMajority { !lost($0) } }
}
