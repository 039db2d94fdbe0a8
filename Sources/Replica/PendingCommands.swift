import Raft
import TupleSpace

/// Commands that came to this server and have not been answered: so that they can be sent to a new leader, and so that their answers
/// find who asked when this server applies them.
struct PendingCommands: Sendable {
    struct Pending: Sendable {
        /// As it stands in a batch.
        var command: [UInt8]
        /// Who waits: the last to ask, and those before.
        var tokens: [RequestToken]
        /// Order of arrival: what is sent again goes in this order, on every run of a seed.
        var arrival: UInt64
        var sentAt: MonotonicTime?
        var timesSent = 0
        /// The state machine knows it and keeps it waiting: it is not sent again.
        var isAccepted = false
        /// It must be known to the state machine by then.
        var acceptBy: MonotonicTime
    }

    private var pending: [CommandKey: Pending] = [:]
    private var arrivals: UInt64 = 0

    var count: Int { pending.count }

    subscript(key: CommandKey) -> Pending? { pending[key] }

    /// - Returns: false if the same command waits here already; the token then waits with it.
    mutating func insert(_ key: CommandKey, command: [UInt8], token: RequestToken, acceptBy: MonotonicTime) -> Bool {
        if pending[key] != nil {
            pending[key]?.tokens.append(token)
            // A client that asks again and again has forgotten its earlier requests.
            if let count = pending[key]?.tokens.count, count > 4 { pending[key]?.tokens.removeFirst(count - 4) }
            return false
        }
        arrivals += 1
        pending[key] = Pending(command: command, tokens: [token], arrival: arrivals, acceptBy: acceptBy)
        return true
    }

    mutating func sent(_ key: CommandKey, at now: MonotonicTime) {
        pending[key]?.sentAt = now
        pending[key]?.timesSent += 1
    }

    mutating func accepted(_ key: CommandKey, until: MonotonicTime) {
        pending[key]?.isAccepted = true
        pending[key]?.acceptBy = until
    }

    mutating func remove(_ key: CommandKey) -> Pending? {
        pending.removeValue(forKey: key)
    }

    /// In order of arrival.
    func keys(where condition: (Pending) -> Bool) -> [CommandKey] {
        pending.filter { condition($0.value) }.sorted { $0.value.arrival < $1.value.arrival }.map(\.key)
    }
}
