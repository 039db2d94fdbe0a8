import DequeModule

/// What the leader knows of one other member.
struct Progress: Sendable {
    enum State: Sendable {
        /// It is not known where the logs agree: one request with entries at a time.
        case probe
        /// They agree: requests follow each other without waiting for answers (dissertation 10.2.1).
        case replicate
        /// It needs entries that are compacted away: a snapshot is on its way to it.
        case snapshot
    }

    private struct Inflight {
        var last: LogIndex
        var bytes: Int
    }

    let id: NodeID
    private(set) var state = State.probe
    /// Its log is durable and agrees with ours to here.
    private(set) var match = LogIndex.zero
    /// What is sent next. In `replicate` it runs ahead of the answers.
    private(set) var next: LogIndex
    private var inflight: Deque<Inflight> = []
    private(set) var inflightBytes = 0
    /// In `probe`: the one request with entries is out. Heartbeats find out if it was lost.
    private(set) var probeIsOut = false
    /// In `snapshot`: the stream has ended well, and its acknowledgement should arrive before this time.
    private(set) var snapshotAwaitedUntil: MonotonicTime?

    /// When anything of this term arrived from it last; the leader's election counts as such.
    var contact: MonotonicTime
    var wasHeard = false
    /// The latest round of leadership confirmation that it answered.
    var readRound: UInt64 = 0
    /// The highest commit index it was told.
    var commitTold = LogIndex.zero
    /// How much of what it lacks may go to it now, if it is far behind.
    var pace = CatchUpPace()
    /// An append request has to go even if there are no entries.
    var pushIsDue = false
    /// The highest feature level that it said it supports; 0 as long as it was not heard.
    var featureLevel: UInt32 = 0
    /// Only of a learner that is to be promoted.
    var catchUp: CatchUp?
    /// The latest time of sending that it has answered in this term: it heard this leader then or later.
    private(set) var answeredSentAt: UInt64 = 0
    /// When the request was sent whose acceptance arrived last: a rejection of an older one is stale.
    private(set) var acceptedSentAt: UInt64 = 0

    init(id: NodeID, next: LogIndex, now: MonotonicTime) {
        self.id = id
        self.next = next
        contact = now
    }

    var inflightRequests: Int { inflight.count }

    func mayTakeEntries(_ settings: Settings) -> Bool {
        switch state {
        case .probe: !probeIsOut
        case .replicate:
            inflight.count < settings.maximumInflightRequests && inflightBytes < settings.maximumInflightBytes
        case .snapshot: false
        }
    }

    mutating func noteSent(through last: LogIndex, bytes: Int) {
        switch state {
        case .probe: probeIsOut = true
        case .replicate:
            next = last.next
            inflight.append(Inflight(last: last, bytes: bytes))
            inflightBytes += bytes
        case .snapshot: break
        }
    }

    mutating func noteContact(now: MonotonicTime, sentAt: UInt64) {
        contact = now
        wasHeard = true
        if sentAt <= now.nanoseconds { answeredSentAt = max(answeredSentAt, sentAt) }
    }

    /// It has everything to `index`, durably.
    /// - Parameter base: the leader's log begins behind this.
    mutating func accept(_ index: LogIndex, sentAt: UInt64, base: LogIndex) {
        acceptedSentAt = max(acceptedSentAt, sentAt)
        if index > match { match = index }
        while let request = inflight.first, request.last <= match {
            inflightBytes -= request.bytes
            inflight.removeFirst()
        }
        switch state {
        case .replicate:
            next = max(next, match.next)
        case .probe, .snapshot:
            guard match < base else { return enter(.replicate, next: match.next) }
            next = max(next, match.next)
            probeIsOut = false
        }
    }

    /// Whether a rejection says something new. Rejections may come late, twice and out of order.
    func believesRejection(of previous: LogIndex, sentAt: UInt64) -> Bool {
        switch state {
        case .probe: previous == next.previous
        case .replicate: previous >= match && sentAt >= acceptedSentAt
        case .snapshot: false
        }
    }

    /// Tries again from `index`. If that is within what it had acknowledged it has lost part of its log (damage), and
    /// counts only for what remains.
    mutating func retreat(to index: LogIndex) {
        match = min(match, index.previous)
        enter(.probe, next: index)
        pushIsDue = true
    }

    mutating func beginSnapshot() {
        enter(.snapshot, next: match.next)
    }

    mutating func snapshotArrived(awaitUntil time: MonotonicTime) {
        snapshotAwaitedUntil = time
        pushIsDue = true
    }

    /// The next answer to a heartbeat shows where it stands, and whether it needs a snapshot.
    mutating func loseTrack() {
        enter(.probe, next: match.next)
        probeIsOut = true
    }

    private mutating func enter(_ state: State, next: LogIndex) {
        self.state = state
        self.next = next
        probeIsOut = false
        snapshotAwaitedUntil = nil
        inflight.removeAll(keepingCapacity: true)
        inflightBytes = 0
    }
}
