import Raft

/// Lease time as its leader tells it: the last stamp that it knows of, plus its own monotonic time since it was elected. So it stands
/// still while there is no leader, and no wall clock can move it.
struct LeaseClock: Sendable {
    private var origin: (stamp: UInt64, at: MonotonicTime)?

    mutating func begin(from stamp: UInt64, at now: MonotonicTime) {
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
