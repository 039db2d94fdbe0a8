/// What the microblog and the gateways see of a tuplespace, wherever it lives: in this process, behind a wire, or in a test's
/// memory. Every implementation passes one conformance suite. All functions throw `Failure` only.
public protocol TupleStore: Sendable {
    /// - key: with it, the same call again (after an unknown outcome, or at another server) does nothing more and gets the same reply.
    func write(_ tuple: Tuple, to space: String, key: IdempotencyKey?) async throws(Failure) -> WriteResult

    /// Something else that changes tuples, and holds none; a statement may wait: see the functions of the extension, which make these operations.
    /// - Returns: what came of it, and a position at which it had been done.
    func perform(
        _ operation: Operation, key: IdempotencyKey?
    ) async throws(Failure) -> (reply: Reply, position: Position)

    /// A command of a session that whoever calls has opened and numbers: see `TupleStore+Sessions.swift`.
    func perform(
        _ operation: Operation, under header: CommandHeader
    ) async throws(Failure) -> (reply: Reply, position: Position)

    /// The oldest matching tuple, taken out; nil if none matched, or came before the time-out. With a key the take is final;
    /// without one the tuple is held until `HeldTuple.acknowledge`, and returns if that never comes.
    func take(
        _ template: Template, from space: String, timeout: Timeout, key: IdempotencyKey?
    ) async throws(Failure) -> HeldTuple?

    /// The oldest matching tuple; nil if none matched, or came before the time-out.
    func read(
        _ template: Template, from space: String, timeout: Timeout, consistency: Consistency
    ) async throws(Failure) -> (tuple: StoredTuple?, position: Position)

    /// A question that does not wait: see the functions of the extension, which make them.
    /// - Returns: the answer, and a position at which it was so.
    func ask(_ query: Query, consistency: Consistency) async throws(Failure) -> (reply: Reply, position: Position)

    /// Events of tuples that match, from behind a position on (nil: from now), without gap or repeat, until the task is cancelled.
    /// Ends by throwing `position-gone` when the position, or a reader that is too slow, fell behind the ring.
    func events(
        matching template: Template?, in space: String, after position: Position?
    ) async throws(Failure) -> EventStream
}

/// A store that many use, each with their own rights.
public protocol SharedTupleStore: TupleStore {
    /// The same tuples as somebody sees them, and what they may do to them.
    func acting(as credential: Credential) -> any TupleStore
}

extension TupleStore {
    /// A page of the tuples that match.
    public func readAll(
        _ template: Template, from space: String, page: Page, consistency: Consistency = .linearizable
    ) async throws(Failure) -> (tuples: [StoredTuple], more: Bool, position: Position) {
        let (reply, position) = try await ask(
            .readAll(space: space, template: template, page: page), consistency: consistency)
        guard case .tuples(let tuples, let more) = reply else { throw .unexpected(reply) }
        return (tuples, more, position)
    }

    /// How many tuples match.
    public func count(
        _ template: Template, in space: String, consistency: Consistency = .linearizable
    ) async throws(Failure) -> (count: UInt64, position: Position) {
        let (reply, position) = try await ask(.count(space: space, template: template), consistency: consistency)
        guard case .count(let count) = reply else { throw .unexpected(reply) }
        return (count, position)
    }

    /// Writes a tuple that goes by itself when its lease ends.
    /// - lease: milliseconds, at most `Limits.leaseMilliseconds`; nil lasts for ever.
    public func write(
        _ tuple: Tuple, to space: String, lease: UInt64?, key: IdempotencyKey? = nil
    ) async throws(Failure) -> WriteResult {
        guard let lease else { return try await write(tuple, to: space, key: key) }
        let (reply, _) = try await perform(.writeLeased(space: space, tuple: tuple, leaseMilliseconds: lease), key: key)
        return try WriteResult(reply)
    }

    /// Gives a tuple a lease from now on, or none: `forever`.
    /// - Returns: false if there is no such tuple, or its lease had ended, or it is held.
    public func renew(
        _ id: TupleID, in space: String, lease: Timeout, key: IdempotencyKey? = nil
    ) async throws(Failure) -> (isThere: Bool, position: Position) {
        let (reply, position) = try await perform(.renew(space: space, id: id, lease: lease), key: key)
        switch reply {
        case .done: return (true, position)
        case .noMatch: return (false, position)
        default: throw .unexpected(reply)
        }
    }

    /// Takes a tuple by its id, for good; nil if there is none, or it is held.
    public func take(
        _ id: TupleID, from space: String, key: IdempotencyKey? = nil
    ) async throws(Failure) -> (tuple: StoredTuple?, position: Position) {
        let (reply, position) = try await perform(.takeByID(space: space, id: id), key: key)
        switch reply {
        case .found(let stored, let position): return (stored, position)
        case .noMatch: return (nil, position)
        default: throw .unexpected(reply)
        }
    }

    /// Takes all tuples that match, for good, as one, as far as the page goes and `Limits.takeAllBytes` allows.
    public func takeAll(
        _ template: Template, from space: String, page: Page, key: IdempotencyKey? = nil
    ) async throws(Failure) -> (tuples: [StoredTuple], more: Bool, position: Position) {
        let (reply, position) = try await perform(.takeAll(space: space, template: template, page: page), key: key)
        guard case .tuples(let tuples, let more) = reply else { throw .unexpected(reply) }
        return (tuples, more, position)
    }

    /// Does a statement, as one or not at all; nil if no guard found anything in time.
    ///
    /// What it took is gone, also if the caller is gone before the answer: under a key it can be asked for again.
    /// - Returns: which alternative was done, from 0, and what came of its guard and its steps in turn.
    /// - Throws: `statement-failed` if a step could not be done.
    public func run(
        _ statement: Statement, key: IdempotencyKey? = nil
    ) async throws(Failure) -> (done: (alternative: Int, results: [Reply])?, position: Position) {
        let (reply, position) = try await perform(.statement(statement), key: key)
        switch reply {
        case .statement(let alternative, let results): return ((alternative, results), position)
        case .noMatch: return (nil, position)
        default: throw .unexpected(reply)
        }
    }

    /// Puts another tuple in one's place, under its id and with its lease; nil if there is none, or it is held.
    public func replace(
        _ id: TupleID, in space: String, with tuple: Tuple, key: IdempotencyKey? = nil
    ) async throws(Failure) -> WriteResult? {
        let (reply, _) = try await perform(.replace(space: space, id: id, tuple: tuple), key: key)
        if case .noMatch = reply { return nil }
        return try WriteResult(reply)
    }
}

extension WriteResult {
    init(_ reply: Reply) throws(Failure) {
        guard case .written(let id, let position) = reply else { throw .unexpected(reply) }
        self.init(id: id, position: position)
    }
}

extension Failure {
    static func unexpected(_ reply: Reply) -> Failure {
        Failure(.malformed, "the tuplespace gave an answer of the wrong kind: \(reply)")
    }
}

/// Events in batches as they were applied. `heartbeat` batches are empty and move the position on.
public struct EventBatch: Sendable {
    public var events: [Event]
    /// Everything up to and including this position has been seen.
    public var position: Position

    public init(events: [Event], position: Position) {
        self.events = events
        self.position = position
    }
}

public typealias EventStream = AsyncThrowingStream<EventBatch, any Error>

public struct WriteResult: Equatable, Sendable {
    public var id: TupleID
    public var position: Position

    public init(id: TupleID, position: Position) {
        self.id = id
        self.position = position
    }
}

/// A taken tuple that is not yet ours for good.
public struct HeldTuple: Sendable {
    public var stored: StoredTuple
    public var position: Position
    /// Makes the take final. Call it when the tuple is safely where it shall go.
    public var acknowledge: @Sendable () async -> Void
    /// Puts the tuple back where it was.
    public var release: @Sendable () async -> Void

    public init(
        stored: StoredTuple, position: Position, acknowledge: @escaping @Sendable () async -> Void,
        release: @escaping @Sendable () async -> Void
    ) {
        self.stored = stored
        self.position = position
        self.acknowledge = acknowledge
        self.release = release
    }
}

public struct IdempotencyKey: Hashable, Sendable {
    /// 1 to 255 bytes, chosen by the client.
    public var key: String
    /// SHA-256 of the request, so that another request under the same key is noticed.
    public var digest: [UInt8]

    public init(key: String, digest: [UInt8]) {
        self.key = key
        self.digest = digest
    }
}

public enum Consistency: Hashable, Sendable {
    /// Sees every write that was acknowledged anywhere before the read began.
    case linearizable
    /// At least as new as this position.
    case sequential(Position)
    /// What this server has, at once.
    case local
}
