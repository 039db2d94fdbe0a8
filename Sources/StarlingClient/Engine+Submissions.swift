import ByteCoding
import ClientProtocol
import TupleSpace

extension Engine {
    func handle(_ submission: Submission) {
        guard closeAt == nil else {
            if case .close(let closer?) = submission { closers.append(closer) } else { refuse(submission) }
            return
        }
        switch submission {
        case .request(let request): submit(request)
        case .numbered(let header, let request): begin(request, under: header)
        case .cancel(let id): cancel(id)
        case .open(let session, let timeout, let request): open(session, timeout: timeout, request)
        case .acknowledge(let session, let sequence): acknowledge(session, sequence)
        case .release(let session, let sequence, let continuation):
            undo(session, sequence, from: .release, continuation)
        case .end(let session, let request): end(session, request)
        case .resume(let feed): resume(feed)
        case .unsubscribe(let feed): unsubscribe(feed)
        case .close(let closer):
            if let closer { closers.append(closer) }
            beginClosing()
        }
    }

    /// What came to a client that is closed, or closing.
    func refuse(_ submission: Submission) {
        switch submission {
        case .request(let request), .numbered(_, let request), .open(_, _, let request), .end(_, let request):
            complete(request, .failure(.closed))
        case .release(_, _, let continuation): continuation.resume(returning: .failure(.closed))
        case .close(let closer): closer?.resume()
        case .cancel, .acknowledge, .resume, .unsubscribe: break
        }
    }

    func submit(_ request: Request) {
        if let refusal = refusal(of: request) { return complete(request, .failure(refusal)) }
        switch request.body {
        case .command(let session, _):
            guard let state = session.map({ sessions[$0] }) ?? ownSession(), state.phase != .ending else {
                return complete(request, .failure(.sessionOver))
            }
            outstandingBytes += request.byteCount
            if state.phase == .open, !state.hasQueued, !state.ledger.isFull {
                begin(request, state)
            } else if state.queuedCount < settings.maximumOutstanding {
                state.enqueue(request)
            } else {
                complete(
                    request,
                    .failure(Failure(.busy, "\(state.queuedCount) commands wait for room in the session's window")),
                    wasCounted: true)
            }
        case .subscribe(let feed):
            feeds[feed.id] = .running(request: request.id)
            start(Pending(request, at: now))
        case .query, .keepAlive, .status, .cluster, .join, .snapshotPiece:
            outstandingBytes += request.byteCount
            start(Pending(request, at: now))
        }
    }

    /// Why no more can be taken on.
    private func refusal(of request: Request) -> Failure? {
        guard pending.count < settings.maximumOutstanding,
            outstandingBytes + request.byteCount <= settings.maximumOutstandingBytes
        else {
            let limit = "\(settings.maximumOutstanding) requests or \(settings.maximumOutstandingBytes) bytes"
            return Failure(.busy, "this client has \(limit) without an answer, which is its limit")
        }
        return nil
    }

    func start(_ entry: Pending) {
        pending[entry.request.id] = entry
        sendQueue.append(entry.request.id)
    }

    /// Gives a command its number and sends it.
    func begin(_ request: Request, _ state: SessionState) {
        start(Pending(request, session: state.id, ticket: state.ledger.begin(), at: now))
        if !state.ledger.hasUntoldSingles { state.acknowledgeAt = nil }
    }

    /// Sends a command that has its number already.
    private func begin(_ request: Request, under header: CommandHeader) {
        if let refusal = refusal(of: request) { return complete(request, .failure(refusal)) }
        outstandingBytes += request.byteCount
        let ticket = SessionLedger.Ticket(
            sequence: header.sequence, acknowledgedBelow: header.acknowledgedBelow, acknowledged: header.acknowledged)
        start(Pending(request, session: header.session, ticket: ticket, at: now))
    }

    // MARK: Cancelling

    private func cancel(_ id: UInt64) {
        let id = renamed[id] ?? id
        guard let entry = pending[id] else { return cancelQueued(id) }
        guard !entry.isCancelled else { return }
        switch entry.request.body {
        case .query:
            sendWireCancel(of: id, sentOn: entry.sentOn)
            finish(id, .success(.noMatch))
        case .command where entry.session.map({ sessions[$0] == nil }) ?? false:
            // It goes on in its session, where its sender can ask for it again.
            finish(id, .failure(Failure(.outcomeUnknown, "the task was cancelled before the answer came")))
        case .command:
            pending[id]?.isCancelled = true
            if entry.request.wait == .forever {
                // From now on it is as any other command: it must come to an end.
                pending[id]?.request.wait = .milliseconds(now - entry.createdAt)
            }
            sendCancel(of: id)
        case .keepAlive, .status, .subscribe, .cluster, .join, .snapshotPiece: break
        }
    }

    private func cancelQueued(_ id: UInt64) {
        for state in sessions.values {
            guard let request = state.removeQueued(id: id) else { continue }
            return complete(request, .success(.noMatch), wasCounted: true)
        }
    }

    /// Ends a take that waits in the cluster. Its own answer tells the rest: nothing, or a tuple, which then goes back.
    func sendCancel(of id: UInt64) {
        guard let entry = pending[id], let session = entry.session, let sequence = entry.ticket?.sequence,
            let state = sessions[session]
        else { return }
        pending[id]?.cancelSentAt = now
        sendOwn(.cancel(sequence: sequence), state, .nobody)
    }

    /// A command of the engine's own. It passes the queue: the ledger's window has room for what its own commands undo.
    func sendOwn(_ operation: Operation, _ state: SessionState, _ completion: Request.Completion) {
        var writer = ByteWriter(reserving: 16)
        operation.encode(into: &writer)
        let request = Request(
            id: inbox.makeID(), body: .command(session: state.id, operation: writer.take()), completion: completion)
        outstandingBytes += request.byteCount
        begin(request, state)
    }

    // MARK: Subscriptions

    private func resume(_ feed: SubscriptionFeed) {
        guard case .paused(let position) = feeds[feed.id] else { return }
        subscribe(feed, from: position)
    }

    func subscribe(_ feed: SubscriptionFeed, from position: Position?) {
        let request = Request(id: inbox.makeID(), body: .subscribe(feed), completion: .nobody)
        feeds[feed.id] = .running(request: request.id)
        var entry = Pending(request, at: now)
        entry.position = position
        start(entry)
    }

    private func unsubscribe(_ feed: SubscriptionFeed) {
        guard case .running(let id) = feeds.removeValue(forKey: feed.id), let entry = pending.removeValue(forKey: id)
        else {
            return
        }
        sendWireCancel(of: id, sentOn: entry.sentOn)
    }
}

extension Answer {
    /// An encoded `Reply.noMatch` that no server sent.
    static let noMatch: Answer = {
        var writer = ByteWriter()
        Reply.noMatch.encode(into: &writer)
        return Answer(payload: writer.take(), position: Position(index: 0, ordinal: 0))
    }()
}

extension Failure {
    static let sessionOver = Failure(.sessionExpired, "the session has ended")
}
