import TupleSpace

// Finding and changing as one: nobody comes between. Each is a `Statement`; what these cannot say, a statement of your own can.

extension Space {
    /// Writes a tuple if no other matches the template.
    ///
    ///     let elected = try await locks.write("leader", name, lease: .seconds(10), ifAbsent: "leader", .any) != nil
    ///
    /// A tuple that somebody holds does not match: it is invisible.
    /// - Returns: nil if one matched, and nothing was written.
    public func write<each Field: FieldValue, First: FieldPattern, each Pattern: FieldPattern>(
        _ fields: repeat each Field, lease: Timeout = .forever, ifAbsent first: First, _ others: repeat each Pattern
    ) async throws(Failure) -> WriteResult? {
        let typed = TypedTemplate(first, repeat each others)
        let tuple = Tuple(repeat each fields)
        let statement = Statement(
            .always, .absent(space: name, .init(typed.template)), .write(space: name, .init(tuple), lease: lease))
        do throws(Failure) {
            let done = try await store.run(statement).done
            guard case .written(let id, let position)? = done?.results.last else { return nil }
            return WriteResult(id: id, position: position)
        } catch {
            guard error.code == .statementFailed else { throw error }
            return nil
        }
    }

    /// Puts what the closure makes of the oldest match in its place, under its id and with its lease.
    ///
    ///     try await counters.update("visits", .any(Int.self)) { name, count in (name, count + 1) }
    ///
    /// If somebody else was faster, the closure is called again with what is there then.
    /// - Returns: the tuple as it is now; nil if nothing matched, or came in time.
    @discardableResult
    public nonisolated(nonsending) func update<each Pattern: FieldPattern>(
        _ template: repeat each Pattern, timeout: Timeout = .none,
        _ change: (repeat (each Pattern).Matched) -> (repeat (each Pattern).Matched)
    ) async throws(Failure) -> (repeat (each Pattern).Matched)? {
        let typed = TypedTemplate(repeat each template)
        while let old = try await store.read(typed.template, from: name, timeout: timeout, consistency: .linearizable)
            .tuple
        {
            let fields = try typed.fields(of: old, in: name)
            let new = change(repeat each fields)
            let statement = Statement(
                .read(space: name, .init(equalTo: old.tuple)), .replace(step: 0, with: repeat each new))
            if try await store.run(statement).done != nil { return new }
        }
        return nil
    }

    /// Moves the oldest match to another space, where it gets a new id, and no lease.
    /// - Returns: nil if nothing matched, or came in time.
    @discardableResult
    public func move<each Pattern: FieldPattern>(
        _ template: repeat each Pattern, to other: Space, timeout: Timeout = .none
    ) async throws(Failure) -> (repeat (each Pattern).Matched)? {
        let typed = TypedTemplate(repeat each template)
        while let old = try await store.read(typed.template, from: name, timeout: timeout, consistency: .linearizable)
            .tuple
        {
            let fields = try typed.fields(of: old, in: name)
            let statement = Statement(
                .take(space: name, .init(equalTo: old.tuple)),
                .write(space: other.name, .init(old.tuple), lease: .forever))
            if try await store.run(statement).done != nil { return fields }
        }
        return nil
    }
}
