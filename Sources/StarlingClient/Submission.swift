import ClientProtocol
import Synchronization
import TupleSpace
import ZeroMQ

/// What came back for a request.
struct Answer: Sendable {
    /// An encoded `Reply`, `ClusterOutcome` or `SnapshotPiece`, or the text of a status.
    var payload: [UInt8]
    var position: Position
    /// Of a command: whose it was, so that a held take can be acknowledged.
    var session = SessionID(0)
    var sequence: UInt64 = 0
}

typealias AnswerContinuation = CheckedContinuation<Result<Answer, Failure>, Never>

/// One request on its way from a caller to the engine.
struct Request: Sendable {
    enum Body: Sendable {
        /// An encoded `Operation`; session nil is the client's own.
        case command(session: SessionID?, operation: [UInt8])
        /// An encoded `Query`.
        case query(Consistency, query: [UInt8])
        case keepAlive(SessionID)
        case status
        case subscribe(SubscriptionFeed)
        /// An encoded `ClusterRequest`. Sent once.
        case cluster([UInt8])
        /// An encoded `MemberChange.add`.
        case join([UInt8])
        case snapshotPiece(SnapshotPieceRequest)
    }

    enum Completion: Sendable {
        case caller(AnswerContinuation)
        /// Of an `openSession`. Nil: the client's own session.
        case opened(AnswerContinuation?)
        /// A take of this number is being undone; whoever waits for that gets "no match".
        case undone(sequence: UInt64, step: UndoStep, AnswerContinuation?)
        case nobody
    }

    /// A take whose caller has gone is ended if it still waits, then its tuple goes back if it has one, then it is
    /// acknowledged.
    enum UndoStep: Sendable {
        case cancel
        case release
    }

    let id: UInt64
    var body: Body
    /// How long it may wait for a match by itself.
    var wait = Timeout.none
    var holds = false
    var completion: Completion

    var byteCount: Int {
        switch body {
        case .command(_, let operation): operation.count
        case .query(_, let query): query.count
        case .cluster(let bytes), .join(let bytes): bytes.count
        case .keepAlive, .status, .subscribe, .snapshotPiece: 0
        }
    }
}

extension Request {
    /// Whether it matters that it may have been done.
    var changesSomething: Bool {
        switch body {
        case .command, .cluster: true
        case .query, .keepAlive, .status, .subscribe, .join, .snapshotPiece: false
        }
    }
}

enum Submission: Sendable {
    case request(Request)
    /// Of a session that the engine does not keep: whoever sent it numbers its commands.
    case numbered(CommandHeader, Request)
    /// The caller's task was cancelled.
    case cancel(id: UInt64)
    case open(SessionID, timeout: UInt64, Request)
    case acknowledge(SessionID, sequence: UInt64)
    case release(SessionID, sequence: UInt64, AnswerContinuation)
    case end(SessionID, Request)
    /// The reader of a paused stream has room again.
    case resume(SubscriptionFeed)
    /// Nobody reads the stream any more.
    case unsubscribe(SubscriptionFeed)
    case close(CheckedContinuation<Void, Never>?)
}

/// Where callers put what they want, and whence the engine's thread takes all of it at once.
final class Inbox: Sendable {
    private struct State {
        var submissions: [Submission] = []
        var isClosed = false
    }

    private let state = Mutex(State())
    private let ids = Atomic<UInt64>(0)
    let waker: Waker

    init() throws(ZeroMQError) { waker = try Waker() }

    func makeID() -> UInt64 { ids.add(1, ordering: .relaxed).newValue }

    /// - Returns: false when the client is closed: nobody will look at it.
    func put(_ submission: Submission) -> Bool {
        let (accepted, wasEmpty) = state.withLock { state in
            guard !state.isClosed else { return (false, false) }
            state.submissions.append(submission)
            return (true, state.submissions.count == 1)
        }
        if wasEmpty { waker.wake() }
        return accepted
    }

    /// Swaps what has gathered for the (empty) array given, whose memory is used again.
    func take(into batch: inout [Submission]) {
        state.withLock { swap(&$0.submissions, &batch) }
    }

    /// Nothing is accepted from now on; what stands is given out.
    func close() -> [Submission] {
        state.withLock { state in
            state.isClosed = true
            let rest = state.submissions
            state.submissions = []
            return rest
        }
    }
}

extension Failure {
    static let closed = Failure(.noLeader, "this client was closed; nothing was done")
}
