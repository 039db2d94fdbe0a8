import ClientProtocol
import TupleSpace
import ZeroMQ

/// What the client's one background thread does: it owns the connection, the sessions and every request under way.
final class Engine {
    let inbox: Inbox
    let settings: ClientSettings
    let context: Context
    let poller = Poller()

    /// Milliseconds; read once a turn.
    var now: UInt64
    var isDone = false

    var servers: ServerList
    var connection: Connection?
    /// Of the connection; counts up from 1.
    var generation: UInt64 = 0
    var connectAt: UInt64 = 0
    /// When an idle connection shows that it lives.
    var idlePingAt: UInt64 = 0
    /// Connections in a row that were never welcomed.
    var failedConnections = 0
    /// Servers in a row that refused the hello for good, and why.
    var finalRefusals = 0

    var pending: [UInt64: Pending] = [:]
    /// Requests that go under another id than their caller knows.
    var renamed: [UInt64: UInt64] = [:]
    var outstandingBytes = 0
    /// Ids to be sent as soon as the connection takes them, in this order.
    var sendQueue: [UInt64] = []
    /// Ids that wait for their `resendAt`.
    var backingOff: [UInt64] = []
    var frame = ClientFrameWriter(reserving: 1 << 16)
    /// The frame stands, and the socket has not taken it.
    var isBlocked = false
    /// Queries and subscriptions that end at the server with the next frame.
    var wireCancels: [UInt64] = []

    var sessions: [SessionID: SessionState] = [:]
    var defaultSession: SessionID?
    /// Request ids of subscriptions by feed; nil value: paused.
    var feeds: [UInt64: PausedOrRunning] = [:]

    var closeAt: UInt64?
    var closers: [CheckedContinuation<Void, Never>] = []
    var reviewAt: UInt64 = 0
    /// This connection is to be left when the frame at hand has been read; 0: none.
    var leaveAfterFrame: UInt64 = 0
    /// Why the last server was left; told when an operation fails for want of a server.
    var lastTrouble = "no server has been tried yet"

    enum PausedOrRunning {
        case running(request: UInt64)
        case paused(Position?)
    }

    init(inbox: Inbox, settings: ClientSettings, servers: ServerList, context: Context) {
        self.inbox = inbox
        self.settings = settings
        self.servers = servers
        self.context = context
        now = monotonicMilliseconds()
    }

    // MARK: The loop

    func run() {
        let wake = poller.add(fileDescriptor: inbox.waker.fileDescriptor)
        var batch: [Submission] = []
        while !isDone {
            do throws(ZeroMQError) {
                try poller.wait(milliseconds: pollMilliseconds())
            } catch {
                // Polling fails only when the process is at its end (or a socket was lost): leave it, and do not spin.
                leave("\(error)")
                finishClosing()
                break
            }
            now = monotonicMilliseconds()
            if poller.isReadable(wake) {
                inbox.waker.drain()
                inbox.take(into: &batch)
                for submission in batch { handle(submission) }
                batch.removeAll(keepingCapacity: true)
            }
            receive()
            keepTime()
            flush()
        }
        for submission in inbox.close() { refuse(submission) }
    }

    /// How long nothing is due.
    private func pollMilliseconds() -> Int {
        if isBlocked { return 2 }
        if connection == nil, isWanted { return Int(clamping: max(1, Int64(connectAt) - Int64(now))) }
        if !backingOff.isEmpty { return 5 }
        if closeAt != nil || connection.map({ !$0.isReady }) == true { return 20 }
        if !pending.isEmpty || !sessions.isEmpty { return 50 }
        return 1_000
    }

    private func keepTime() {
        wakeBackedOff()
        tendConnection()
        guard now >= reviewAt else { return }
        reviewAt = now + 20
        watchSilence()
        reviewPending()
        tendSessions()
        if let closeAt, now >= closeAt || pending.isEmpty { finishClosing() }
    }

    private func wakeBackedOff() {
        guard !backingOff.isEmpty else { return }
        var due: [UInt64] = []
        backingOff.removeAll { id in
            guard let entry = pending[id] else { return true }
            guard entry.resendAt <= now else { return false }
            due.append(id)
            return true
        }
        sendQueue.append(contentsOf: due.sorted())
    }

    /// Finds what is overdue. Not often: it looks at everything that is under way.
    private func reviewPending() {
        var overdue: [UInt64] = []
        var cancelAgain: [UInt64] = []
        var unanswered: [UInt64] = []
        for (id, entry) in pending {
            if entry.isOverdue(at: now, timeout: settings.operationTimeout) {
                overdue.append(id)
            } else if entry.sentOn != 0, entry.troubleSince != nil, now >= entry.sentAt + 1_000 {
                pending[id]?.troubleSince = nil
            }
            if entry.sentOn != 0, let limit = entry.patience(silence: settings.silence), now >= entry.sentAt + limit {
                unanswered.append(id)
            }
            if entry.isCancelled, now >= entry.cancelSentAt + 250 { cancelAgain.append(id) }
        }
        for id in overdue.sorted() { giveUp(id) }
        for id in unanswered.sorted() { sendAgain(id) }
        // The cancel may have overtaken its take on the way through the cluster, and found nothing to cancel.
        for id in cancelAgain.sorted() { sendCancel(of: id) }
    }

    // MARK: Ending

    /// Sessions are ended so that what they hold returns at once; everything else fails.
    func beginClosing() {
        guard closeAt == nil else { return }
        closeAt = now + 1_000
        for id in pending.keys.sorted() {
            guard let entry = pending[id] else { continue }
            let sent = entry.mayBeDone || entry.sentOn != 0
            finish(
                id, .failure(sent ? Failure(.outcomeUnknown, "this client was closed before the answer came") : .closed)
            )
        }
        for state in sessions.values.sorted(by: { $0.id < $1.id }) {
            while let request = state.dequeue() { complete(request, .failure(.closed)) }
            if state.phase == .open { endSilently(state) }
        }
    }

    private func finishClosing() {
        closeAt = closeAt ?? now
        for state in sessions.values {
            while let request = state.dequeue() { complete(request, .failure(.closed)) }
        }
        // Finishing one step of an undoing begins the next, of two.
        while let id = pending.keys.min() { finish(id, .failure(.closed)) }
        for submission in inbox.close() { refuse(submission) }
        disconnect()
        for closer in closers { closer.resume() }
        closers = []
        isDone = true
    }
}
