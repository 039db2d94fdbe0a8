import DequeModule

/// The part of the replicated log that is kept in memory, with the configurations that stand in it.
///
/// Everything up to and including `base` is gone (it is in a snapshot); of `base` only the term is still known. Payload
/// arrays are shared with whoever handed them in and are never copied.
struct Log: Sendable {
    /// The index before the first entry.
    private(set) var base: LogIndex
    private(set) var baseTerm: Term
    private var entries: Deque<Entry> = []
    /// Ascending by index, never empty; the first is the one in force at `base`.
    private(set) var configurations: [PlacedConfiguration]

    /// An empty log behind `base`.
    init(base: LogIndex, term: Term, configuration: Configuration, configurationIndex: LogIndex) {
        self.base = base
        baseTerm = term
        configurations = [PlacedConfiguration(index: configurationIndex, configuration: configuration)]
    }

    var first: LogIndex { base.next }
    var last: LogIndex { base + entries.count }
    var lastTerm: Term { entries.last?.term ?? baseTerm }

    /// In force from the moment it is appended, committed or not (dissertation 4.1).
    var latestConfiguration: PlacedConfiguration {
        configurations[configurations.count - 1]  // never empty
    }

    /// Nil for what is compacted away or not there yet.
    func term(at index: LogIndex) -> Term? {
        if index == base { return baseTerm }
        guard index > base, index <= last else { return nil }
        return entries[position(of: index)].term
    }

    func entry(at index: LogIndex) -> Entry? {
        guard index > base, index <= last else { return nil }
        return entries[position(of: index)]
    }

    /// Entries from `from` on whose payloads together do not exceed `maximumBytes`, but at least one if there is one:
    /// an entry is never skipped for its size, that would be a hole (scenario 25).
    func batch(from: LogIndex, through: LogIndex, maximumBytes: Int, skipsOversized: Bool = false) -> [Entry] {
        guard from > base, from <= through, from <= last else { return [] }
        let range = position(of: from)...position(of: min(through, last))
        var bytes = 0
        var end = range.lowerBound
        while end <= range.upperBound {
            bytes += entries[end].payload.count
            if bytes > maximumBytes, end > range.lowerBound { break }
            end += 1
        }
        if skipsOversized {
            return range.lazy.map { entries[$0] }.filter { $0.payload.count <= maximumBytes }
        }
        return Array(entries[range.lowerBound..<end])
    }

    /// Where the window begins that ends with `last` and has at most so many entries and bytes of payload.
    func firstIndex(behind last: LogIndex, entries: Int, bytes: Int) -> LogIndex {
        var first = last.next
        var (entriesLeft, bytesLeft) = (entries, bytes)
        while entriesLeft > 0, let entry = entry(at: first.previous), entry.payload.count <= bytesLeft {
            entriesLeft -= 1
            bytesLeft -= entry.payload.count
            first = entry.index
        }
        return first
    }

    /// - Precondition: `entry.index == last.next`; a configuration entry's payload decodes (checked when it came in).
    mutating func append(_ entry: Entry) {
        entries.append(entry)
        guard entry.kind == .configuration else { return }
        guard let configuration = try? Configuration(decoding: entry.payload) else { return }
        configurations.append(PlacedConfiguration(index: entry.index, configuration: configuration))
    }

    /// For an entry of the window before a snapshot, which names the configuration itself.
    mutating func appendWithoutConfiguration(_ entry: Entry) {
        entries.append(entry)
    }

    /// The same configuration, and no entries.
    func rebased(to index: LogIndex, term: Term) -> Log {
        var result = self
        result.entries.removeAll()
        result.base = index
        result.baseTerm = term
        return result
    }

    /// A mutation: takes the configuration at `base` for the newest.
    mutating func preferBaseConfiguration() {
        configurations.removeLast(configurations.count - 1)
    }

    /// Drops `from` and everything behind it, and with them the configurations there: an uncommitted configuration that
    /// a new leader does not know is taken back (dissertation 4.1).
    mutating func truncate(from: LogIndex) {
        guard from > base, from <= last else { return }
        entries.removeLast(last - from + 1)
        while configurations.count > 1, latestConfiguration.index >= from { configurations.removeLast() }
    }

    /// Forgets entries up to and including `index`; their configuration stays (scenario 23).
    /// - Parameter losesConfiguration: a mutation: the older configuration stays, not the one in force.
    mutating func compact(through index: LogIndex, losesConfiguration: Bool = false) {
        guard index > base, let term = term(at: index) else { return }
        entries.removeFirst(index - base)
        base = index
        baseTerm = term
        let kept = configurations.lastIndex { $0.index <= index } ?? 0
        if losesConfiguration {
            configurations.removeSubrange(min(1, kept)..<(kept == 0 ? 0 : kept + 1))
        } else {
            configurations.removeFirst(kept)
        }
    }

    /// The log begins anew behind a snapshot.
    /// - Parameter keepsTail: entries behind the snapshot stay; right only if the log has the snapshot's entry.
    mutating func restart(at snapshot: SnapshotMetadata, keepsTail: Bool) {
        let tail = keepsTail ? batch(from: snapshot.index.next, through: last, maximumBytes: .max) : []
        self = Log(
            base: snapshot.index, term: snapshot.term, configuration: snapshot.configuration,
            configurationIndex: snapshot.configurationIndex)
        for entry in tail { append(entry) }
    }

    /// The last index, not behind `index`, whose term is at most `term`; `base.previous` if there is none in the log.
    /// Terms never descend along the log (Raft paper, figure 3: log matching), so halving finds it.
    func lastIndex(notAfter index: LogIndex, termAtMost term: Term) -> LogIndex {
        guard index >= base, baseTerm <= term else { return min(index, base.previous) }
        var low = 0  // as an offset from base; holds: its term <= term
        var high = min(index, last) - base
        while low < high {
            let middle = low + (high - low + 1) / 2
            if entries[middle - 1].term <= term { low = middle } else { high = middle - 1 }
        }
        return base + low
    }

    /// The configuration that is in force at `index`, which is at least `base`.
    func configuration(at index: LogIndex) -> PlacedConfiguration {
        configurations.last { $0.index <= index } ?? configurations[0]  // never empty
    }

    private func position(of index: LogIndex) -> Int { index - base - 1 }
}
