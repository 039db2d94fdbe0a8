import Raft
import TupleSpace

/// Subscribers at this server, each with the position up to which it has seen everything. Indexed: what is applied touches none but those
/// who want it.
struct Subscriptions: Sendable {
    struct Subscription: Sendable {
        var filter: EventFilter
        var space: String
        /// Whose it is: they see what they may read.
        var credential: Credential
        /// Of one that is not catching up: at least this.
        var position: Position
        /// It reads the ring from its position on before it gets what is applied now.
        var isCatchingUp: Bool
        var toldAt: MonotonicTime
    }

    private var subscriptions: [RequestToken: Subscription] = [:]
    private var index = TemplateIndex<RequestToken>()
    /// In ascending order, so that deliveries go in the same order on every run of a seed.
    private(set) var tokens: [RequestToken] = []
    /// Those that read the ring.
    private var catchingUp: Set<RequestToken> = []
    /// When the idle ones were last looked at.
    var lookedAt = MonotonicTime.zero
    /// Events up to here have been handed to those that are not catching up.
    var dispatched = Position(index: 0, ordinal: 0)

    var isEmpty: Bool { tokens.isEmpty }
    var tokensCatchingUp: [RequestToken] { catchingUp.sorted() }
    var count: Int { tokens.count }

    subscript(token: RequestToken) -> Subscription? {
        get { subscriptions[token] }
        set {
            guard let newValue, subscriptions[token] != nil else { return }
            subscriptions[token] = newValue
            if newValue.isCatchingUp { catchingUp.insert(token) } else { catchingUp.remove(token) }
        }
    }

    mutating func insert(_ token: RequestToken, _ subscription: Subscription) {
        guard subscriptions.updateValue(subscription, forKey: token) == nil else { return }
        tokens.insert(token, at: place(of: token))
        index.insert(token, subscription.filter)
        if subscription.isCatchingUp { catchingUp.insert(token) }
    }

    mutating func end(_ token: RequestToken) {
        guard subscriptions.removeValue(forKey: token) != nil else { return }
        tokens.remove(at: place(of: token))
        index.remove(token)
        catchingUp.remove(token)
    }

    /// The first place at or behind which the token belongs.
    private func place(of token: RequestToken) -> Int {
        var (low, high) = (0, tokens.count)
        while low < high {
            let middle = (low + high) / 2
            if tokens[middle] < token { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// Who wants this event, in ascending order; those that are catching up, or have seen it elsewhere, among them.
    func matches(_ event: EventView) -> [RequestToken] { index.matches(event) }

    /// Whether an event that was just applied is news for a subscriber, and not in the ring for it to read, nor seen elsewhere.
    func isNews(_ position: Position, for token: RequestToken) -> Bool {
        subscriptions[token].map { !$0.isCatchingUp && position > $0.position } ?? false
    }

    /// Up to where a subscriber has seen everything, once it has got what is handed out now.
    func seen(_ subscription: Subscription) -> Position {
        subscription.isCatchingUp ? subscription.position : max(subscription.position, dispatched)
    }

    /// The state was replaced, and stands here now: everyone reads the ring anew from where they are.
    mutating func restart(at position: Position) {
        for token in tokens {
            guard var subscription = subscriptions[token] else { continue }
            subscription.position = seen(subscription)
            subscription.isCatchingUp = true
            subscriptions[token] = subscription
        }
        catchingUp = Set(tokens)
        dispatched = position
    }
}
