extension Node {
    /// Whatever one step, or several whose effects are gathered in one value, asks of the disk is one write.
    mutating func openWrite(into effects: inout Effects) {
        if effects.write == nil {
            durability.issue(through: log.last, now: now)
            effects.write = StorageWrite(sequence: durability.issued)
            dropLeftover(into: &effects)
        }
    }

    private mutating func dropLeftover(into effects: inout Effects) {
        switch leftover {
        case nil: return
        case .everything:
            effects.write?.snapshot = snapshotMetadata(at: snapshotIndex)
            effects.write?.keepsTail = false
        case .tail(let index): effects.write?.truncateFrom = index
        }
        leftover = nil
    }

    mutating func appendToLog(_ entry: Entry, into effects: inout Effects) {
        openWrite(into: &effects)
        let old = entry.kind == .configuration ? log.latestConfiguration : nil
        log.append(entry)
        effects.write?.entries.append(entry)
        durability.extend(through: entry.index)
        if let old { configurationChanged(from: old, into: &effects) }
    }

    /// Drops uncommitted entries that conflict with the leader's log (dissertation 3.5).
    mutating func truncateLog(from index: LogIndex, into effects: inout Effects) {
        openWrite(into: &effects)
        let old = log.latestConfiguration
        log.truncate(from: index)
        if !settings.mutations.contains(.phantomDurability) { durability.truncate(from: index) }
        // What is still in this very write never reaches the disk; a mark is needed only for earlier writes.
        let firstHere = effects.write?.entries.first?.index
        effects.write?.entries.removeAll { $0.index >= index }
        if firstHere.map({ index < $0 }) ?? true {
            let earlier = effects.write?.truncateFrom ?? index
            effects.write?.truncateFrom = min(earlier, index)
        }
        if old.index >= index { configurationChanged(from: old, into: &effects) }
    }
}
