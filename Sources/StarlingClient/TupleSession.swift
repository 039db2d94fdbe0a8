import ByteCoding
import TupleSpace

/// A session at the cluster. Everything written and taken through it is done exactly once, and its takes are held for
/// it.
///
/// End it with `end`; one that is dropped without ends with its client, or is kept alive until then.
public final class TupleSession: TupleStore, Sendable {
    public let id: SessionID
    /// Keeps the connection.
    private let client: StarlingClient
    private let store: RemoteStore

    init(id: SessionID, client: StarlingClient, store: RemoteStore) {
        self.id = id
        self.client = client
        self.store = store
    }

    /// Ends the session: takes that wait get nothing, tuples held and not acknowledged return to their places. Again:
    /// nothing more.
    public func end() async throws(Failure) {
        var writer = ByteWriter()
        Operation.endSession.encode(into: &writer)
        let operation = writer.take()
        let requestID = client.inbox.makeID()
        let result = await withCheckedContinuation { continuation in
            let request = Request(
                id: requestID, body: .command(session: id, operation: operation), completion: .caller(continuation))
            if !client.inbox.put(.end(id, request)) { continuation.resume(returning: .failure(.closed)) }
        }
        do throws(Failure) {
            try RemoteStore.requireDone(try result.get())
        } catch {
            // It has ended already: as it was to be.
            guard error.code == .sessionExpired else { throw error }
        }
    }

    /// Says what is written when this session ends without having been ended: when this process died, say, or was cut off for longer
    /// than the session's time-out. It is written behind the return of what the session holds, and seen by whoever waits for it.
    ///
    /// At most `Limits.failureTuplesPerSession` tuples; they take the place of those that were said before, and none say that there are
    /// to be none. Whoever waits for one learns of the death by a `take`.
    public func leave(_ failureTuples: [FailureTuple]) async throws(Failure) {
        guard case .done = try await store.perform(.leave(failureTuples), key: nil).reply else {
            throw Failure(.malformed, "the server answered a session with a reply of another kind")
        }
    }

    public func write(
        _ tuple: Tuple, to space: String, key: IdempotencyKey? = nil
    ) async throws(Failure) -> WriteResult {
        try await store.write(tuple, to: space, key: key)
    }

    public func perform(
        _ operation: TupleSpace.Operation, key: IdempotencyKey? = nil
    ) async throws(Failure) -> (reply: Reply, position: Position) {
        try await store.perform(operation, key: key)
    }

    public func perform(
        _ operation: TupleSpace.Operation, under header: CommandHeader
    ) async throws(Failure) -> (reply: Reply, position: Position) {
        try await store.perform(operation, under: header)
    }

    public func take(
        _ template: Template, from space: String, timeout: Timeout = .none, key: IdempotencyKey? = nil
    ) async throws(Failure) -> HeldTuple? {
        try await store.take(template, from: space, timeout: timeout, key: key)
    }

    public func read(
        _ template: Template, from space: String, timeout: Timeout = .none, consistency: Consistency = .linearizable
    ) async throws(Failure) -> (tuple: StoredTuple?, position: Position) {
        try await store.read(template, from: space, timeout: timeout, consistency: consistency)
    }

    public func ask(
        _ query: Query, consistency: Consistency = .linearizable
    ) async throws(Failure) -> (reply: Reply, position: Position) {
        try await store.ask(query, consistency: consistency)
    }

    public func events(
        matching template: Template?, in space: String, after position: Position? = nil
    ) async throws(Failure) -> EventStream {
        try await store.events(matching: template, in: space, after: position)
    }
}
