import Raft
import TupleSpace

/// The leader's memory of when each session was last heard of. It is not replicated: a new leader grants every session its full
/// time-out, and only the end of a session is logged.
struct SessionKeeper: Sendable {
    private var heard: [SessionID: (at: MonotonicTime, timeoutMilliseconds: UInt64)] = [:]

    mutating func begin(_ sessions: [(id: SessionID, timeoutMilliseconds: UInt64)], at now: MonotonicTime) {
        heard.removeAll(keepingCapacity: true)
        for session in sessions { heard[session.id] = (now, session.timeoutMilliseconds) }
    }

    mutating func stop() {
        heard.removeAll()
    }

    mutating func opened(_ id: SessionID, timeoutMilliseconds: UInt64, at now: MonotonicTime) {
        heard[id] = (now, timeoutMilliseconds)
    }

    mutating func ended(_ id: SessionID) {
        heard[id] = nil
    }

    mutating func hear(_ id: SessionID, at now: MonotonicTime) {
        heard[id]?.at = now
    }

    /// Sessions silent for their full time-out, in ascending order, at most `limit`. They are not named again for another
    /// time-out, in which the entry that ends them should commit.
    mutating func expired(at now: MonotonicTime, limit: Int) -> [SessionID] {
        let due = heard.filter { now.since($0.value.at) / 1_000_000 >= $0.value.timeoutMilliseconds }.keys.sorted()
        let named = due.prefix(limit)
        for id in named { heard[id]?.at = now }
        return Array(named)
    }
}
