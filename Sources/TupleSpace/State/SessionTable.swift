/// All sessions. A session's slot is this process's affair: no result depends on it.
struct SessionTable: Sendable {
    private var slotOf: [UInt64: Int] = [:]
    private var slots: ContiguousArray<Session> = []
    private var free: ContiguousArray<Int> = []
    /// The one that was looked for last: commands of a session come one behind the other.
    private var latest: (id: UInt64, slot: Int)?
    var ended = EndedSessions()

    var count: Int { slotOf.count }

    func slot(of id: UInt64) -> Int? { slotOf[id] }

    /// The same, sooner if it was the last that was asked for.
    mutating func find(_ id: UInt64) -> Int? {
        if let latest, latest.id == id { return latest.slot }
        guard let slot = slotOf[id] else { return nil }
        latest = (id, slot)
        return slot
    }

    subscript(slot: Int) -> Session {
        _read { yield slots[slot] }
        _modify { yield &slots[slot] }
    }

    /// - Precondition: there is no session of that id.
    @discardableResult
    mutating func open(_ session: Session) -> Int {
        let slot = free.popLast() ?? slots.count
        if slot == slots.count { slots.append(session) } else { slots[slot] = session }
        slotOf[session.id] = slot
        return slot
    }

    mutating func close(_ id: UInt64) {
        guard let slot = slotOf.removeValue(forKey: id) else { return }
        latest = nil
        ended.add(id)
        slots[slot] = Session(id: 0, timeoutMilliseconds: 0, caller: [])
        free.append(slot)
    }

    var ids: [UInt64] { slotOf.keys.sorted() }
}
