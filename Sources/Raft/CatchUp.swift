/// Whether a learner is close enough behind the leader to vote (dissertation 4.2.1).
///
/// Replication to it is split into rounds: each brings it all that was in the leader's log when the round began. It
/// has caught up when a round took less than an election timeout: if it were a voter then, the others would not wait
/// longer for it than they would for a leader to be missed. A learner that is stuck never ends a round, and holds up
/// nobody.
struct CatchUp: Sendable, Equatable {
    /// Where the round ends, and when it began.
    private(set) var end: LogIndex
    private(set) var since: MonotonicTime
    private(set) var isCaughtUp = false

    init(last: LogIndex, now: MonotonicTime) {
        end = last
        since = now
    }

    /// - Parameters:
    ///   - match: what the learner has.
    ///   - last: the leader's last index.
    ///   - limit: the election timeout in nanoseconds.
    mutating func advance(match: LogIndex, last: LogIndex, now: MonotonicTime, limit: UInt64) {
        let isQuick = now.since(since) < limit
        if match >= end {
            isCaughtUp = isQuick
            end = last
            since = now
        } else if !isQuick {
            isCaughtUp = false  // it had, and fell behind again before it was its turn
        }
    }
}
