import TupleSpace

// Reading, taking and counting. A task that is cancelled while it waits gets nil.

extension Space {
    /// The oldest match, which stays where it is; nil if there is none, or none came in time.
    public func read<each Pattern: FieldPattern>(
        _ template: repeat each Pattern, timeout: Timeout = .none, consistency: Consistency = .linearizable
    ) async throws(Failure) -> (repeat (each Pattern).Matched)? {
        let typed = TypedTemplate(repeat each template)
        let stored = try await store.read(typed.template, from: name, timeout: timeout, consistency: consistency).tuple
        guard let stored else { return nil }
        return try typed.fields(of: stored, in: name)
    }

    /// All matches, as far as the page goes.
    /// - Parameters:
    ///   - template: what to find, field by field.
    ///   - limit: 1 to `Limits.pageTuples`. A page ends at `Limits.pageBytes` too.
    ///   - order: by age.
    ///   - id: goes on behind this tuple, in the order asked for.
    ///   - consistency: how new the answer is.
    public func readAll<each Pattern: FieldPattern>(
        _ template: repeat each Pattern, limit: Int = Limits.pageTuples, order: Page.Order = .oldest,
        after id: TupleID? = nil, consistency: Consistency = .linearizable
    ) async throws(Failure) -> FoundPage<(repeat (each Pattern).Matched)> {
        let typed = TypedTemplate(repeat each template)
        let page = Page(limit, order, after: id)
        let found = try await store.readAll(typed.template, from: name, page: page, consistency: consistency)
        return typed.page(found, in: name)
    }

    /// How many tuples match.
    public func count<each Pattern: FieldPattern>(
        _ template: repeat each Pattern, consistency: Consistency = .linearizable
    ) async throws(Failure) -> Int {
        let typed = TypedTemplate(repeat each template)
        return Int(clamping: try await store.count(typed.template, in: name, consistency: consistency).count)
    }

    /// Takes the oldest match, for good; nil if there is none, or none came in time.
    ///
    /// It is yours alone once this returns. If the process dies before, the tuple stays; if it dies right after, the tuple is gone: work that
    /// must be done is taken with a closure, or held.
    public func take<each Pattern: FieldPattern>(
        _ template: repeat each Pattern, timeout: Timeout = .none
    ) async throws(Failure) -> (repeat (each Pattern).Matched)? {
        guard let held = try await hold(repeat each template, timeout: timeout) else { return nil }
        await held.acknowledge()
        return held.fields
    }

    /// Takes the oldest match and works on it. When the closure returns, the tuple is gone; when it throws, or the process dies, the tuple is
    /// back in its place. So the work is done at least once.
    /// - Returns: what the closure made; nil if nothing matched, or came in time.
    /// - Throws: `Failure`, or what the closure threw.
    @discardableResult
    public nonisolated(nonsending) func take<each Pattern: FieldPattern, Result>(
        _ template: repeat each Pattern, timeout: Timeout = .none,
        _ work: (repeat (each Pattern).Matched) async throws -> Result
    ) async throws -> Result? {
        guard let held = try await hold(repeat each template, timeout: timeout) else { return nil }
        do {
            let result = try await work(repeat each held.fields)
            await held.acknowledge()
            return result
        } catch {
            await held.release()
            throw error
        }
    }

    /// Takes the oldest match and holds it, until it is acknowledged or released; nil if there is none, or none came in time.
    public func hold<each Pattern: FieldPattern>(
        _ template: repeat each Pattern, timeout: Timeout = .none
    ) async throws(Failure) -> Held<(repeat (each Pattern).Matched)>? {
        let typed = TypedTemplate(repeat each template)
        guard let held = try await store.take(typed.template, from: name, timeout: timeout, key: nil) else {
            return nil
        }
        do throws(Failure) {
            return Held(held, fields: try typed.fields(of: held.stored, in: name))
        } catch {
            // Whoever asks for another type may have it.
            await held.release()
            throw error
        }
    }

    /// Takes all matches, for good and as one, as far as the page goes.
    /// - Parameters:
    ///   - template: what to take, field by field.
    ///   - limit: 1 to `Limits.pageTuples`. It ends at `Limits.takeAllBytes` too.
    ///   - order: by age.
    ///   - id: goes on behind this tuple, in the order asked for.
    ///   - key: with it the same call again gives the same tuples: for whoever lost the answer. It is kept for an hour.
    public func takeAll<each Pattern: FieldPattern>(
        _ template: repeat each Pattern, limit: Int = Limits.pageTuples, order: Page.Order = .oldest,
        after id: TupleID? = nil, key: String? = nil
    ) async throws(Failure) -> FoundPage<(repeat (each Pattern).Matched)> {
        let typed = TypedTemplate(repeat each template)
        let page = Page(limit, order, after: id)
        let key = key.map {
            IdempotencyKey($0, for: .takeAll(space: name, template: typed.template, page: page))
        }
        let found = try await store.takeAll(typed.template, from: name, page: page, key: key)
        return typed.page(found, in: name)
    }
}

extension Page {
    fileprivate init(_ limit: Int, _ order: Order, after id: TupleID?) {
        self.init(limit: limit, order: order)
        switch order {
        case .oldest: after = id
        case .newest: before = id
        }
    }
}

extension TypedTemplate {
    fileprivate func page(
        _ found: (tuples: [StoredTuple], more: Bool, position: Position), in space: String
    ) -> FoundPage<Fields> {
        var tuples: [Found<Fields>] = []
        var others: [StoredTuple] = []
        tuples.reserveCapacity(found.tuples.count)
        for stored in found.tuples {
            do throws(Failure) {
                tuples.append(Found(id: stored.id, fields: try fields(of: stored, in: space)))
            } catch {
                others.append(stored)
            }
        }
        let next = found.more ? found.tuples.last?.id : nil
        return FoundPage(tuples, others: others, next: next, position: found.position)
    }
}
