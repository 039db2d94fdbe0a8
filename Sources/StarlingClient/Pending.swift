import ClientProtocol
import TupleSpace

#if canImport(Glibc)
    import Glibc
#endif

/// A request that the engine has taken on and not finished.
struct Pending {
    var request: Request
    /// Of a command: its session and number, and what it tells of others.
    var session: SessionID?
    var ticket: SessionLedger.Ticket?
    let createdAt: UInt64
    /// Sent on the connection of this number, and not refused since; 0: not under way.
    var sentOn: UInt64 = 0
    var sentAt: UInt64 = 0
    /// An attempt was lost without a word: what was asked may have been done, whatever later attempts say.
    var mayBeDone = false
    /// Refusals in a row.
    var refusals = 0
    var lastRefusal: Failure?
    /// Not before then.
    var resendAt: UInt64 = 0
    /// Since when it could not be put to a server that takes it; nil once one has it for a while.
    var troubleSince: UInt64?
    var isCancelled = false
    var cancelSentAt: UInt64 = 0
    /// Of a subscription: everything up to here has been seen.
    var position: Position?

    init(_ request: Request, session: SessionID? = nil, ticket: SessionLedger.Ticket? = nil, at now: UInt64) {
        self.request = request
        self.session = session
        self.ticket = ticket
        createdAt = now
        troubleSince = now
    }

    /// The end of its own waiting; nil if it waits for ever.
    var waitEnd: UInt64? {
        switch request.wait {
        case .forever: nil
        case .milliseconds(let milliseconds): createdAt + min(milliseconds, Limits.timeoutMilliseconds)
        }
    }

    /// What is left of its waiting: a query starts anew at every server.
    func remainingWait(at now: UInt64) -> Timeout {
        guard let end = waitEnd else { return .forever }
        return .milliseconds(end > now ? end - now : 0)
    }

    /// How long an answer is awaited before the request is sent again, the server being alive: it, or its answer, was
    /// dropped. Nil: for ever. A command that is there already is known by its number and costs the cluster nothing.
    func patience(silence: UInt64) -> UInt64? {
        switch (request.body, request.wait) {
        // A server tells what became of a request to the cluster, however long that takes.
        case (.subscribe, _), (.cluster, _): nil
        // Taking a snapshot takes as long as it takes.
        case (.snapshotPiece(let piece), _): piece.index == 0 ? nil : silence * 5
        case (.command, .forever), (.query, .forever): silence * 5
        case (.command, .milliseconds(let wait)): min(wait, silence * 4) + silence
        case (_, .milliseconds(let wait)): min(wait, Limits.timeoutMilliseconds) + silence
        case (_, .forever): silence
        }
    }

    func isOverdue(at now: UInt64, timeout: UInt64) -> Bool {
        switch request.completion {
        case .nobody, .undone:
            // The engine's own: tried as long as the session lives. A stream that has begun waits for a server for as
            // long as it takes.
            if case .subscribe(let feed) = request.body, position == nil, feed.start == nil { break }
            return false
        case .caller, .opened: break
        }
        if let end = waitEnd { return now >= end + timeout }
        return troubleSince.map { now >= $0 + timeout } ?? false
    }
}

/// One session as the engine keeps it.
final class SessionState {
    enum Phase {
        case opening
        case open
        /// `endSession` is on its way; nothing more is accepted.
        case ending
    }

    let id: SessionID
    let timeout: UInt64
    let isDefault: Bool
    var phase = Phase.opening
    var ledger: SessionLedger
    /// Commands that wait until the session is open, or its window has room. `head` of them have gone.
    private var queue: [Request] = []
    private var head = 0
    var keepAliveAt: UInt64 = .max
    /// When acknowledgements of held takes must be told by a command of their own.
    var acknowledgeAt: UInt64?

    init(id: SessionID, timeout: UInt64, isDefault: Bool) {
        self.id = id
        self.timeout = timeout
        self.isDefault = isDefault
        ledger = SessionLedger(session: id)
    }

    var hasQueued: Bool { head < queue.count }
    var queuedCount: Int { queue.count - head }

    func enqueue(_ request: Request) { queue.append(request) }

    func dequeue() -> Request? {
        guard head < queue.count else { return nil }
        let request = queue[head]
        head += 1
        if head == queue.count {
            queue.removeAll(keepingCapacity: true)
            head = 0
        } else if head >= 1_024 {
            queue.removeFirst(head)
            head = 0
        }
        return request
    }

    /// - Returns: the request with this id, which is then gone from the queue.
    func removeQueued(id: UInt64) -> Request? {
        guard let index = queue[head...].firstIndex(where: { $0.id == id }) else { return nil }
        return queue.remove(at: index)
    }
}

/// Milliseconds of the clock that nobody sets.
func monotonicMilliseconds() -> UInt64 { monotonicNanoseconds() / 1_000_000 }

package func monotonicNanoseconds() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}
