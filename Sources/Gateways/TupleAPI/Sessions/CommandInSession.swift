import TupleSpace

/// The store for one request in a session: what that changes is a command under the number that the request bears, and so done once,
/// however often it is sent, and wherever. What it takes is the session's until the client says more; so what routes do when the client
/// is gone before the reply does nothing here.
struct CommandInSession: TupleStore {
    let store: any TupleStore
    let header: CommandHeader

    func perform(
        _ operation: Operation, under header: CommandHeader
    ) async throws(Failure) -> (reply: Reply, position: Position) {
        let result = try await store.perform(operation, under: header)
        guard operation.mayBeAnswered(by: result.reply) else { throw Self.otherRequest(header.sequence) }
        return result
    }

    func perform(
        _ operation: Operation, key: IdempotencyKey?
    ) async throws(Failure) -> (reply: Reply, position: Position) {
        try await perform(operation, under: header)
    }

    func write(_ tuple: Tuple, to space: String, key: IdempotencyKey?) async throws(Failure) -> WriteResult {
        let (reply, _) = try await perform(.write(space: space, tuple: tuple), under: header)
        guard case .written(let id, let position) = reply else { throw Self.otherRequest(header.sequence) }
        return WriteResult(id: id, position: position)
    }

    func take(
        _ template: Template, from space: String, timeout: Timeout, key: IdempotencyKey?
    ) async throws(Failure) -> HeldTuple? {
        let (reply, _) = try await perform(
            .take(space: space, template: template, timeout: timeout, holds: true), under: header)
        guard case .found(let stored, let position) = reply else { return nil }
        return HeldTuple(stored: stored, position: position, acknowledge: {}, release: {})
    }

    private static func otherRequest(_ sequence: UInt64) -> Failure {
        Failure(
            .idempotencyMismatch,
            "another request was sent under the number \(sequence) before: each has a number of its own in its session"
        )
    }

    // MARK: - What changes nothing

    private static let reads = Failure(
        .malformed, "what changes nothing belongs to no session: leave Starling-Session away")

    func read(
        _ template: Template, from space: String, timeout: Timeout, consistency: Consistency
    ) async throws(Failure) -> (tuple: StoredTuple?, position: Position) { throw Self.reads }

    func ask(
        _ query: Query, consistency: Consistency
    ) async throws(Failure) -> (reply: Reply, position: Position) { throw Self.reads }

    func events(
        matching template: Template?, in space: String, after position: Position?
    ) async throws(Failure) -> EventStream { throw Self.reads }
}
