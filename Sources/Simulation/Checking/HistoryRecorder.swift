import TupleSpace

/// What clients asked and were told, with the instants, as an observer outside the cluster would write it down.
struct HistoryRecorder {
    struct Entry {
        var id: UInt64
        var client: Int
        var kind: ClientOperation.Kind
        var began: UInt64
        /// Nil: no answer came, or the client gave it up. It may have been done at any time after, or never.
        var ended: UInt64?
        var reply: Reply?
    }

    private(set) var entries: [Entry] = []
    private var places: [UInt64: Int] = [:]
    /// Commands of which a server said that they were certainly not done, and that were not tried again.
    private(set) var refused: [NaiveModel.CommandName] = []

    mutating func begins(_ operation: ClientOperation, client: Int, at time: UInt64) {
        places[operation.id] = entries.count
        entries.append(Entry(id: operation.id, client: client, kind: operation.kind, began: time))
    }

    mutating func ends(_ id: UInt64, _ reply: Reply, at time: UInt64) {
        guard let place = places.removeValue(forKey: id) else { return }
        entries[place].ended = time
        entries[place].reply = reply
    }

    mutating func gaveUp(_ id: UInt64) { places[id] = nil }

    mutating func neverDone(_ session: SessionID, _ sequence: UInt64) {
        refused.append(.init(session: session, sequence: sequence))
    }
}
