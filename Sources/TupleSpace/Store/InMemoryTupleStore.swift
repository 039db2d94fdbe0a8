/// A tuplespace in this process's memory, with nobody to replicate to: for tests of whatever uses a `TupleStore`.
public struct InMemoryTupleStore: SharedTupleStore {
    private let tuples: InMemoryTuples
    private let credential: Credential

    /// An empty one.
    /// - credential: of whoever uses it; events bear their name.
    public init(as credential: Credential = .anonymous) { self.init(InMemoryTuples(), as: credential) }

    private init(_ tuples: InMemoryTuples, as credential: Credential) {
        self.tuples = tuples
        self.credential = credential
    }

    public func acting(as credential: Credential) -> any TupleStore { Self(tuples, as: credential) }

    /// How many takes and reads wait, so that tests need not guess when one does.
    public var waiterCount: Int { get async { await tuples.waiterCount } }
    public var heldCount: Int { get async { await tuples.heldCount } }

    public func write(_ tuple: Tuple, to space: String, key: IdempotencyKey?) async throws(Failure) -> WriteResult {
        try WriteResult(try await perform(.write(space: space, tuple: tuple), key: key).reply)
    }

    public func perform(
        _ operation: Operation, key: IdempotencyKey?
    ) async throws(Failure) -> (reply: Reply, position: Position) {
        try await tuples.perform(operation, key: key, as: credential)
    }

    public func perform(
        _ operation: Operation, under header: CommandHeader
    ) async throws(Failure) -> (reply: Reply, position: Position) {
        var header = header
        header.caller = credential.text
        return try await tuples.perform(operation, under: header)
    }

    public func take(
        _ template: Template, from space: String, timeout: Timeout, key: IdempotencyKey?
    ) async throws(Failure) -> HeldTuple? {
        try await tuples.take(template, from: space, timeout: timeout, key: key, as: credential)
    }

    public func read(
        _ template: Template, from space: String, timeout: Timeout, consistency: Consistency
    ) async throws(Failure) -> (tuple: StoredTuple?, position: Position) {
        try await tuples.read(template, from: space, timeout: timeout, as: credential)
    }

    public func ask(
        _ query: Query, consistency: Consistency
    ) async throws(Failure) -> (reply: Reply, position: Position) {
        try await tuples.ask(query, as: credential)
    }

    public func events(
        matching template: Template?, in space: String, after position: Position?
    ) async throws(Failure) -> EventStream {
        try await tuples.events(matching: template, in: space, after: position, as: credential)
    }
}
