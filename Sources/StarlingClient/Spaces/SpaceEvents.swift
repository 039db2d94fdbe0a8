import TupleSpace

/// Something that happened to a tuple.
public struct SpaceEvent<Fields: Sendable>: Sendable {
    public let kind: Event.Kind
    public let id: TupleID
    public let fields: Fields
    /// Where it stands in the one order: keep it, and `events(matching:from:)` goes on behind it.
    public let position: Position
    /// Who did it; empty is anonymous.
    public let caller: String
}

/// What happens in a space, as an asynchronous sequence without gap or repeat, until the task is cancelled or the loop left.
///
/// It goes on by itself at another server when one is lost. It ends by throwing `position-gone` when its position, or a reader that is too
/// slow, fell behind the `Limits.eventRingEvents` events that are kept.
///
/// It throws `Failure` only, and yet says `any Error`: Swift 6.3 crashes over typed ones, in a `do` whose `catch` has a `where`.
public struct SpaceEvents<Fields: Sendable>: AsyncSequence, Sendable {
    public typealias Element = SpaceEvent<Fields>
    public typealias Failure = any Error

    let space: Space
    let template: TypedTemplate<Fields>
    let start: Position?

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(events: self) }

    public struct AsyncIterator: AsyncIteratorProtocol {
        private let events: SpaceEvents
        private var stream: EventStream.AsyncIterator?
        private var batch: ArraySlice<Event> = []

        fileprivate init(events: SpaceEvents) { self.events = events }

        /// Nil when the task was cancelled. The first call subscribes.
        public mutating func next(
            isolation actor: isolated (any Actor)? = #isolation
        ) async throws -> SpaceEvent<Fields>? {
            do {
                while batch.isEmpty {
                    if stream == nil { stream = try await events.subscribe().makeAsyncIterator() }
                    guard let next = try await stream?.next(isolation: actor) else { return nil }
                    batch = next.events[...]
                }
            } catch {
                if Task.isCancelled { return nil }
                throw error
            }
            let event = batch.removeFirst()
            let fields = try events.template.fields(of: event.tuple, in: event.space)
            return SpaceEvent(
                kind: event.kind, id: event.tuple.id, fields: fields, position: event.position, caller: event.caller)
        }
    }

    private func subscribe() async throws -> EventStream {
        try await space.store.events(matching: template.template, in: space.name, after: start)
    }
}

extension Space {
    /// What happens to tuples that match: writes, takes, returns, replacements and ends of leases.
    ///
    ///     for try await event in jobs.events(matching: "resize", .any(Int.self)) where event.kind == .write { … }
    ///
    /// - Parameters:
    ///   - template: what the tuples must match.
    ///   - position: begins right behind it; nil: where the one order is when the loop begins.
    public func events<each Pattern: FieldPattern>(
        matching template: repeat each Pattern, from position: Position? = nil
    ) -> SpaceEvents<(repeat (each Pattern).Matched)> {
        SpaceEvents(space: self, template: TypedTemplate(repeat each template), start: position)
    }
}
