import ByteCoding
import Raft
import TupleSpace

extension Replica {
    /// A read came to this server.
    /// - query: an encoded `Query`.
    /// - timeout: how long a `read` that matches nothing waits, by this server's clock. Of no meaning for other queries.
    public mutating func query(
        _ token: RequestToken, query: UnsafeRawBufferPointer, consistency: Consistency, timeout: Timeout
    ) {
        guard query.count <= Limits.commandBytes else {
            return effects.reply(
                .failed(
                    Failure(
                        .malformed, "the query has \(query.count) bytes; the limit is \(Limits.commandBytes)")),
                to: token)
        }
        let limit = settings.maximumPendingReads
        guard reads.count + deferred.count < limit else {
            return effects.reply(
                .failed(Failure(.busy, "this server holds \(limit) unanswered reads, which is its limit")), to: token)
        }
        let read = Reads.Read(
            token: token, query: [UInt8](query), timeout: timeout,
            deadline: now.advanced(byMilliseconds: settings.patienceMilliseconds))
        switch consistency {
        case .local:
            serve(read)
        case .sequential(let position):
            if position.index <= machine.appliedIndex, installing == nil {
                serve(read)
            } else {
                reads.wait(read, for: LogIndex(position.index))
            }
        case .linearizable:
            if settings.mutations.contains(.readsWithoutBarrier) { return serve(read) }
            reads.gather(read)
        }
    }

    mutating func beginReads() {
        guard reads.hasGathered, raft.leader != nil else { return }
        fail(reads.overdueAfterFailedRounds(at: now))
        guard reads.hasGathered else { return }
        step(.read(context: reads.beginRound()))
    }

    mutating func serveReads() {
        let applied = settings.mutations.contains(.readsBeforeApply) ? LogIndex(.max) : appliedIndex
        guard installing == nil else { return }
        for read in reads.ready(at: applied) { serve(read) }
    }

    private var hasRoomForReplies: Bool { effects.replyBytes.count < settings.replyBytesPerPass }

    private mutating func serve(_ read: Reads.Read) {
        guard deferred.isEmpty, hasRoomForReplies else { return deferred.append(.read(read)) }
        answer(read)
    }

    /// The first of a pass, in the order in which they were put off.
    mutating func serveDeferred() {
        while hasRoomForReplies, let item = deferred.next() {
            switch item {
            case .read(let read): answer(read)
            case .reply(let token, let reply): effects.reply(reply, to: token)
            }
        }
    }

    private mutating func answer(_ read: Reads.Read) {
        guard read.timeout != .none, let (space, template) = Query.waitable(read.query) else {
            let start = effects.replyBytes.count
            read.query.withUnsafeBytes { machine.answer(encoded: $0, into: &effects.replyBytes) }
            effects.replies.append(.init(token: read.token, range: start..<effects.replyBytes.count))
            return
        }
        let reply = machine.answer(.read(space: space, template: template))
        guard reply == .noMatch else { return effects.reply(reply, to: read.token) }
        let limit = settings.maximumWatches
        guard watches.count < limit else {
            return effects.reply(
                .failed(Failure(.busy, "\(limit) reads wait at this server, which is its limit")), to: read.token)
        }
        let deadline: MonotonicTime
        switch read.timeout {
        case .forever: deadline = MonotonicTime(nanoseconds: .max)
        case .milliseconds(let ms): deadline = now.advanced(byMilliseconds: min(ms, Limits.timeoutMilliseconds))
        }
        watches.insert(read.token, .init(space: space, template: template, deadline: deadline))
    }

    /// Hands what an entry did to those who wait for it here.
    mutating func notify() {
        defer { subscriptions.dispatched = machine.lastPosition }
        guard !watches.isEmpty || !subscriptions.isEmpty else { return }
        guard machine.lastPosition > subscriptions.dispatched else { return }
        guard let events = machine.events(after: subscriptions.dispatched, limit: .max) else {
            return subscriptions.restart()
        }
        if !watches.isEmpty { wake(by: events) }
        deliver(events)
    }

    private mutating func wake(by events: [Event]) {
        var writer = ByteWriter()
        for event in events where event.makesVisible {
            writer.reset()
            event.tuple.tuple.encode(into: &writer)
            let matched = writer.bytes.withUnsafeBytes { watches.take(matching: $0, in: event.space) }
            for token in matched {
                let reply = Reply.found(event.tuple, position: event.position)
                if hasRoomForReplies { effects.reply(reply, to: token) } else { deferred.append(.reply(token, reply)) }
            }
        }
    }

    mutating func reviewReads() {
        for token in watches.takeExpired(at: now) { effects.reply(.noMatch, to: token) }
        fail(reads.overdue(at: now))
    }

    private mutating func fail(_ reads: [Reads.Read]) {
        for read in reads {
            effects.reply(
                .failed(Failure(.noLeader, "no leader confirmed the read in time: a majority of servers is needed")),
                to: read.token)
        }
    }

    // MARK: - Subscriptions

    /// Events of a space from behind `position` (nil: from now) until `forget` or `endedSubscriptions`.
    public mutating func subscribe(
        _ token: RequestToken, space: String, template: Template?, after position: Position?
    ) {
        let limit = settings.maximumSubscriptions
        guard subscriptions.count < limit else {
            effects.endedSubscriptions.append(
                (token, Failure(.busy, "\(limit) subscriptions are open at this server, which is its limit")))
            return
        }
        let start = position ?? machine.lastPosition
        subscriptions.insert(
            token,
            .init(space: space, template: template, position: start, isCatchingUp: position != nil, toldAt: now))
        // The first batch tells where the subscription begins.
        if position == nil { tell(token, []) }
    }

    private mutating func deliver(_ events: [Event]) {
        guard let last = events.last else { return }
        for token in subscriptions.tokens {
            guard var subscription = subscriptions[token], !subscription.isCatchingUp else { continue }
            let matching = events.filter { $0.position > subscription.position && subscription.wants($0) }
            subscription.position = max(subscription.position, last.position)
            subscriptions[token] = subscription
            if !matching.isEmpty { tell(token, matching) }
        }
    }

    /// Those that read the ring get the next page of it; idle ones are told where they are.
    mutating func continueSubscriptions() {
        guard !subscriptions.isEmpty, installing == nil else { return }
        beatSubscriptions()
        for token in subscriptions.tokensCatchingUp {
            guard var subscription = subscriptions[token] else { continue }
            guard let page = machine.events(after: subscription.position, limit: settings.eventsPerDelivery) else {
                subscriptions.end(token)
                effects.endedSubscriptions.append((token, positionGone(subscription.position)))
                continue
            }
            subscription.isCatchingUp = page.count == settings.eventsPerDelivery
            if let last = page.last { subscription.position = max(subscription.position, last.position) }
            subscriptions[token] = subscription
            let matching = page.filter { subscription.wants($0) }
            if !matching.isEmpty || !page.isEmpty { tell(token, matching) }
        }
    }

    private mutating func beatSubscriptions() {
        let heartbeat = settings.subscriptionHeartbeatMilliseconds * 1_000_000
        guard now.since(subscriptions.lookedAt) >= heartbeat / 16 else { return }
        subscriptions.lookedAt = now
        for token in subscriptions.tokens {
            guard let subscription = subscriptions[token], !subscription.isCatchingUp else { continue }
            if now.since(subscription.toldAt) >= heartbeat { tell(token, []) }
        }
    }

    private mutating func tell(_ token: RequestToken, _ events: [Event]) {
        guard let subscription = subscriptions[token] else { return }
        subscriptions[token]?.toldAt = now
        effects.events.append(.init(token: token, batch: EventBatch(events: events, position: subscription.position)))
    }

    private func positionGone(_ position: Position) -> Failure {
        Failure(
            .positionGone,
            "position \(position) is behind what is kept (\(Limits.eventRingEvents) events); read anew and subscribe from "
                + "\(machine.lastPosition)")
    }
}

extension Subscriptions.Subscription {
    func wants(_ event: Event) -> Bool {
        event.space == space && (template?.matches(event.tuple.tuple) ?? true)
    }
}

extension Query {
    /// Space and template of an encoded `read`: the one query that can wait.
    static func waitable(_ bytes: [UInt8]) -> (space: String, template: Template)? {
        bytes.withUnsafeBytes { bytes in
            var reader = ByteReader(bytes)
            guard case .read(let space, let template) = try? Query(from: &reader) else { return nil }
            return (space, template)
        }
    }
}
