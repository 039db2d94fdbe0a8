import ByteCoding
import Dispatch

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// What an `InMemoryTupleStore` keeps: the same state machine as in a cluster, with one session and batches of one command.
actor InMemoryTuples {
    private static let session = SessionID(.max)

    private struct Watch {
        var credential: Credential
        var space: String
        var continuation: CheckedContinuation<Reply, Never>
        var deadline: ContinuousClock.Instant?
    }

    private(set) var machine: StateMachine
    private(set) var applied = Applied()
    var batch = BatchWriter()
    private let started = ContinuousClock.now
    private var nextSequence: UInt64 = 1
    /// Commands whose replies are awaited, and replies that came before anyone awaited them.
    private var waiting: [UInt64: CheckedContinuation<Reply, Never>] = [:]
    private var arrived: [UInt64: Reply] = [:]
    private var acknowledged: [UInt64] = []
    private var watches: [UInt64: Watch] = [:]
    private var watchIndex = TemplateIndex<UInt64>()
    private var nextWatch: UInt64 = 1
    private var eventWaiters: [UInt64: CheckedContinuation<Void, Never>] = [:]
    private var timerAt: UInt64?
    var clientSessions = ClientSessions()

    init() {
        let open = Operation.openSession(timeoutMilliseconds: Limits.sessionTimeoutMilliseconds.upperBound)
        var writer = ByteWriter()
        open.encode(into: &writer)
        var batch = BatchWriter()
        writer.bytes.withUnsafeBytes {
            batch.append(CommandHeader(session: Self.session, sequence: 0), operation: $0)
        }
        let payload = batch.finish(leaseTime: 0, wallStamp: Self.wallNow())
        var machine = StateMachine()
        var applied = Applied()
        payload.withUnsafeBytes { machine.apply($0, at: 1, into: &applied) }
        self.machine = machine
    }

    var waiterCount: Int { machine.waiterCount + watches.count }
    var heldCount: Int { machine.heldCount }

    // MARK: - TupleStore, as somebody

    func perform(
        _ operation: Operation, key: IdempotencyKey?, as credential: Credential
    ) async throws(Failure) -> (reply: Reply, position: Position) {
        let (reply, sequence) = try await run(key.wrap(operation), as: credential)
        acknowledge(sequence)
        if case .failed(let failure) = reply { throw failure }
        return (reply, machine.lastPosition)
    }

    func take(
        _ template: Template, from space: String, timeout: Timeout, key: IdempotencyKey?, as credential: Credential
    ) async throws(Failure) -> HeldTuple? {
        let operation = Operation.take(space: space, template: template, timeout: timeout, holds: key == nil)
        let (reply, sequence) = try await run(key.wrap(operation), as: credential)
        switch reply {
        case .found(let stored, let position):
            // Whoever was cancelled meanwhile does not want it any more; a take under a key can be asked for again.
            if Task.isCancelled, key == nil {
                release(sequence)
                return nil
            }
            guard key == nil else {
                acknowledge(sequence)
                return HeldTuple(stored: stored, position: position, acknowledge: {}, release: {})
            }
            return HeldTuple(
                stored: stored, position: position, acknowledge: { await self.settle(sequence) },
                release: { await self.release(sequence) })
        case .noMatch:
            acknowledge(sequence)
            return nil
        case .failed(let failure):
            acknowledge(sequence)
            throw failure
        default: throw Failure(.malformed, "unexpected reply to a take")
        }
    }

    func read(
        _ template: Template, from space: String, timeout: Timeout, as credential: Credential
    ) async throws(Failure) -> (tuple: StoredTuple?, position: Position) {
        let query = Query.read(space: space, template: template)
        try query.validate()
        try timeout.validate()
        var reply = machine.answer(query, as: credential)
        if case .noMatch = reply, timeout != .none {
            reply = await watch(template, in: space, timeout: timeout, as: credential)
        }
        switch reply {
        case .found(let stored, let position): return (stored, position)
        case .failed(let failure): throw failure
        default: return (nil, machine.lastPosition)
        }
    }

    func ask(_ query: Query, as credential: Credential) throws(Failure) -> (reply: Reply, position: Position) {
        try query.validate()
        let reply = machine.answer(query, as: credential)
        if case .failed(let failure) = reply { throw failure }
        return (reply, machine.lastPosition)
    }

    func events(
        matching template: Template?, in space: String, after position: Position?, as credential: Credential
    ) throws(Failure) -> EventStream {
        try SpaceName.validate(space)
        if let template { try template.validate() }
        if let failure = machine.refusal(toRead: space, as: credential) { throw failure }
        let start = position ?? machine.lastPosition
        guard machine.events(after: start, limit: 1) != nil else { throw positionGone(start) }
        let cursor = EventCursor(space: space, template: template, credential: credential, position: start)
        // The reader pulls from the ring, so nothing is buffered for it: one that is too slow falls behind the ring.
        return EventStream { try await self.nextBatch(cursor) }
    }

    // MARK: - Commands

    private static func wallNow() -> UInt64 {
        // Wall time for ids alone, where it may be anything that ascends.
        var time = timespec()
        guard clock_gettime(CLOCK_REALTIME, &time) == 0 else { return 0 }
        return UInt64(max(0, time.tv_sec)) * 1_000 + UInt64(max(0, time.tv_nsec)) / 1_000_000
    }

    /// Milliseconds since this store was made.
    var now: UInt64 {
        let (seconds, attoseconds) = (ContinuousClock.now - started).components
        return UInt64(seconds) * 1_000 + UInt64(attoseconds) / 1_000_000_000_000_000
    }

    private func run(_ operation: Operation, as credential: Credential) async throws(Failure) -> (
        Reply, sequence: UInt64
    ) {
        try operation.validate()
        let sequence = nextSequence
        nextSequence += 1
        submit(operation, sequence, as: credential)
        if let reply = arrived.removeValue(forKey: sequence) { return (reply, sequence) }
        let reply = await withTaskCancellationHandler {
            await withCheckedContinuation { waiting[sequence] = $0 }
        } onCancel: {
            Task { await self.cancel(sequence) }
        }
        return (reply, sequence)
    }

    /// A cancel that comes after the reply changes nothing.
    private func cancel(_ sequence: UInt64) {
        guard waiting[sequence] != nil else { return }
        submitInPassing(.cancel(sequence: sequence))
    }

    private func release(_ sequence: UInt64) {
        submitInPassing(.release(sequence: sequence))
        acknowledge(sequence)
    }

    private func settle(_ sequence: UInt64) {
        acknowledge(sequence)
        submitInPassing(.acknowledge)
    }

    /// A command whose reply says nothing.
    private func submitInPassing(_ operation: Operation) {
        let sequence = nextSequence
        nextSequence += 1
        submit(operation, sequence)
        arrived[sequence] = nil
        acknowledge(sequence)
    }

    /// Told by the next command.
    private func acknowledge(_ sequence: UInt64) { acknowledged.append(sequence) }

    private func submit(_ operation: Operation, _ sequence: UInt64, as credential: Credential = .anonymous) {
        var writer = ByteWriter()
        operation.encode(into: &writer)
        let header = CommandHeader(
            session: Self.session, sequence: sequence, acknowledged: acknowledged.sorted(),
            caller: credential.text)
        acknowledged.removeAll()
        writer.bytes.withUnsafeBytes { batch.append(header, operation: $0) }
        applyBatch()
    }

    func applyBatch() {
        let before = machine.lastPosition
        let payload = batch.finish(leaseTime: now, wallStamp: Self.wallNow())
        applied.reset()
        payload.withUnsafeBytes { machine.apply($0, at: machine.appliedIndex + 1, into: &applied) }
        deliverReplies()
        tendClientSessions()
        wakeWatches(after: before)
        let readers = eventWaiters
        eventWaiters.removeAll()
        for reader in readers.values { reader.resume() }
        setTimer()
    }

    private func deliverReplies() {
        applied.bytes.bytes.withUnsafeBytes { bytes in
            for outcome in applied.outcomes {
                var reader = ByteReader(UnsafeRawBufferPointer(rebasing: bytes[outcome.range]))
                guard let reply = try? Reply(from: &reader) else { continue }
                guard outcome.session == Self.session else {
                    clientSessions.deliver(reply, outcome.session, outcome.sequence)
                    continue
                }
                if let continuation = waiting.removeValue(forKey: outcome.sequence) {
                    continuation.resume(returning: reply)
                } else {
                    arrived[outcome.sequence] = reply
                }
            }
        }
    }
}

// MARK: - Waiting

extension InMemoryTuples {
    private func watch(
        _ template: Template, in space: String, timeout: Timeout, as credential: Credential
    ) async -> Reply {
        let id = nextWatch
        nextWatch += 1
        var deadline: ContinuousClock.Instant?
        if case .milliseconds(let ms) = timeout { deadline = .now + .milliseconds(ms) }
        return await withTaskCancellationHandler {
            if Task.isCancelled { return .noMatch }
            watchIndex.insert(id, EventFilter(space: space, template: template))
            return await withCheckedContinuation { continuation in
                watches[id] = Watch(
                    credential: credential, space: space, continuation: continuation, deadline: deadline)
                if case .milliseconds(let ms) = timeout { wake(afterMilliseconds: ms) }
            }
        } onCancel: {
            Task { await self.endWatch(id, .noMatch) }
        }
    }

    private func endWatch(_ id: UInt64, _ reply: Reply) {
        guard let watch = watches.removeValue(forKey: id) else { return }
        watchIndex.remove(id)
        watch.continuation.resume(returning: reply)
    }

    private func wakeWatches(after position: Position) {
        guard !watches.isEmpty else { return }
        var woken: [(event: Event, ids: [UInt64])] = []
        _ = machine.forEachEvent(after: position) { view in
            let ids = view.kind.makesVisible ? watchIndex.matches(view) : []
            if !ids.isEmpty, let event = view.event { woken.append((event, ids)) }
            return true
        }
        for (event, ids) in woken {
            for id in ids {
                guard let watch = watches[id] else { continue }
                if let failure = machine.refusal(toRead: watch.space, as: watch.credential) {
                    endWatch(id, .failed(failure))
                } else if machine.mayRead(event.tuple.tuple, in: watch.space, as: watch.credential) {
                    endWatch(id, .found(event.tuple, position: event.position))
                }
            }
        }
    }

    /// Has the state machine's next deadline come to pass.
    private func setTimer() {
        guard let deadline = machine.nextDeadline, timerAt.map({ deadline < $0 }) ?? true else { return }
        timerAt = deadline
        let now = now
        wake(afterMilliseconds: deadline > now ? deadline - now : 0)
    }

    nonisolated func wake(afterMilliseconds milliseconds: UInt64) {
        // One more, since both clocks count whole milliseconds.
        let delay = DispatchTimeInterval.milliseconds(Int(min(milliseconds, Limits.timeoutMilliseconds)) + 1)
        DispatchQueue.global().asyncAfter(deadline: .now() + delay) {
            Task { await self.timePassed() }
        }
    }

    private func timePassed() {
        endSilentSessions()
        let now = ContinuousClock.now
        for id in watches.filter({ $0.value.deadline.map { $0 <= now } ?? false }).keys.sorted() {
            endWatch(id, .noMatch)
        }
        timerAt = nil
        if let deadline = machine.nextDeadline, deadline <= self.now { applyBatch() } else { setTimer() }
    }
}

// MARK: - Events

/// Where one reader of events is.
private actor EventCursor {
    let space: String
    let template: Template?
    let credential: Credential
    var position: Position

    init(space: String, template: Template?, credential: Credential, position: Position) {
        self.space = space
        self.template = template
        self.credential = credential
        self.position = position
    }

    func advance(to position: Position) { self.position = position }

    nonisolated func wants(_ event: Event) -> Bool {
        event.space.hasSameUTF8(as: space) && (template?.matches(event.tuple.tuple) ?? true)
    }
}

extension InMemoryTuples {
    private static let eventsPerBatch = 256

    private func positionGone(_ position: Position) -> Failure {
        Failure(
            .positionGone,
            "Position \(position) is behind what is kept (\(Limits.eventRingEvents) events); the first one that can be "
                + "resumed from is \(machine.firstResumablePosition).")
    }

    /// The next batch with something in it, or an empty one when much went by that did not match; nil when the task was cancelled.
    private func nextBatch(_ cursor: EventCursor) async throws -> EventBatch? {
        while !Task.isCancelled {
            let position = await cursor.position
            if let failure = machine.refusal(toRead: cursor.space, as: cursor.credential) { throw failure }
            guard let page = machine.events(after: position, limit: Self.eventsPerBatch) else {
                throw positionGone(position)
            }
            guard let last = page.last else {
                await nextApply()
                continue
            }
            await cursor.advance(to: last.position)
            let matching = page.filter { event in
                cursor.wants(event) && machine.mayRead(event.tuple.tuple, in: event.space, as: cursor.credential)
            }
            if !matching.isEmpty || page.count == Self.eventsPerBatch {
                return EventBatch(events: matching, position: last.position)
            }
        }
        return nil
    }

    private func nextApply() async {
        let id = nextWatch
        nextWatch += 1
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                if Task.isCancelled { continuation.resume() } else { eventWaiters[id] = continuation }
            }
        } onCancel: {
            Task { await self.endEventWait(id) }
        }
    }

    private func endEventWait(_ id: UInt64) { eventWaiters.removeValue(forKey: id)?.resume() }
}

extension IdempotencyKey? {
    fileprivate func wrap(_ operation: Operation) -> Operation {
        map { .keyed(key: $0.key, digest: $0.digest, operation) } ?? operation
    }
}
