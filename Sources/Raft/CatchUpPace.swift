/// How fast a member gets what it lacks that is far behind and on which nothing waits: the others go on with their work meanwhile. It must gain
/// on what the leader appends, or it would never be there. A leader to which nobody writes, and on which nobody waits, has nothing better to do.
struct CatchUpPace: Sendable {
    /// Nanoseconds without an entry after which a leader counts as idle.
    static let idleness: UInt64 = 100_000_000

    /// Bytes of entries; below 0 after a request that was larger than what was left.
    private(set) var allowance = 0
    private var at: MonotonicTime?
    private var appended: UInt64 = 0
    private var appendedAt = MonotonicTime.zero

    /// - Parameters:
    ///   - appended: bytes that the leader has appended in its term.
    ///   - isBusy: something that it appended is not committed yet.
    mutating func advance(to now: MonotonicTime, appended: UInt64, isBusy: Bool, bytesPerSecond: Int) {
        // A tenth of a second at most is saved up: heartbeats come more often.
        let most = max(1, bytesPerSecond / 10)
        let before = at
        let grown = appended &- self.appended
        if before == nil || grown > 0 || isBusy { appendedAt = now }
        at = now
        self.appended = appended
        guard let before, now.since(before) < 1_000_000_000, now.since(appendedAt) < CatchUpPace.idleness else {
            return allowance = most
        }
        let microseconds = Int(now.since(before) / 1_000)
        let growth = Int(min(grown / 4 &* 5, UInt64(Int32.max)))
        allowance = min(allowance + max(microseconds * bytesPerSecond / 1_000_000, growth), max(most, growth))
    }

    mutating func spend(_ bytes: Int) { allowance -= bytes }
}

extension Node {
    /// Whether this member's progress has to wait for its pace. Not if it is needed for a majority: then nothing goes on without it.
    mutating func mustPause(_ i: Int) -> Bool {
        guard progress[i].state == .replicate, isFarBehind(progress[i]), settings.catchUpBytesPerSecond > 0 else {
            return false
        }
        let near = voters.hasMajority { voter in
            voter == id || progress.contains { $0.id == voter && !isFarBehind($0) && isHeard($0) }
        }
        guard near else { return false }
        progress[i].pace.advance(
            to: now, appended: appendedBytes, isBusy: commit < log.last, bytesPerSecond: settings.catchUpBytesPerSecond)
        return progress[i].pace.allowance <= 0
    }

    private func isFarBehind(_ peer: Progress) -> Bool {
        log.last >= peer.next && log.last - peer.next >= settings.farBehindEntries
    }
}
