import DequeModule

/// The sessions that ended last. The network may deliver the opening of a session and its first commands once more after the session has
/// ended: if that opened it anew, those commands would be done a second time.
struct EndedSessions: Sendable {
    /// In the order of their ends.
    private(set) var ids: Deque<UInt64> = []
    /// Looked up only.
    private var known: Set<UInt64> = []

    func contains(_ id: UInt64) -> Bool { known.contains(id) }

    mutating func add(_ id: UInt64) {
        guard known.insert(id).inserted else { return }
        ids.append(id)
        if ids.count > Limits.endedSessions, let first = ids.popFirst() { known.remove(first) }
    }
}
