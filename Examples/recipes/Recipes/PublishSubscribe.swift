import StarlingClient
import TupleSpace

/// News that every subscriber gets once, in one order, whatever happens to servers and to itself: docs/recipes/publish-subscribe.md.
///
///     (topic, text)            with a lease, so that the space does not grow
public struct NewsFeed: Sendable {
    private let space: Space

    public init(_ name: String, in store: any TupleStore) { space = store.space(name) }

    public func publish(_ text: String, on topic: String) async throws {
        try await space.write(topic, text, lease: .seconds(60))
    }

    /// Where somebody stands who begins now.
    public func now() async throws -> Position { try await space.readAll(.any(String.self), .any(String.self), limit: 1).position }

    /// What is published on a topic behind a position, in order. Keep the position of what you have done, and begin there again.
    ///
    /// Ends by throwing `position-gone` for one that has been away for too long.
    public func news(
        on topic: String, after position: Position, _ visit: (String, Position) async throws -> Bool
    ) async throws {
        for try await event in space.events(matching: topic, .any(String.self), from: position) where event.kind == .write {
            guard try await visit(event.fields.1, event.position) else { return }
        }
    }
}
