import ByteCoding
import ClientProtocol
import Raft
import Replica
import Synchronization
import TupleSpace

/// The door of this process's own gateways: stateless requests become commands of one session that the server itself holds, so that
/// they too survive a change of leader without being lost or doubled.
///
/// Callable from any thread. Tokens have the top bit set, apart from those of the clients' endpoint.
final class LocalDoor: Sendable {
    static let tokenMark: UInt64 = 1 << 63
    static let sessionTimeoutMilliseconds: UInt64 = 60_000
    static let keepAliveMilliseconds: UInt64 = 10_000
    /// Commands whose outcome must become known are asked again so often.
    static let askAgainMilliseconds: UInt64 = 1_000
    /// Of the session's window, for what settles earlier commands: requests alone can never fill it.
    static let settlingWindow = 512
    static let requestWindow = Limits.sessionWindow - settlingWindow
    /// Batches that a slow reader may leave unread before its stream ends with `position-gone`.
    static let unreadBatches = 256

    struct Answer: Sendable {
        var reply: Reply
        var position: Position

        static func failed(_ code: Failure.Code, _ message: String) -> Answer {
            Answer(reply: .failed(Failure(code, message)), position: Position(index: 0, ordinal: 0))
        }

        static let stopping = Answer.failed(.noLeader, "this server is stopping")
        /// Whoever asks without a session cannot know of this server's own. The command may have been done before that ended.
        var forStateless: Answer {
            guard case .failed(let failure) = reply, failure.code == .sessionExpired else { return self }
            return .failed(.outcomeUnknown, "this server's session ended meanwhile; it may have been done")
        }

        static let queueFull = Answer.failed(.busy, "this server's queue of \(Inbox.limit) requests is full")
    }

    typealias AnswerContinuation = CheckedContinuation<Answer, Never>

    /// A command in the server's session.
    struct Ticket: Sendable {
        var session: SessionID
        var sequence: UInt64
    }

    struct Command: Sendable {
        var header: CommandHeader
        var operation: [UInt8]
        /// The reply may name a tuple that stays held, or reserved, until somebody says what becomes of it.
        var isHeld = false
        /// It settles an earlier command: asked again until it is done.
        var isSettling = false
        /// The held take that it gives back: acknowledged when that is done, and not before, or the take would become final.
        var releases: UInt64?
        /// It was sent before, and nobody knows what came of it.
        var mayBeDone = false
    }

    enum Waiting: Sendable {
        case query(AnswerContinuation)
        /// Without a continuation nobody waits, but its outcome matters.
        case command(Command, AnswerContinuation?)
        case opening(SessionID)
        case subscription(EventStream.Continuation)
        case cluster(CheckedContinuation<ClusterOutcome, Never>)
    }

    struct State: Sendable {
        var session = Session.none
        var opening: [CheckedContinuation<Answer?, Never>] = []
        var waiting: [UInt64: Waiting] = [:]
        var askAgain: [Command] = []
        /// Wait for room in the window.
        var settlings: [Settling] = []
        var lastToken = LocalDoor.tokenMark
        var isClosed = false
        /// No more requests are taken, while those that are under way still end.
        var isStopping = false
        /// The command that ends the session, until it is answered.
        var ending: UInt64?

        mutating func newToken() -> UInt64 {
            lastToken += 1
            return lastToken
        }
    }

    let state = Mutex(State())
    let inbox: Inbox

    init(inbox: Inbox) {
        self.inbox = inbox
    }

    /// Requests of the gateways without an answer.
    var waitingCount: Int { state.withLock { $0.waiting.count } }

    // MARK: - Commands

    private enum Begun {
        case begun(UInt64, Command)
        case noSession
        case failed(Answer)
    }

    /// Runs a command to its answer. When the calling task is cancelled it returns at once with `outcome-unknown`; a waiting take is
    /// then cancelled, and what it may still have got is given back.
    func command(
        _ operation: Operation, isHeld: Bool = false, as credential: Credential = .anonymous
    ) async -> (answer: Answer, ticket: Ticket) {
        let bytes = LocalDoor.encode(operation)
        let nobody = Ticket(session: SessionID(0), sequence: 0)
        // A session may end between its opening and its use, but not again and again.
        for _ in 0..<3 {
            if let failure = await openSession() { return (failure, nobody) }
            switch begin(bytes, isHeld: isHeld, credential) {
            case .begun(let token, let command):
                let answer = await wait(token, command).forStateless
                return (answer, Ticket(session: command.header.session, sequence: command.header.sequence))
            case .failed(let answer): return (answer, nobody)
            case .noSession: continue
            }
        }
        return (.failed(.busy, "this server's session ended again and again; nothing was done"), nobody)
    }

    static func encode(_ operation: Operation) -> [UInt8] {
        var writer = ByteWriter()
        operation.encode(into: &writer)
        return writer.take()
    }

    private func begin(_ operation: [UInt8], isHeld: Bool, _ credential: Credential) -> Begun {
        state.withLock { state in
            if state.isClosed || state.isStopping { return .failed(.stopping) }
            guard case .open(var ledger) = state.session else { return .noSession }
            guard ledger.unacknowledgedCount < LocalDoor.requestWindow else {
                return .failed(
                    .failed(
                        .busy,
                        "\(LocalDoor.requestWindow) requests of this server wait for the cluster, which is its limit"))
            }
            let command = Command(header: ledger.nextHeader(as: credential), operation: operation, isHeld: isHeld)
            state.session = .open(ledger)
            let token = state.newToken()
            state.waiting[token] = .command(command, nil)
            return .begun(token, command)
        }
    }

    private func wait(_ token: UInt64, _ command: Command) async -> Answer {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isThere = state.withLock { state in
                    guard case .command? = state.waiting[token] else { return false }
                    state.waiting[token] = .command(command, continuation)
                    return true
                }
                // The door was closed meanwhile.
                guard isThere else { return continuation.resume(returning: .stopping) }
                if !inbox.offer(.command(RequestToken(token), command.header, operation: command.operation)) {
                    deliver(token, .queueFull)
                }
                // The handler ran before there was a continuation.
                if Task.isCancelled { abandon(token) }
            }
        } onCancel: {
            abandon(token)
        }
    }

    /// The caller has gone: it gets its answer now; the command goes on to its own end without it.
    private func abandon(_ token: UInt64) {
        let abandoned: (command: Command, continuation: AnswerContinuation)? = state.withLock { state in
            guard case .command(let command, let continuation?) = state.waiting[token] else { return nil }
            state.waiting[token] = .command(command, nil)
            return (command, continuation)
        }
        guard let (command, continuation) = abandoned else { return }
        continuation.resume(
            returning: .failed(.outcomeUnknown, "the request was cancelled before its outcome was known"))
        let header = command.header
        settle(Settling(operation: .cancel(sequence: header.sequence), session: header.session))
    }

    // MARK: - Queries and subscriptions

    func query(
        _ query: Query, consistency: Consistency, timeout: Timeout = .none, as credential: Credential
    ) async -> Answer {
        var writer = ByteWriter()
        query.encode(into: &writer)
        let bytes = writer.take()
        let token = state.withLock { $0.newToken() }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isOpen = state.withLock { state in
                    if !state.isClosed { state.waiting[token] = .query(continuation) }
                    return !state.isClosed
                }
                guard isOpen else { return continuation.resume(returning: .stopping) }
                guard inbox.offer(.query(RequestToken(token), bytes, consistency, timeout, credential)) else {
                    return deliver(token, .queueFull)
                }
                if Task.isCancelled { forget(token) }
            }
        } onCancel: {
            forget(token)
        }
    }

    private func forget(_ token: UInt64) {
        inbox.post(.forget(RequestToken(token)))
        deliver(token, .failed(.outcomeUnknown, "the request was cancelled"))
    }

    func subscribe(
        to space: String, _ template: Template?, after position: Position?, as credential: Credential
    ) -> EventStream {
        EventStream(bufferingPolicy: .bufferingOldest(LocalDoor.unreadBatches)) { continuation in
            let token: UInt64? = state.withLock { state in
                guard !state.isClosed else { return nil }
                let token = state.newToken()
                state.waiting[token] = .subscription(continuation)
                return token
            }
            guard let token else { return continuation.finish() }
            continuation.onTermination = { [inbox] _ in
                self.state.withLock { $0.waiting[token] = nil }
                inbox.post(.forget(RequestToken(token)))
            }
            inbox.post(.subscribe(RequestToken(token), space: space, template, after: position, credential))
        }
    }

    // MARK: - From the replica thread

    func deliver(_ token: UInt64, encoded reply: UnsafeRawBufferPointer, at position: Position) {
        var reader = ByteReader(reply)
        do throws(MalformedBytes) {
            deliver(token, Answer(reply: try Reply(from: &reader), position: position))
        } catch {
            // Our own state machine made it: a fault of this program, told instead of hidden.
            deliver(token, .failed(.malformed, "the reply cannot be read: \(error)"))
        }
    }

    func deliver(_ token: UInt64, _ answer: Answer) {
        let waiting = state.withLock { state -> Waiting? in
            if state.ending == token { state.ending = nil }
            guard let waiting = state.waiting.removeValue(forKey: token) else { return nil }
            if case .command(let command, _) = waiting { state.account(for: command, answer.reply) }
            return waiting
        }
        switch waiting {
        case .query(let continuation): continuation.resume(returning: answer)
        case .command(let command, let continuation):
            continuation?.resume(returning: answer)
            follow(command, answer.reply, isAbandoned: continuation == nil)
        case .opening(let session): finishOpening(session, answer)
        case .subscription(let continuation): continuation.finish()
        case .cluster(let continuation): continuation.resume(returning: .unknown("this server is stopping"))
        case nil: break
        }
    }

    func deliver(_ token: UInt64, _ batch: EventBatch) {
        let continuation = state.withLock { state -> EventStream.Continuation? in
            if case .subscription(let continuation) = state.waiting[token] { continuation } else { nil }
        }
        guard let continuation else { return }
        if case .dropped = continuation.yield(batch) {
            end(
                token,
                Failure(
                    .positionGone,
                    "this subscriber left \(LocalDoor.unreadBatches) batches unread; subscribe again from \(batch.position)"
                ))
        }
    }

    func end(_ token: UInt64, _ failure: Failure) {
        let waiting = state.withLock { $0.waiting.removeValue(forKey: token) }
        if case .subscription(let continuation) = waiting { continuation.finish(throwing: failure) }
    }

    /// The server stops: nobody is left waiting, and nobody who comes later waits.
    func close() {
        let tokens = state.withLock { state in
            state.isClosed = true
            return state.waiting.keys.sorted()
        }
        for token in tokens {
            deliver(token, .failed(.outcomeUnknown, "this server is stopping"))
        }
        let settlings = state.withLock { state in
            defer { state.settlings.removeAll() }
            return state.settlings
        }
        for settling in settlings { settling.continuation?.resume(returning: .stopping) }
    }
}
