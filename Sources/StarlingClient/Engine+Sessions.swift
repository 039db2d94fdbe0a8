import ByteCoding
import ClientProtocol
import TupleSpace

extension Engine {
    // MARK: Opening and ending

    /// The session for commands that name none; opened when first needed, and anew when it has expired.
    func ownSession() -> SessionState? {
        if let defaultSession, let state = sessions[defaultSession] { return state }
        var writer = ByteWriter()
        Operation.openSession(timeoutMilliseconds: settings.sessionTimeout).encode(into: &writer)
        let id = SessionID(UInt64.random(in: 1...UInt64.max))
        let request = Request(
            id: inbox.makeID(), body: .command(session: id, operation: writer.take()), completion: .opened(nil))
        defaultSession = id
        open(id, timeout: settings.sessionTimeout, request)
        return sessions[id]
    }

    func open(_ id: SessionID, timeout: UInt64, _ request: Request) {
        let state = SessionState(id: id, timeout: timeout, isDefault: id == defaultSession)
        sessions[id] = state
        outstandingBytes += request.byteCount
        begin(request, state)
    }

    func opened(_ state: SessionState) {
        state.phase = .open
        state.keepAliveAt = now + state.timeout / 3
        pump(state)
    }

    func end(_ id: SessionID, _ request: Request) {
        guard let state = sessions[id], state.phase == .open else {
            return complete(request, .failure(.sessionOver))
        }
        while let queued = state.dequeue() { complete(queued, .failure(.sessionOver), wasCounted: true) }
        state.phase = .ending
        outstandingBytes += request.byteCount
        begin(request, state)
    }

    func endSilently(_ state: SessionState) {
        state.phase = .ending
        sendOwn(.endSession, state, .nobody)
    }

    /// The session is over at the cluster, or was never opened. What waited in the queue was not sent: for the client's
    /// own session it goes into the next one.
    func drop(_ state: SessionState, _ failure: Failure) {
        guard sessions.removeValue(forKey: state.id) != nil else { return }
        if defaultSession == state.id { defaultSession = nil }
        // The end of a session ends its waiting takes without an answer.
        let takes = pending.filter { $0.value.session == state.id && $0.value.request.wait != .none }.keys.sorted()
        for id in takes { finish(id, .failure(failure)) }
        var queued: [Request] = []
        while let request = state.dequeue() { queued.append(request) }
        for request in queued {
            outstandingBytes -= request.byteCount
            if state.isDefault, failure.code == .sessionExpired, closeAt == nil {
                submit(request)
            } else {
                complete(request, .failure(failure))
            }
        }
    }

    /// Lets queued commands into the window.
    func pump(_ state: SessionState) {
        guard state.hasQueued else { return }
        while state.phase == .open, !state.ledger.isFull, let request = state.dequeue() { begin(request, state) }
    }

    // MARK: Keeping alive, acknowledging

    func tendSessions() {
        for id in sessions.keys.sorted() {
            guard let state = sessions[id] else { continue }
            if now >= state.keepAliveAt {
                state.keepAliveAt = now + state.timeout / 3
                start(Pending(Request(id: inbox.makeID(), body: .keepAlive(id), completion: .nobody), at: now))
            }
            if let due = state.acknowledgeAt, now + 20 >= due {
                state.acknowledgeAt = nil
                if state.phase == .open { sendOwn(.acknowledge, state, .nobody) }
            }
        }
    }

    func acknowledge(_ session: SessionID, _ sequence: UInt64) {
        guard let state = sessions[session] else { return }
        state.ledger.acknowledge(sequence)
        if state.acknowledgeAt == nil { state.acknowledgeAt = now + settings.acknowledgeWithin }
        pump(state)
    }

    // MARK: Undoing

    /// Brings a take to nothing, from where it may stand.
    func undo(
        _ session: SessionID, _ sequence: UInt64, from step: Request.UndoStep, _ continuation: AnswerContinuation?
    ) {
        guard let state = sessions[session], !state.ledger.isAcknowledged(sequence) else {
            // The session's end has undone it; or it was acknowledged, and is nobody's to undo.
            continuation?.resume(returning: .success(.noMatch))
            return
        }
        let completion = Request.Completion.undone(sequence: sequence, step: step, continuation)
        switch step {
        case .cancel: sendOwn(.cancel(sequence: sequence), state, completion)
        case .release: sendOwn(.release(sequence: sequence), state, completion)
        }
    }

    func undone(
        _ session: SessionID?, _ sequence: UInt64, _ step: Request.UndoStep, _ continuation: AnswerContinuation?
    ) {
        guard let session, let state = sessions[session] else {
            continuation?.resume(returning: .success(.noMatch))
            return
        }
        switch step {
        case .cancel: undo(session, sequence, from: .release, continuation)
        case .release:
            state.ledger.acknowledge(sequence)
            continuation?.resume(returning: .success(.noMatch))
            pump(state)
        }
    }
}
