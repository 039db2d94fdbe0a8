import TupleSpace

/// The replicated tuplespace as this process's gateways see it.
public struct LocalTupleStore: SharedTupleStore {
    let door: LocalDoor
    var credential = Credential.anonymous

    public func acting(as credential: Credential) -> any TupleStore {
        LocalTupleStore(door: door, credential: credential)
    }

    public func write(_ tuple: Tuple, to space: String, key: IdempotencyKey?) async throws(Failure) -> WriteResult {
        let operation = Operation.write(space: space, tuple: tuple)
        try operation.validate()
        switch await door.command(operation.under(key), as: credential).answer.reply {
        case .written(let id, let position): return WriteResult(id: id, position: position)
        case .failed(let failure): throw failure
        case let other: throw unexpected(other)
        }
    }

    public func perform(
        _ operation: Operation, key: IdempotencyKey?
    ) async throws(Failure) -> (reply: Reply, position: Position) {
        try operation.validate()
        var isHeld = false
        if key == nil, case .reserve = operation { isHeld = true }
        let answer = await door.command(operation.under(key), isHeld: isHeld, as: credential).answer
        if case .failed(let failure) = answer.reply { throw failure }
        return (answer.reply, answer.position)
    }

    public func take(
        _ template: Template, from space: String, timeout: Timeout, key: IdempotencyKey?
    ) async throws(Failure) -> HeldTuple? {
        let holds = key == nil
        let operation = Operation.take(space: space, template: template, timeout: timeout, holds: holds)
        try operation.validate()
        let (answer, ticket) = await door.command(operation.under(key), isHeld: holds, as: credential)
        switch answer.reply {
        case .noMatch: return nil
        case .found(let stored, let position):
            let door = self.door
            return HeldTuple(
                stored: stored, position: position,
                acknowledge: { if holds { await door.acknowledge(ticket) } },
                release: { if holds { await door.release(ticket) } })
        case .failed(let failure): throw failure
        case let other: throw unexpected(other)
        }
    }

    public func read(
        _ template: Template, from space: String, timeout: Timeout, consistency: Consistency
    ) async throws(Failure) -> (tuple: StoredTuple?, position: Position) {
        let query = Query.read(space: space, template: template)
        try query.validate()
        let answer = await door.query(query, consistency: consistency, timeout: timeout, as: credential)
        switch answer.reply {
        case .noMatch: return (nil, answer.position)
        case .found(let stored, _): return (stored, answer.position)
        case .failed(let failure): throw failure
        case let other: throw unexpected(other)
        }
    }

    public func ask(
        _ query: Query, consistency: Consistency
    ) async throws(Failure) -> (reply: Reply, position: Position) {
        try query.validate()
        let answer = await door.query(query, consistency: consistency, as: credential)
        if case .failed(let failure) = answer.reply { throw failure }
        return (answer.reply, answer.position)
    }

    public func events(
        matching template: Template?, in space: String, after position: Position?
    ) async throws(Failure) -> EventStream {
        door.subscribe(to: space, template, after: position, as: credential)
    }

    private func unexpected(_ reply: Reply) -> Failure {
        Failure(.malformed, "the state machine gave an answer of the wrong kind: \(reply)")
    }
}

extension Operation {
    func under(_ key: IdempotencyKey?) -> Operation {
        guard let key else { return self }
        return .keyed(key: key.key, digest: key.digest, self)
    }
}
