import ByteCoding
import Raft
import TupleSpace

extension Replica {
    /// A read came to this server.
    /// - query: an encoded `Query`.
    /// - timeout: how long a `read` that matches nothing waits, by this server's clock. Of no meaning for other queries.
    public mutating func query(
        _ token: RequestToken, query: UnsafeRawBufferPointer, consistency: Consistency, timeout: Timeout,
        as credential: Credential = .anonymous
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
            token: token, query: [UInt8](query), credential: credential, timeout: timeout,
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
            read.query.withUnsafeBytes {
                machine.answer(encoded: $0, as: read.credential, into: &effects.replyBytes)
            }
            effects.replies.append(
                .init(token: read.token, range: start..<effects.replyBytes.count, position: position))
            return
        }
        let reply = machine.answer(.read(space: space, template: template), as: read.credential)
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
        watches.insert(
            read.token,
            .init(space: space, template: template, credential: read.credential, deadline: deadline))
    }

    /// An event that somebody here waits for.
    private struct Wanted {
        var event: Event
        var watchers: [RequestToken]
        var subscribers: [RequestToken]
    }

    /// Hands what an entry did to those who wait for it here.
    mutating func notify() {
        let last = machine.lastPosition
        guard last > subscriptions.dispatched else { return }
        guard !watches.isEmpty || !subscriptions.isEmpty else { return subscriptions.dispatched = last }
        guard let wanted = wantedEvents() else { return subscriptions.restart(at: last) }
        subscriptions.dispatched = last
        for item in wanted where !item.watchers.isEmpty { wake(item.watchers, by: item.event) }
        deliver(wanted)
    }

    /// Of what was not handed out yet, that which somebody wants. Nearly always nothing: no other event is decoded.
    private func wantedEvents() -> [Wanted]? {
        var wanted: [Wanted] = []
        let isThere = machine.forEachEvent(after: subscriptions.dispatched) { view in
            let (watchers, subscribers) = (watches.matches(view), subscriptions.matches(view))
            if !watchers.isEmpty || !subscribers.isEmpty, let event = view.event {
                wanted.append(Wanted(event: event, watchers: watchers, subscribers: subscribers))
            }
            return true
        }
        return isThere ? wanted : nil
    }

    private mutating func wake(_ watchers: [RequestToken], by event: Event) {
        var (allowed, refused): ([RequestToken], [(token: RequestToken, failure: Failure)]) = ([], [])
        for token in watchers {
            guard let watch = watches[token] else { continue }
            if let failure = machine.refusal(toRead: watch.space, as: watch.credential) {
                refused.append((token, failure))
            } else if machine.mayRead(event.tuple.tuple, in: watch.space, as: watch.credential) {
                allowed.append(token)
            }
        }
        let reply = Reply.found(event.tuple, position: event.position)
        for token in watches.take(allowed) {
            if hasRoomForReplies { effects.reply(reply, to: token) } else { deferred.append(.reply(token, reply)) }
        }
        for (token, failure) in refused where watches.forget(token) { effects.reply(.failed(failure), to: token) }
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
        _ token: RequestToken, space: String, template: Template?, after position: Position?,
        as credential: Credential = .anonymous
    ) {
        let limit = settings.maximumSubscriptions
        guard subscriptions.count < limit else {
            effects.endedSubscriptions.append(
                (token, Failure(.busy, "\(limit) subscriptions are open at this server, which is its limit")))
            return
        }
        if position.map(isReached) ?? true, let failure = machine.refusal(toRead: space, as: credential) {
            return effects.endedSubscriptions.append((token, failure))
        }
        let start = position ?? machine.lastPosition
        subscriptions.insert(
            token,
            .init(
                filter: EventFilter(space: space, template: template), space: space, credential: credential,
                position: start, isCatchingUp: position != nil,
                toldAt: now))
        // The first batch tells where the subscription begins.
        if position == nil { tell(token, []) }
    }

    /// One batch for each subscriber, in ascending order.
    private mutating func deliver(_ wanted: [Wanted]) {
        var batches: [RequestToken: [Event]] = [:]
        for item in wanted {
            for token in item.subscribers where subscriptions.isNews(item.event.position, for: token) {
                batches[token, default: []].append(item.event)
            }
        }
        for (token, events) in batches.sorted(by: { $0.key < $1.key }) where !endIfRefused(token) {
            tell(token, visible(events, to: token))
        }
    }

    /// Those that read the ring get the next page of it; idle ones are told where they are.
    mutating func continueSubscriptions() {
        guard !subscriptions.isEmpty, installing == nil else { return }
        beatSubscriptions()
        for token in subscriptions.tokensCatchingUp {
            guard !endIfRefused(token), var subscription = subscriptions[token] else { continue }
            let start = subscription.position
            guard let events = readPage(&subscription) else {
                subscriptions.end(token)
                effects.endedSubscriptions.append((token, positionGone(start)))
                continue
            }
            subscriptions[token] = subscription
            if subscription.position > start { tell(token, events) }
        }
    }

    /// Moves on over a page of the ring; nil if that no longer reaches back so far.
    private func readPage(_ subscription: inout Subscriptions.Subscription) -> [Event]? {
        var (seen, last) = (0, subscription.position)
        var events: [Event] = []
        let isThere = machine.forEachEvent(after: subscription.position) { view in
            seen += 1
            last = view.position
            if subscription.filter.matches(view), let event = view.event,
                machine.mayRead(event.tuple.tuple, in: event.space, as: subscription.credential)
            {
                events.append(event)
            }
            return seen < settings.eventsPerDelivery
        }
        subscription.position = last
        subscription.isCatchingUp = seen == settings.eventsPerDelivery
        return isThere ? events : nil
    }

    private mutating func beatSubscriptions() {
        let heartbeat = settings.subscriptionHeartbeatMilliseconds * 1_000_000
        guard now.since(subscriptions.lookedAt) >= heartbeat / 16 else { return }
        subscriptions.lookedAt = now
        for token in subscriptions.tokens {
            guard let subscription = subscriptions[token], !subscription.isCatchingUp else { continue }
            if now.since(subscription.toldAt) >= heartbeat, !endIfRefused(token) { tell(token, []) }
        }
    }

    /// Rights may have changed since it began.
    private mutating func endIfRefused(_ token: RequestToken) -> Bool {
        guard let subscription = subscriptions[token], isReached(subscription.position),
            let failure = machine.refusal(toRead: subscription.space, as: subscription.credential)
        else { return false }
        subscriptions.end(token)
        effects.endedSubscriptions.append((token, failure))
        return true
    }

    /// Before that this server may know less of rights than the subscriber was judged by elsewhere.
    private func isReached(_ position: Position) -> Bool { position.index <= machine.appliedIndex }

    private func visible(_ events: [Event], to token: RequestToken) -> [Event] {
        guard let credential = subscriptions[token]?.credential else { return [] }
        return events.filter { machine.mayRead($0.tuple.tuple, in: $0.space, as: credential) }
    }

    private mutating func tell(_ token: RequestToken, _ events: [Event]) {
        guard let subscription = subscriptions[token] else { return }
        subscriptions[token]?.toldAt = now
        let position = subscriptions.seen(subscription)
        effects.events.append(.init(token: token, batch: EventBatch(events: events, position: position)))
    }

    private func positionGone(_ position: Position) -> Failure {
        Failure(
            .positionGone,
            "position \(position) is behind what is kept (\(Limits.eventRingEvents) events); read anew and subscribe from "
                + "\(machine.lastPosition)")
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
