/// Why a node must not vote: part of what it once acknowledged may be missing from its log.
struct Damage: Sendable {
    /// The term that was known when the damage was found. It may have acknowledged, in terms up to this one, what is
    /// lost.
    let recoveredTerm: Term
}

/// What the disk still has although the node does not use it. It goes with the node's first write.
enum Leftover: Sendable {
    case everything
    /// All from this index on.
    case tail(from: LogIndex)
}

extension RecoveredLog {
    /// The log as far as it is sound; whether it is so as a whole; and what is to be dropped of it.
    func usableLog() -> (log: Log, isWhole: Bool, leftover: Leftover?) {
        let empty = Log(
            base: snapshot.index, term: snapshot.term, configuration: snapshot.configuration,
            configurationIndex: snapshot.configurationIndex)
        guard let first = entries.first, let last = entries.last else { return (empty, true, nil) }
        // A snapshot may be newer than the log (a crash between the two): then the snapshot says all.
        if last.index < snapshot.index { return (empty, true, .everything) }
        // A gap between snapshot and log (scenario 29): what lies behind it is of no use.
        guard first.index <= snapshot.index.next else { return (empty, false, .everything) }
        // The trailing window before the snapshot: of its first entry only the term serves, for nobody knows the term
        // of the entry before it, unless that is the beginning of all.
        var log = empty
        var window = entries[...]
        if first.index <= snapshot.index {
            let isBeginning = first.index.rawValue == 1
            log = log.rebased(to: isBeginning ? .zero : first.index, term: isBeginning ? .zero : first.term)
            if !isBeginning { window = window.dropFirst() }
        }
        for entry in window {
            guard entry.isSound(behind: log.last, log.lastTerm) else {
                let reachesSnapshot = log.last >= snapshot.index
                return reachesSnapshot ? (log, false, .tail(from: log.last.next)) : (empty, false, .everything)
            }
            if entry.index <= snapshot.index, entry.kind == .configuration {
                log.appendWithoutConfiguration(entry)  // the snapshot names the one in force at its index
            } else {
                log.append(entry)
            }
        }
        // A snapshot that was received just before a crash may conflict with the log: then none of that was committed
        // (scenario 21).
        guard log.term(at: snapshot.index) == snapshot.term else { return (empty, true, .everything) }
        return (log, true, nil)
    }

    /// No entry is written before the term that it belongs to (scenario 6). Should the disk say otherwise, the term is
    /// taken from the entry, and the vote in it counts as given (to itself, which helps nobody: it never campaigns in a
    /// term that it has already).
    func consistentHardState(lastTerm: Term, id: NodeID) -> HardState {
        let atLeast = max(lastTerm, snapshot.term)
        return hardState.term >= atLeast ? hardState : HardState(term: atLeast, vote: id)
    }
}

extension Node {
    /// After damage: a leader of a term later than any in which this node can have acknowledged something that it lost
    /// was elected without it, so that leader's log has all that was ever committed before (dissertation 3.6.3, leader
    /// completeness). Once an entry of such a term is committed and durable here, so is everything before it.
    mutating func considerMended() {
        guard let damage, durability.durable >= commit, let committed = log.term(at: commit) else { return }
        if committed > damage.recoveredTerm { self.damage = nil }
    }
}
