import ByteCoding
import ClientProtocol
import Replica
import Synchronization
import TupleSpace

/// The server's own session, and the commands that settle earlier ones: acknowledgements, releases and cancellations, which must
/// happen, whoever has lost patience meanwhile.
extension LocalDoor {
    enum Session: Sendable {
        case none
        case opening
        case open(SessionLedger)
    }

    struct Settling: Sendable {
        var operation: Operation
        /// In no other: the same number there is another command.
        var session: SessionID
        var releases: UInt64?
        /// A reservation is its maker's own.
        var caller = ""
        var continuation: AnswerContinuation?
    }

    /// The tuple of a held take is where it should be: the take becomes final.
    func acknowledge(_ ticket: Ticket) async {
        let isThere = state.withLock { state in
            guard case .open(var ledger) = state.session, ledger.session == ticket.session else { return false }
            ledger.acknowledge(ticket.sequence)
            state.session = .open(ledger)
            return true
        }
        // The end of the session has given everything back.
        guard isThere else { return }
        _ = await withCheckedContinuation { continuation in
            settle(Settling(operation: .acknowledge, session: ticket.session, continuation: continuation))
        }
    }

    /// The tuple of a held take goes back to its place.
    func release(_ ticket: Ticket) async {
        _ = await withCheckedContinuation { continuation in
            settle(
                Settling(
                    operation: .release(sequence: ticket.sequence), session: ticket.session, releases: ticket.sequence,
                    continuation: continuation))
        }
    }

    // MARK: - Settling

    func settle(_ settling: Settling) {
        let isClosed = state.withLock { state in
            if !state.isClosed { state.settlings.append(settling) }
            return state.isClosed
        }
        if isClosed { settling.continuation?.resume(returning: .stopping) } else { sendSettlings() }
    }

    private enum SettlingStep {
        case nothing
        case isOver(AnswerContinuation?)
        case send(UInt64, Command)
    }

    /// Sends what there is room for in the window.
    func sendSettlings() {
        while true {
            let step: SettlingStep = state.withLock { state in
                guard let settling = state.settlings.first else { return .nothing }
                guard case .open(var ledger) = state.session, ledger.session == settling.session else {
                    // That session has ended, and everything in it.
                    state.settlings.removeFirst()
                    return .isOver(settling.continuation)
                }
                guard !ledger.isFull else { return .nothing }
                state.settlings.removeFirst()
                var header = ledger.nextHeader()
                header.caller = settling.caller
                let command = Command(
                    header: header, operation: LocalDoor.encode(settling.operation), isSettling: true,
                    releases: settling.releases)
                state.session = .open(ledger)
                let token = state.newToken()
                state.waiting[token] = .command(command, settling.continuation)
                return .send(token, command)
            }
            switch step {
            case .nothing: return
            case .isOver(let continuation):
                continuation?.resume(
                    returning: .failed(.sessionExpired, "the session has ended, which gave everything back"))
            case .send(let token, let command):
                inbox.post(.command(RequestToken(token), command.header, operation: command.operation))
            }
        }
    }

    func follow(_ command: Command, _ reply: Reply, isAbandoned: Bool) {
        if case .found = reply, command.isHeld, isAbandoned {
            let header = command.header
            settle(
                Settling(
                    operation: .release(sequence: header.sequence), session: header.session, releases: header.sequence))
        } else if case .reserved(let reservation, _, _) = reply, command.isHeld, isAbandoned {
            settle(
                Settling(
                    operation: .reservation(reservation, .release), session: command.header.session,
                    caller: command.header.caller))
        } else if state.withLock({ !$0.settlings.isEmpty }) {
            sendSettlings()
        }
    }

    /// Called by the replica thread now and then.
    func askAgain() {
        let commands = state.withLock { state -> [(UInt64, Command)] in
            defer { state.askAgain.removeAll() }
            guard !state.isClosed else { return [] }
            return state.askAgain.map { command in
                let token = state.newToken()
                state.waiting[token] = .command(command, nil)
                return (token, command)
            }
        }
        for (token, command) in commands {
            inbox.post(.command(RequestToken(token), command.header, operation: command.operation))
        }
        sendSettlings()
    }

    // MARK: - The server's session

    private enum Opening {
        case over(Answer?)
        case begun(UInt64, SessionID)
        case underWay
    }

    /// - Returns: nil when a session is open; else why there is none.
    func openSession() async -> Answer? {
        // Not cancelled with the task that happens to need it first: others wait for it too.
        await withCheckedContinuation { continuation in
            let opening: Opening = state.withLock { state in
                if state.isClosed || state.isStopping { return .over(.stopping) }
                if case .open = state.session { return .over(nil) }
                state.opening.append(continuation)
                if case .opening = state.session { return .underWay }
                state.session = .opening
                let session = SessionID(.random(in: 1 ... .max))
                let token = state.newToken()
                state.waiting[token] = .opening(session)
                return .begun(token, session)
            }
            switch opening {
            case .over(let failure): continuation.resume(returning: failure)
            case .underWay: break
            case .begun(let token, let session):
                let operation = Operation.openSession(timeoutMilliseconds: LocalDoor.sessionTimeoutMilliseconds)
                let header = CommandHeader(session: session, sequence: 0)
                if !inbox.offer(.command(RequestToken(token), header, operation: LocalDoor.encode(operation))) {
                    deliver(token, .queueFull)
                }
            }
        }
    }

    func finishOpening(_ session: SessionID, _ answer: Answer) {
        let isOpen = answer.reply == .done
        let waiting = state.withLock { state in
            state.session = isOpen ? .open(SessionLedger(session: session)) : .none
            defer { state.opening.removeAll() }
            return state.opening
        }
        // One that may have been opened and is not used ends by itself; whatever the answer, nothing of theirs was done.
        let failure: Answer? = isOpen ? nil : answer.certainlyNotDone
        for continuation in waiting { continuation.resume(returning: failure) }
    }

    /// Ends the server's session: what it holds goes back to its place at once, and its waiting takes end. Called by the replica thread when
    /// the server is to stop; requests that come from now on are refused.
    /// - Returns: false if there is no session to end.
    func endSession() -> Bool {
        let begun: (UInt64, CommandHeader)? = state.withLock { state in
            state.isStopping = true
            guard case .open(var ledger) = state.session else { return nil }
            let header = ledger.nextHeader()
            state.session = .open(ledger)
            let token = state.newToken()
            state.ending = token
            return (token, header)
        }
        guard let (token, header) = begun else { return false }
        inbox.post(.command(RequestToken(token), header, operation: LocalDoor.encode(.endSession)))
        return true
    }

    var isEndingSession: Bool { state.withLock { $0.ending != nil } }

    /// Nil while none is open.
    var session: SessionID? {
        state.withLock { state in
            if case .open(let ledger) = state.session { ledger.session } else { nil }
        }
    }

    /// Called by the replica thread now and then.
    func keepAlive() {
        if let session { inbox.post(.keepAlive(session)) }
    }

    /// Called by the replica thread when it has applied the session's end: the next request opens another.
    func sessionEnded(_ ended: SessionID) {
        state.withLock { state in
            if case .open(let ledger) = state.session, ledger.session == ended { state.session = .none }
        }
        sendSettlings()
    }
}

extension LocalDoor.Answer {
    fileprivate var certainlyNotDone: Self {
        guard case .failed(let failure) = reply, failure.code == .outcomeUnknown else { return self }
        return .failed(.noLeader, "the cluster did not confirm this server's session in time; nothing was done")
    }
}

extension LocalDoor.State {
    /// What the answer means for the session's numbers, and whether the command must be asked again.
    mutating func account(for command: LocalDoor.Command, _ reply: Reply) {
        guard case .open(var ledger) = session, ledger.session == command.header.session else { return }
        let sequence = command.header.sequence
        switch reply {
        case .failed(let failure) where failure.code == .sessionExpired:
            session = .none
            return
        case .failed(let failure) where failure.code == .outcomeUnknown:
            return repeatLater(command)
        case .failed(let failure) where failure.code == .sessionWindowFull && command.isSettling:
            return repeatLater(command)
        case .failed(let failure) where [.busy, .noLeader, .diskFull].contains(failure.code):
            // What is certain of this sending is not certain of an earlier one.
            if command.mayBeDone || command.isSettling { return repeatLater(command) }
            ledger.abandoned(sequence)
            ledger.acknowledge(sequence)
        case .found where command.isHeld:
            ledger.answered(sequence)
        default:
            ledger.answered(sequence)
            ledger.acknowledge(sequence)
            if let released = command.releases { ledger.acknowledge(released) }
        }
        session = .open(ledger)
    }

    /// So that a tuple that was taken for nobody goes back, and a number is not used twice.
    private mutating func repeatLater(_ command: LocalDoor.Command) {
        guard !isClosed else { return }
        var command = command
        command.mayBeDone = true
        askAgain.append(command)
    }
}

extension SessionLedger {
    mutating func nextHeader(as credential: Credential = .anonymous) -> CommandHeader {
        let ticket = begin()
        return CommandHeader(
            session: session, sequence: ticket.sequence, acknowledgedBelow: ticket.acknowledgedBelow,
            acknowledged: ticket.acknowledged, caller: credential.text)
    }
}
