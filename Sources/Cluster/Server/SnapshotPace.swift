import Raft

/// How fast a snapshot is written, so that writers hardly notice: a piece, and then a rest of three times as long as the piece took. On
/// any disk, and beside any load, that leaves three quarters of the time to the log.
struct SnapshotPace {
    /// Of the thread on Linux, where each has its own: a tenth of the share that the others get, if all want a core.
    static let niceness: Int32 = 10
    private static let restFactor: UInt64 = 3
    /// A disk that stalled for once shall not hold the snapshot up for three times as long.
    private static let longestRest: UInt64 = 100_000_000

    private var began: MonotonicTime

    /// A piece is begun.
    init(at now: MonotonicTime) { began = now }

    /// A piece is done.
    /// - Returns: when to go on.
    func rest(at now: MonotonicTime) -> MonotonicTime {
        MonotonicTime(nanoseconds: now.nanoseconds + min(Self.longestRest, now.since(began) * Self.restFactor))
    }

    mutating func goesOn(at now: MonotonicTime) { began = now }
}
