import Raft
import TupleSpace

/// Commands that came to this server and have not been answered: so that they can be sent to a new leader, and so that their answers
/// find who asked when this server applies them.
struct PendingCommands: Sendable {
    struct Pending: Sendable {
        /// As it stands in a batch.
        var command: [UInt8]
        /// Who waits: the first to ask, and those who asked for the same later. (Nearly always there is one: no array for it.)
        var token: RequestToken
        var laterTokens: [RequestToken] = []
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

    var underWayCount: Int { underWay.count }
    var count: Int { underWay.count + waiting.count }

    subscript(key: CommandKey) -> Pending? { underWay[key] ?? waiting[key] }

    /// - Returns: false if the same command waits here already; the token then waits with it.
    mutating func insert(
        _ key: CommandKey, command: [UInt8], token: RequestToken, at now: MonotonicTime, answerBy: MonotonicTime
    ) -> Bool {
        if !waiting.isEmpty, waiting[key]?.join(token) != nil { return false }
        let fresh = Pending(
            command: command, token: token, arrival: arrivals + 1, arrivedAt: now, answerBy: answerBy)
        if var known = underWay.updateValue(fresh, forKey: key) {
            known.join(token)
            underWay[key] = known
            return false
        }
        arrivals += 1
        byteCount += command.count
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
    var tokens: [RequestToken] { [token] + laterTokens }

    mutating func join(_ newcomer: RequestToken) {
        laterTokens.append(newcomer)
        // A client that asks again and again has forgotten its earlier requests.
        if laterTokens.count > 3 { token = laterTokens.removeFirst() }
    }
}
