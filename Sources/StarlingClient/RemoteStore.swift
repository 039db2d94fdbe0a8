import ByteCoding
import ClientProtocol
import TupleSpace

/// The calls of a `TupleStore` as requests to the engine. Encoding and decoding happen in the caller's task, so that
/// the engine's one thread only moves bytes.
struct RemoteStore: Sendable {
    let inbox: Inbox
    let settings: ClientSettings
    /// Nil: the client's own.
    let session: SessionID?

    // MARK: Commands

    func write(_ tuple: Tuple, to space: String, key: IdempotencyKey?) async throws(Failure) -> WriteResult {
        let operation = try encode(.write(space: space, tuple: tuple), key)
        let answer = try await send(.command(session: session, operation: operation))
        guard case .written(let id, let position) = try Self.reply(answer) else { throw Self.unexpected("write") }
        return WriteResult(id: id, position: position)
    }

    func perform(
        _ operation: Operation, key: IdempotencyKey?
    ) async throws(Failure) -> (reply: Reply, position: Position) {
        let answer = try await send(
            .command(session: session, operation: try encode(operation, key)), wait: operation.timeout ?? .none)
        return (try Self.reply(answer), answer.position)
    }

    func perform(
        _ operation: Operation, under header: CommandHeader
    ) async throws(Failure) -> (reply: Reply, position: Position) {
        let answer = try await send(
            .command(session: header.session, operation: try encode(operation, nil)), wait: operation.timeout ?? .none,
            under: header)
        return (try Self.reply(answer), answer.position)
    }

    func take(
        _ template: Template, from space: String, timeout: Timeout, key: IdempotencyKey?
    ) async throws(Failure) -> HeldTuple? {
        let holds = key == nil
        let operation = try encode(.take(space: space, template: template, timeout: timeout, holds: holds), key)
        let answer = try await send(.command(session: session, operation: operation), wait: timeout, holds: holds)
        switch try Self.reply(answer) {
        case .noMatch: return nil
        case .found(let stored, let position):
            guard holds else { return HeldTuple(stored: stored, position: position, acknowledge: {}, release: {}) }
            return held(stored, at: position, answer)
        default: throw Self.unexpected("take")
        }
    }

    private func held(_ stored: StoredTuple, at position: Position, _ answer: Answer) -> HeldTuple {
        let inbox = inbox
        let session = answer.session
        let sequence = answer.sequence
        return HeldTuple(stored: stored, position: position) {
            // A closed client has ended the session, and the tuple is back: nothing is left to acknowledge.
            _ = inbox.put(.acknowledge(session, sequence: sequence))
        } release: {
            _ = await withCheckedContinuation { (continuation: AnswerContinuation) in
                if !inbox.put(.release(session, sequence: sequence, continuation)) {
                    continuation.resume(returning: .failure(.closed))
                }
            }
        }
    }

    /// Refuses at once what every server would refuse, in the same words.
    private func encode(_ operation: Operation, _ key: IdempotencyKey?) throws(Failure) -> [UInt8] {
        let operation = key.map { Operation.keyed(key: $0.key, digest: $0.digest, operation) } ?? operation
        try operation.validate()
        var writer = ByteWriter(reserving: 256)
        operation.encode(into: &writer)
        return writer.take()
    }

    // MARK: Queries

    func read(
        _ template: Template, from space: String, timeout: Timeout, consistency: Consistency
    ) async throws(Failure) -> (tuple: StoredTuple?, position: Position) {
        let answer = try await send(try query(.read(space: space, template: template), consistency), wait: timeout)
        switch try Self.reply(answer) {
        case .noMatch: return (nil, answer.position)
        case .found(let stored, let position): return (stored, max(position, answer.position))
        default: throw Self.unexpected("read")
        }
    }

    func ask(_ query: Query, consistency: Consistency) async throws(Failure) -> (reply: Reply, position: Position) {
        let answer = try await send(try self.query(query, consistency))
        return (try Self.reply(answer), answer.position)
    }

    private func query(_ query: Query, _ consistency: Consistency) throws(Failure) -> Request.Body {
        try query.validate()
        var writer = ByteWriter(reserving: 128)
        query.encode(into: &writer)
        return .query(consistency, query: writer.take())
    }

    // MARK: Events

    func events(
        matching template: Template?, in space: String, after position: Position?
    ) async throws(Failure) -> EventStream {
        try SpaceName.validate(space)
        try template?.validate()
        let feed = SubscriptionFeed(
            id: inbox.makeID(), space: space, template: template, start: position, limit: settings.bufferedEvents)
        let request = Request(id: feed.id, body: .subscribe(feed), completion: .nobody)
        guard inbox.put(.request(request)) else { throw Failure.closed }
        let reader = EventReader(feed: feed, inbox: inbox)
        if position == nil {
            // The first batch tells where "now" is: from here on nothing is missed.
            guard let first = try await reader.next() else {
                throw Failure(.noLeader, "the task was cancelled before the subscription began")
            }
            reader.putBack(first)
        }
        return EventStream { try await reader.next() }
    }

    // MARK: Sending

    /// - header: of a command that its sender has numbered.
    func send(
        _ body: Request.Body, wait: Timeout = .none, holds: Bool = false, under header: CommandHeader? = nil
    ) async throws(Failure) -> Answer {
        let id = inbox.makeID()
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { (continuation: AnswerContinuation) in
                let request = Request(id: id, body: body, wait: wait, holds: holds, completion: .caller(continuation))
                let submission = header.map { Submission.numbered($0, request) } ?? .request(request)
                guard inbox.put(submission) else { return continuation.resume(returning: .failure(.closed)) }
                // A task that was cancelled before has sent its cancel ahead of the request, where it meant nothing.
                if Task.isCancelled, wait != .none { _ = inbox.put(.cancel(id: id)) }
            }
        } onCancel: {
            // Only what waits can be given up; the rest is answered soon, and must be, for its outcome to be known.
            if wait != .none { _ = inbox.put(.cancel(id: id)) }
        }
        return try result.get()
    }

    static func reply(_ answer: Answer) throws(Failure) -> Reply {
        let reply = try answer.decode("reply") { reader throws(MalformedBytes) in try Reply(from: &reader) }
        if case .failed(let failure) = reply { throw failure }
        return reply
    }

    static func requireDone(_ answer: Answer) throws(Failure) {
        guard case .done = try reply(answer) else { throw unexpected("session") }
    }

    private static func unexpected(_ what: String) -> Failure {
        Failure(.malformed, "the server answered a \(what) with a reply of another kind")
    }
}

extension Answer {
    /// - Parameter what: how a failure calls it.
    /// - Throws: `malformed` unless all of the payload is one.
    func decode<Value>(
        _ what: String, _ read: (inout ByteReader) throws(MalformedBytes) -> Value
    ) throws(Failure) -> Value {
        // The closure of withUnsafeBytes cannot name its error, so the result carries it.
        let result: Result<Value, MalformedBytes> = payload.withUnsafeBytes { bytes in
            var reader = ByteReader(bytes)
            do throws(MalformedBytes) {
                let value = try read(&reader)
                try reader.requireEnd(what)
                return .success(value)
            } catch {
                return .failure(error)
            }
        }
        do throws(MalformedBytes) {
            return try result.get()
        } catch {
            throw Failure(.malformed, "the server sent a \(what) that cannot be read: \(error)")
        }
    }
}
