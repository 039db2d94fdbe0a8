import ByteCoding
import ClientProtocol
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

    struct Answer: Sendable {
        var reply: Reply
        var position: Position

        static func failed(_ code: Failure.Code, _ message: String) -> Answer {
            Answer(reply: .failed(Failure(code, message)), position: Position(index: 0, ordinal: 0))
        }
    }

    /// A command in the server's session.
    struct Ticket: Sendable {
        var session: SessionID
        var sequence: UInt64
    }

    private enum Session: Sendable {
        case none
        case opening([CheckedContinuation<Void, Never>])
        case open(SessionLedger)
    }

    private struct Command: Sendable {
        var header: CommandHeader
        var operation: [UInt8]
        /// The reply may name a tuple that stays held until somebody says what becomes of it.
        var isHeld: Bool
    }

    private enum Waiting: Sendable {
        case query(CheckedContinuation<Answer, Never>)
        case command(Command, CheckedContinuation<Answer, Never>?)
        case subscription(EventStream.Continuation)
    }

    private struct State: Sendable {
        var session = Session.none
        var waiting: [UInt64: Waiting] = [:]
        var nextToken = LocalDoor.tokenMark + 1
        var isClosed = false
    }

    private let state = Mutex(State())
    private let inbox: Inbox

    init(inbox: Inbox) {
        self.inbox = inbox
    }

    /// Requests of the gateways without an answer.
    var waitingCount: Int { state.withLock { $0.waiting.count } }

    // MARK: - Commands

    /// Runs a command to its answer. When the calling task is cancelled it returns at once with `outcome-unknown`; a waiting take is
    /// then cancelled, and what it may still have got is given back.
    func command(_ operation: Operation, isHeld: Bool = false) async -> (answer: Answer, ticket: Ticket) {
        var writer = ByteWriter()
        operation.encode(into: &writer)
        let bytes = writer.take()
        for _ in 0..<3 {
            await openSession()
            guard let (token, command) = begin(bytes, isHeld: isHeld) else { continue }
            let answer = await wait(token, command)
            return (answer, Ticket(session: command.header.session, sequence: command.header.sequence))
        }
        return (
            .failed(.busy, "\(Limits.sessionWindow) requests of this server wait for the cluster, which is its limit"),
            Ticket(session: SessionID(0), sequence: 0)
        )
    }

    /// Nil if the session is gone or its window is full.
    private func begin(_ operation: [UInt8], isHeld: Bool) -> (token: UInt64, command: Command)? {
        state.withLock { state in
            guard case .open(var ledger) = state.session, !ledger.isFull else { return nil }
            let ticket = ledger.begin()
            state.session = .open(ledger)
            let header = CommandHeader(
                session: ledger.session, sequence: ticket.sequence, acknowledgedBelow: ticket.acknowledgedBelow,
                acknowledged: ticket.acknowledged)
            state.nextToken += 1
            let command = Command(header: header, operation: operation, isHeld: isHeld)
            state.waiting[state.nextToken] = .command(command, nil)
            return (state.nextToken, command)
        }
    }

    private func wait(_ token: UInt64, _ command: Command) async -> Answer {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                state.withLock { $0.waiting[token] = .command(command, continuation) }
                send(token, command)
                // The handler ran before there was a continuation.
                if Task.isCancelled { abandon(token, command) }
            }
        } onCancel: {
            abandon(token, command)
        }
    }

    private func send(_ token: UInt64, _ command: Command) {
        guard inbox.offer(.command(RequestToken(token), command.header, operation: command.operation)) else {
            return deliver(token, .failed(.busy, "this server's queue of \(Inbox.limit) requests is full"))
        }
    }

    /// The caller has gone: it gets its answer now; the command goes on to its own end without it.
    private func abandon(_ token: UInt64, _ command: Command) {
        let continuation: CheckedContinuation<Answer, Never>? = state.withLock { state in
            guard case .command(let command, let continuation?) = state.waiting[token] else { return nil }
            state.waiting[token] = .command(command, nil)
            return continuation
        }
        guard let continuation else { return }
        continuation.resume(returning: .failed(.outcomeUnknown, "the request was cancelled before its outcome was known"))
        Task { _ = await self.command(.cancel(sequence: command.header.sequence)) }
    }

    /// The tuple of a held take is where it should be: the take becomes final.
    func acknowledge(_ ticket: Ticket) async {
        guard acknowledgeInLedger(ticket) else { return }
        _ = await command(.acknowledge)
    }

    /// The tuple of a held take goes back to its place.
    func release(_ ticket: Ticket) async {
        let (answer, _) = await command(.release(sequence: ticket.sequence))
        // Only now: an acknowledgement that overtook the release would make the take final.
        if answer.reply == .done { _ = acknowledgeInLedger(ticket) }
    }

    /// - Returns: false if the session has ended, which gave everything back.
    private func acknowledgeInLedger(_ ticket: Ticket) -> Bool {
        state.withLock { state in
            guard case .open(var ledger) = state.session, ledger.session == ticket.session else { return false }
            ledger.acknowledge(ticket.sequence)
            state.session = .open(ledger)
            return true
        }
    }

    // MARK: - The server's session

    private func openSession() async {
        let mustOpen = await withCheckedContinuation { (continuation: CheckedContinuation<Bool, Never>) in
            let verdict: Bool? = state.withLock { state in
                switch state.session {
                case .open: return false
                case .none:
                    state.session = .opening([])
                    return true
                case .opening: return nil
                }
            }
            if let verdict { return continuation.resume(returning: verdict) }
            Task {
                await self.awaitOpening()
                continuation.resume(returning: false)
            }
        }
        if mustOpen { await open() }
    }

    private func awaitOpening() async {
        await withCheckedContinuation { continuation in
            let isOpening = state.withLock { state in
                guard case .opening(let others) = state.session else { return false }
                state.session = .opening(others + [continuation])
                return true
            }
            if !isOpening { continuation.resume() }
        }
    }

    private func open() async {
        let session = SessionID(.random(in: 1 ... .max))
        var writer = ByteWriter()
        Operation.openSession(timeoutMilliseconds: LocalDoor.sessionTimeoutMilliseconds).encode(into: &writer)
        let command = Command(
            header: CommandHeader(session: session, sequence: 0), operation: writer.take(), isHeld: false)
        let token = state.withLock { state in
            state.nextToken += 1
            return state.nextToken
        }
        // Not cancelled with the task that happens to need it first: others wait for it too.
        let answer = await withCheckedContinuation { continuation in
            state.withLock { $0.waiting[token] = .command(command, continuation) }
            send(token, command)
        }
        let waiting = state.withLock { state in
            guard case .opening(let waiting) = state.session else { return [CheckedContinuation<Void, Never>]() }
            state.session = answer.reply == .done ? .open(SessionLedger(session: session)) : .none
            return waiting
        }
        for continuation in waiting { continuation.resume() }
    }

    /// Called by the replica thread now and then.
    func keepAlive() {
        let session: SessionID? = state.withLock { state in
            if case .open(let ledger) = state.session { ledger.session } else { nil }
        }
        if let session { inbox.post(.keepAlive(session)) }
    }

    // MARK: - Queries and subscriptions

    func query(_ query: Query, consistency: Consistency, timeout: Timeout = .none) async -> Answer {
        var writer = ByteWriter()
        query.encode(into: &writer)
        let bytes = writer.take()
        let token = newToken()
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                state.withLock { $0.waiting[token] = .query(continuation) }
                guard inbox.offer(.query(RequestToken(token), bytes, consistency, timeout)) else {
                    return deliver(token, .failed(.busy, "this server's queue of \(Inbox.limit) requests is full"))
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

    /// Batches that a slow reader may leave unread before its stream ends with `position-gone`.
    static let unreadBatches = 256

    func subscribe(to space: String, _ template: Template?, after position: Position?) -> EventStream {
        let token = newToken()
        return EventStream(bufferingPolicy: .bufferingOldest(LocalDoor.unreadBatches)) { continuation in
            state.withLock { $0.waiting[token] = .subscription(continuation) }
            continuation.onTermination = { [inbox] _ in
                self.state.withLock { $0.waiting[token] = nil }
                inbox.post(.forget(RequestToken(token)))
            }
            inbox.post(.subscribe(RequestToken(token), space: space, template, after: position))
        }
    }

    private func newToken() -> UInt64 {
        state.withLock { state in
            state.nextToken += 1
            return state.nextToken
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
            guard let waiting = state.waiting.removeValue(forKey: token) else { return nil }
            if case .command(let command, let continuation) = waiting {
                settle(command, answer, isAbandoned: continuation == nil, &state)
            }
            return waiting
        }
        switch waiting {
        case .query(let continuation): continuation.resume(returning: answer)
        case .command(let command, let continuation):
            continuation?.resume(returning: answer)
            follow(command, answer, isAbandoned: continuation == nil)
        case .subscription(let continuation): continuation.finish()
        case nil: break
        }
    }

    /// What the answer means for the session's numbers.
    private func settle(_ command: Command, _ answer: Answer, isAbandoned: Bool, _ state: inout State) {
        guard case .open(var ledger) = state.session, ledger.session == command.header.session else { return }
        let sequence = command.header.sequence
        switch answer.reply {
        case .failed(let failure) where failure.code == .sessionExpired:
            state.session = .none
            return
        case .failed(let failure) where failure.code == .outcomeUnknown:
            return
        case .failed(let failure) where failure.code == .busy || failure.code == .noLeader:
            ledger.abandoned(sequence)
            ledger.acknowledge(sequence)
        case .found where command.isHeld:
            ledger.answered(sequence)
        default:
            ledger.answered(sequence)
            ledger.acknowledge(sequence)
        }
        state.session = .open(ledger)
    }

    private func follow(_ command: Command, _ answer: Answer, isAbandoned: Bool) {
        switch answer.reply {
        case .failed(let failure) where failure.code == .outcomeUnknown:
            // Ask again until the outcome is known, so that a tuple that was taken for nobody goes back.
            state.withLock { state in
                guard !state.isClosed else { return }
                state.nextToken += 1
                state.waiting[state.nextToken] = .command(command, nil)
                inbox.post(.command(RequestToken(state.nextToken), command.header, operation: command.operation))
            }
        case .found where command.isHeld && isAbandoned:
            let ticket = Ticket(session: command.header.session, sequence: command.header.sequence)
            Task { await self.release(ticket) }
        default: break
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
                    .positionGone, "this subscriber left \(LocalDoor.unreadBatches) batches unread; subscribe again from \(batch.position)"))
        }
    }

    func end(_ token: UInt64, _ failure: Failure) {
        let waiting = state.withLock { $0.waiting.removeValue(forKey: token) }
        if case .subscription(let continuation) = waiting { continuation.finish(throwing: failure) }
    }

    /// The server stops: nobody is left waiting.
    func close() {
        let tokens = state.withLock { state in
            state.isClosed = true
            return Array(state.waiting.keys)
        }
        for token in tokens {
            deliver(token, .failed(.outcomeUnknown, "this server is stopping"))
        }
    }
}
