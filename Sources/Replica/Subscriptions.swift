import Raft
import TupleSpace

/// Subscribers at this server, each with the position up to which it has seen everything.
struct Subscriptions: Sendable {
    struct Subscription: Sendable {
        var space: String
        var template: Template?
        var position: Position
        /// It reads the ring from its position on before it gets what is applied now.
        var isCatchingUp: Bool
        var toldAt: MonotonicTime
    }

    private var subscriptions: [RequestToken: Subscription] = [:]
    /// In ascending order, so that deliveries go in the same order on every run of a seed.
    private(set) var tokens: [RequestToken] = []
    /// Events up to here have been handed to those that are not catching up.
    var dispatched = Position(index: 0, ordinal: 0)

    var isEmpty: Bool { tokens.isEmpty }
    var count: Int { tokens.count }

    subscript(token: RequestToken) -> Subscription? {
        get { subscriptions[token] }
        set { if subscriptions[token] != nil { subscriptions[token] = newValue } }
    }

    mutating func insert(_ token: RequestToken, _ subscription: Subscription) {
        guard subscriptions.updateValue(subscription, forKey: token) == nil else { return }
        tokens.append(token)
        if tokens.count > 1, tokens[tokens.count - 2] > token { tokens.sort() }
    }

    mutating func end(_ token: RequestToken) {
        guard subscriptions.removeValue(forKey: token) != nil else { return }
        tokens.removeAll { $0 == token }
    }

    /// The state was replaced: everyone reads the ring anew from where they are.
    mutating func restart() {
        for token in tokens { subscriptions[token]?.isCatchingUp = true }
    }
}
