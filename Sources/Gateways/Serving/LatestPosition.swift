import Synchronization
import TupleSpace

/// The newest position that this server has told anyone. Replies that have none of their own carry it, and a client
/// that passes on what it gets never goes back.
final class LatestPosition: Sendable {
    private let latest = Mutex(Position(index: 0, ordinal: 0))

    func advance(to position: Position) {
        latest.withLock { $0 = max($0, position) }
    }

    /// - text: what the client named, if it is a position.
    func value(atLeast text: String?) -> Position {
        let latest = latest.withLock { $0 }
        return max(latest, text.flatMap(Position.init) ?? latest)
    }
}
