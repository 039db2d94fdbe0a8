import Raft

/// Lease time as its leader tells it: the last stamp that it knows of, plus its own monotonic time since it was elected. So it stands
/// still while there is no leader, and no wall clock can move it.
struct LeaseClock: Sendable {
    private var origin: (stamp: UInt64, at: MonotonicTime)?

    mutating func begin(from stamp: UInt64, at now: MonotonicTime) {
        origin = (stamp, now)
    }

    /// A stamp was applied: what the leader found in the log when it was elected may be later than what it had applied then, by as much
    /// as the log is longer than the snapshot.
    mutating func raise(to stamp: UInt64, at now: MonotonicTime) {
        guard let current = self.now(now), stamp > current else { return }
        origin = (stamp, now)
    }

    mutating func stop() {
        origin = nil
    }

    /// Milliseconds; nil while this server does not lead.
    func now(_ time: MonotonicTime) -> UInt64? {
        guard let origin else { return nil }
        return origin.stamp &+ time.since(origin.at) / 1_000_000
    }
}
