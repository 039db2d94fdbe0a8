import ByteCoding
import ClientProtocol
import TupleSpace

extension Engine {
    func handle(_ response: ClientResponse) {
        // Unknown: the answer to something given up, or a second answer to something sent twice.
        guard let entry = pending[response.id], let kind = response.kind else { return }
        switch kind {
        case .reply: reply(response, entry)
        case .status, .outcome, .snapshotPiece:
            finish(response.id, .success(Answer(payload: [UInt8](response.payload), position: response.position)))
        case .events: events(response, entry)
        case .end: ended(response, entry)
        }
    }

    private func reply(_ response: ClientResponse, _ entry: Pending) {
        let failure = ReplyPeek.failure(in: response.payload)
        if let failure, isWorthAnotherTry(failure, entry) { return tryAgain(response.id, failure) }
        switch entry.request.body {
        case .command: commandReply(response, entry, failure)
        case .keepAlive(let session):
            pending[response.id] = nil
            if failure?.code == .sessionExpired, let state = sessions[session] { drop(state, .sessionOver) }
        case .query, .status, .cluster, .join, .snapshotPiece:
            if let failure { return finish(response.id, .failure(failure)) }
            finish(response.id, .success(Answer(payload: [UInt8](response.payload), position: response.position)))
        case .subscribe(let feed):
            // Servers end subscriptions with `end`; a plain failure means the same.
            if let failure { endFeed(feed, response.id, failure) }
        }
    }

    /// The cluster could not do it now. Commands are known by session and number, and queries change nothing: both may
    /// be sent again.
    private func isWorthAnotherTry(_ failure: Failure, _ entry: Pending) -> Bool {
        switch failure.code {
        case .busy, .noLeader, .diskFull, .outcomeUnknown: !entry.isOverdue(at: now, timeout: settings.operationTimeout)
        default: false
        }
    }

    func tryAgain(_ id: UInt64, _ failure: Failure) {
        guard var entry = pending[id] else { return }
        entry.sentOn = 0
        entry.refusals += 1
        entry.lastRefusal = failure
        if failure.code == .outcomeUnknown { entry.mayBeDone = true }
        if entry.troubleSince == nil { entry.troubleSince = now }
        let pause: UInt64 = min(300, 10 << UInt64(min(entry.refusals, 5)))
        entry.resendAt = now + pause + UInt64.random(in: 0...pause / 4)
        pending[id] = entry
        backingOff.append(id)
        // A server that finds no leader may be cut off; one that is busy may be the only one that is.
        let isCutOff = failure.code != .busy || entry.refusals % 4 == 0
        guard isCutOff, servers.count > 1, let connection, now >= connection.startedAt + 50 else { return }
        leaveAfterFrame = connection.generation
    }

    // MARK: Commands

    private func commandReply(_ response: ClientResponse, _ entry: Pending, _ failure: Failure?) {
        guard let session = entry.session, let sequence = entry.ticket?.sequence else { return }
        guard let state = sessions[session] else {
            return finish(response.id, failure.map { .failure($0) } ?? .success(answer(response, session, sequence)))
        }
        state.ledger.answered(sequence)
        if let failure, failure.code == .sessionExpired { return expired(response.id, entry, state) }
        let isHeld = entry.request.holds && ReplyPeek.isFound(response.payload)
        if isHeld {
            guard entry.isCancelled, case .caller(let continuation) = entry.request.completion else {
                return finish(response.id, .success(answer(response, session, sequence)))
            }
            remove(response.id)
            return undo(session, sequence, from: .release, continuation)
        }
        state.ledger.acknowledge(sequence)
        afterCommand(entry, state, failure)
        finish(response.id, failure.map { .failure($0) } ?? .success(answer(response, session, sequence)))
        pump(state)
    }

    private func answer(_ response: ClientResponse, _ session: SessionID, _ sequence: UInt64) -> Answer {
        Answer(payload: [UInt8](response.payload), position: response.position, session: session, sequence: sequence)
    }

    /// What the end of a command means for its session.
    private func afterCommand(_ entry: Pending, _ state: SessionState, _ failure: Failure?) {
        if case .opened = entry.request.completion {
            if let failure { drop(state, failure) } else { opened(state) }
        } else if state.phase == .ending, failure == nil, entry.isEndOfSession {
            drop(state, .sessionOver)
        }
    }

    private func expired(_ id: UInt64, _ entry: Pending, _ state: SessionState) {
        drop(state, .sessionOver)
        if state.isDefault, !entry.mayBeDone, closeAt == nil, case .caller = entry.request.completion {
            // Sent once, and refused: certainly not done, so that it can be done in the next session.
            remove(id)
            return submit(entry.request)
        }
        if entry.mayBeDone, case .caller = entry.request.completion, !entry.isEndOfSession {
            return finish(
                id,
                .failure(Failure(.outcomeUnknown, "the session expired before the answer came; it may have been done")))
        }
        finish(id, .failure(.sessionOver))
    }

    // MARK: Giving up

    func giveUp(_ id: UInt64) {
        guard let entry = pending[id] else { return }
        let mayBeDone = entry.mayBeDone || entry.sentOn != 0
        let failure = failure(of: entry, mayBeDone: mayBeDone)
        if let session = entry.session, let sequence = entry.ticket?.sequence, let state = sessions[session] {
            state.ledger.abandoned(sequence)
            if entry.isTake, mayBeDone {
                undo(session, sequence, from: .cancel, nil)
            } else {
                state.ledger.acknowledge(sequence)
            }
            if case .opened = entry.request.completion { drop(state, failure) }
        } else {
            sendWireCancel(of: id, sentOn: entry.sentOn)
        }
        if case .subscribe(let feed) = entry.request.body { return endFeed(feed, id, failure) }
        finish(id, .failure(failure))
    }

    private func failure(of entry: Pending, mayBeDone: Bool) -> Failure {
        let time = "\(now - entry.createdAt) ms"
        if entry.request.changesSomething, mayBeDone {
            return Failure(
                .outcomeUnknown, "no answer came within \(time); it may have been done (last server: \(lastTrouble))")
        }
        if let refusal = entry.lastRefusal { return Failure(refusal.code, "\(refusal.message); tried for \(time)") }
        return Failure(.noLeader, "no server answered within \(time) (last server: \(lastTrouble))")
    }

    // MARK: Finishing

    func finish(_ id: UInt64, _ result: Result<Answer, Failure>) {
        guard let entry = remove(id) else { return }
        if case .undone(let sequence, let step, let continuation) = entry.request.completion {
            return undone(entry.session, sequence, step, continuation)
        }
        complete(entry.request, result)
    }

    @discardableResult
    func remove(_ id: UInt64) -> Pending? {
        guard let entry = pending.removeValue(forKey: id) else { return nil }
        outstandingBytes -= entry.request.byteCount
        if !renamed.isEmpty { renamed[entry.request.id] = nil }
        return entry
    }

    func complete(_ request: Request, _ result: Result<Answer, Failure>, wasCounted: Bool = false) {
        if wasCounted { outstandingBytes -= request.byteCount }
        switch request.completion {
        case .caller(let continuation), .opened(let continuation?), .undone(_, _, let continuation?):
            continuation.resume(returning: result)
        case .opened(nil), .undone(_, _, nil): break
        case .nobody:
            guard case .subscribe(let feed) = request.body else { break }
            feeds[feed.id] = nil
            if case .failure(let failure) = result { feed.finish(.failure(failure)) }
        }
    }

    // MARK: Events

    private func events(_ response: ClientResponse, _ entry: Pending) {
        guard case .subscribe(let feed) = entry.request.body else { return }
        let batch: [Event]
        do throws(MalformedBytes) {
            batch = try EventsPayload.decode(response.payload)
        } catch {
            return endFeed(
                feed, response.id, Failure(.malformed, "the server sent events that cannot be read: \(error)"))
        }
        let seen = entry.position ?? feed.start
        let fresh = seen.map { seen in batch.filter { $0.position > seen } } ?? batch
        let position = max(response.position, fresh.last?.position ?? response.position, seen ?? response.position)
        pending[response.id]?.position = position
        pending[response.id]?.refusals = 0
        guard feed.push(EventBatch(events: fresh, position: position)) == .full else { return }
        // Too much for the reader now: the server's ring keeps the rest.
        pending[response.id] = nil
        feeds[feed.id] = .paused(position)
        sendWireCancel(of: response.id, sentOn: entry.sentOn)
    }

    private func ended(_ response: ClientResponse, _ entry: Pending) {
        guard case .subscribe(let feed) = entry.request.body else { return }
        let failure = (try? FailurePayload.decode(response.payload)) ?? nil
        guard let failure else {
            // Not by our wish, since then it would be unknown: the server goes. Another one goes on from here.
            return tryAgain(response.id, Failure(.noLeader, "the server ended the subscription"))
        }
        if isWorthAnotherTry(failure, entry) { return tryAgain(response.id, failure) }
        endFeed(feed, response.id, failure)
    }

    private func endFeed(_ feed: SubscriptionFeed, _ id: UInt64, _ failure: Failure) {
        remove(id)
        feeds[feed.id] = nil
        feed.finish(.failure(failure))
    }
}

extension Pending {
    /// First byte of an encoded `Operation`.
    private var operationCode: UInt8? {
        guard case .command(_, let operation) = request.body else { return nil }
        return operation.first
    }

    /// Also under an idempotency key, where it cannot be told from a write: undoing a write does nothing.
    var isTake: Bool { request.holds || request.wait != .none || operationCode == 5 }
    var isEndOfSession: Bool { operationCode == 2 }
}
