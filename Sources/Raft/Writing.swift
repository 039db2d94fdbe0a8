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
        log.append(entry)
        effects.write?.entries.append(entry)
        durability.extend(through: entry.index)
        if entry.kind == .configuration { configurationChanged() }
    }

    /// Drops uncommitted entries that conflict with the leader's log (dissertation 3.5).
    mutating func truncateLog(from index: LogIndex, into effects: inout Effects) {
        openWrite(into: &effects)
        log.truncate(from: index)
        if !settings.mutations.contains(.phantomDurability) { durability.truncate(from: index) }
        // What is still in this very write never reaches the disk; a mark is needed only for earlier writes.
        let firstHere = effects.write?.entries.first?.index
        effects.write?.entries.removeAll { $0.index >= index }
        if firstHere.map({ index < $0 }) ?? true {
            let earlier = effects.write?.truncateFrom ?? index
            effects.write?.truncateFrom = min(earlier, index)
        }
        configurationChanged()
    }

    /// A configuration is in force as soon as it is in the log (dissertation 4.1).
    mutating func configurationChanged() {
        let configuration = log.latestConfiguration.configuration
        voters = VoterSets(configuration)
        guard role == .leader else { return }
        progress.removeAll { configuration[$0.id] == nil }
        for member in configuration.members where member.id != id && !progress.contains(where: { $0.id == member.id }) {
            progress.append(Progress(id: member.id, next: log.last.next, now: now))
        }
        progress.sort { $0.id < $1.id }
    }
}
