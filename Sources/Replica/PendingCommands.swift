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
        var arrivedAt: MonotonicTime
        var sentAt: MonotonicTime?
        var timesSent = 0
        /// It must be known to the state machine by then, or, once it waits there, be answered.
        var answerBy: MonotonicTime
    }

    /// On their way to the state machine: looked at several times a second.
    private var underWay: [CommandKey: Pending] = [:]
    /// The state machine keeps them waiting: takes, perhaps very many, that nothing needs to be done about.
    private var waiting: [CommandKey: Pending] = [:]
    private var arrivals: UInt64 = 0
    /// Of all commands.
    private(set) var byteCount = 0

    var count: Int { underWay.count + waiting.count }

    subscript(key: CommandKey) -> Pending? { underWay[key] ?? waiting[key] }

    /// - Returns: false if the same command waits here already; the token then waits with it.
    mutating func insert(
        _ key: CommandKey, command: [UInt8], token: RequestToken, at now: MonotonicTime, answerBy: MonotonicTime
    ) -> Bool {
        if waiting[key]?.join(token) != nil || underWay[key]?.join(token) != nil { return false }
        arrivals += 1
        byteCount += command.count
        underWay[key] = Pending(
            command: command, tokens: [token], arrival: arrivals, arrivedAt: now, answerBy: answerBy)
        return true
    }

    mutating func sent(_ key: CommandKey, at now: MonotonicTime) {
        underWay[key]?.sentAt = now
        underWay[key]?.timesSent += 1
    }

    /// The state machine knows it and keeps it waiting: it is not sent again.
    mutating func waits(_ key: CommandKey, until: MonotonicTime) {
        guard var pending = underWay.removeValue(forKey: key) else { return }
        pending.answerBy = until
        waiting[key] = pending
    }

    /// The state machine no longer keeps it waiting, and its answer did not come by here: it is asked for again.
    mutating func waitsNoMore(_ key: CommandKey, answerBy: MonotonicTime) {
        guard var pending = waiting.removeValue(forKey: key) else { return }
        pending.answerBy = answerBy
        underWay[key] = pending
    }

    mutating func remove(_ key: CommandKey) -> Pending? {
        guard let pending = underWay.removeValue(forKey: key) ?? waiting.removeValue(forKey: key) else { return nil }
        byteCount -= pending.command.count
        return pending
    }

    /// Those on their way, in order of arrival.
    func keysUnderWay(where condition: (Pending) -> Bool) -> [CommandKey] { Self.keys(of: underWay, where: condition) }

    /// Those that wait in the state machine, in order of arrival.
    func keysWaiting(where condition: (CommandKey, Pending) -> Bool) -> [CommandKey] {
        waiting.filter { condition($0.key, $0.value) }.sorted { $0.value.arrival < $1.value.arrival }.map(\.key)
    }

    var allKeys: [CommandKey] {
        (Array(underWay) + Array(waiting)).sorted { $0.value.arrival < $1.value.arrival }.map(\.key)
    }

    private static func keys(of pending: [CommandKey: Pending], where condition: (Pending) -> Bool) -> [CommandKey] {
        pending.filter { condition($0.value) }.sorted { $0.value.arrival < $1.value.arrival }.map(\.key)
    }
}

extension PendingCommands.Pending {
    mutating func join(_ token: RequestToken) {
        tokens.append(token)
        // A client that asks again and again has forgotten its earlier requests.
        if tokens.count > 4 { tokens.removeFirst(tokens.count - 4) }
    }
}
