extension Node {
    /// Dissertation 3.6.2: an entry is committed by counting only if it is of the leader's own term; with it everything
    /// before it is (figure 3.7, the paper's figure 8: an older entry on a majority can still be overwritten).
    mutating func commitByCounting(into effects: inout Effects) {
        guard role == .leader else { return }
        // The leader counts its own copy like any other: when it is durable (dissertation 10.2.1).
        let countsEarly = settings.mutations.contains(.leaderCountsItselfBeforeDurable)
        let own = countsEarly ? log.last : durability.durable
        // A leader that is no voter, because it was removed or demoted, does not count itself (dissertation 4.2.2).
        let countsWrongly = settings.mutations.contains(.nonVoterCountsItself) && !voters.contains(id)
        let missing = settings.mutations.contains(.commitWithoutMajority) || countsWrongly ? 1 : 0
        let index = voters.majorityIndex(missing: missing) { voter in
            voter == id ? own : (progress.first { $0.id == voter }?.match ?? .zero)
        }
        guard index > commit else { return }
        guard log.term(at: index) == term || settings.mutations.contains(.countOlderTermCommit) else { return }
        advanceCommit(to: index, into: &effects)
    }

    /// Never goes back, and never beyond the log. Hands out what is newly committed, each entry once.
    mutating func advanceCommit(to index: LogIndex, into effects: inout Effects) {
        let index = min(index, log.last)
        guard index > commit else { return }
        commit = index
        var passesConfiguration = false
        while handedOut < commit, let entry = log.entry(at: handedOut.next) {
            if entry.kind == .configuration { passesConfiguration = true }
            effects.committed.append(entry)
            handedOut = entry.index
            if role == .leader { uncommittedBytes = max(0, uncommittedBytes - entry.payload.count) }
        }
        if passesConfiguration { configurationCommitted(into: &effects) }
    }
}
