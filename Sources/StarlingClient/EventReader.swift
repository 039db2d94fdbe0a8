import Synchronization
import TupleSpace

/// The reader's end of a stream of events; when the last of it goes, the subscription ends at the server.
final class EventReader: Sendable {
    private let feed: SubscriptionFeed
    private let inbox: Inbox
    /// The first batch, which was awaited before the stream was handed out.
    private let first = Mutex<EventBatch?>(nil)

    init(feed: SubscriptionFeed, inbox: Inbox) {
        self.feed = feed
        self.inbox = inbox
    }

    deinit { _ = inbox.put(.unsubscribe(feed)) }

    func putBack(_ batch: EventBatch) { first.withLock { $0 = batch } }

    func next() async throws(Failure) -> EventBatch? {
        let stored = first.withLock { first in
            defer { first = nil }
            return first
        }
        if let stored { return stored }
        return try await feed.next { _ = inbox.put(.resume(feed)) }
    }
}
