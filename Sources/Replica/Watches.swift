import Raft
import TupleSpace

/// Blocking reads that found nothing: each sees every write that is applied from the miss on, even one that a waiting take consumes in
/// the same entry.
struct Watches: Sendable {
    struct Watch: Sendable {
        var space: String
        var template: Template
        /// Whose it is.
        var credential: Credential
        var deadline: MonotonicTime
    }

    private var index = TemplateIndex<RequestToken>()
    private var watches: [RequestToken: Watch] = [:]
    /// No deadline comes before it.
    private var nextDeadline = MonotonicTime(nanoseconds: .max)

    subscript(token: RequestToken) -> Watch? { watches[token] }
    var isEmpty: Bool { watches.isEmpty }
    var count: Int { watches.count }

    mutating func insert(_ token: RequestToken, _ watch: Watch) {
        watches[token] = watch
        nextDeadline = min(nextDeadline, watch.deadline)
        index.insert(token, EventFilter(space: watch.space, template: watch.template))
    }

    /// - Returns: whether it was there.
    @discardableResult
    mutating func forget(_ token: RequestToken) -> Bool {
        guard watches.removeValue(forKey: token) != nil else { return false }
        index.remove(token)
        return true
    }

    /// Whose template matches an event that makes a tuple visible, in order of arrival.
    func matches(_ event: EventView) -> [RequestToken] { event.kind.makesVisible ? index.matches(event) : [] }

    /// Takes out those of them that are still there.
    mutating func take(_ tokens: [RequestToken]) -> [RequestToken] {
        // The newest first: the index finds those at once, and there may be very many.
        tokens.reversed().filter { forget($0) }.reversed()
    }

    mutating func takeExpired(at now: MonotonicTime) -> [RequestToken] {
        guard nextDeadline <= now else { return [] }
        nextDeadline = MonotonicTime(nanoseconds: .max)
        var expired: [RequestToken] = []
        for (token, watch) in watches {
            if watch.deadline <= now { expired.append(token) } else { nextDeadline = min(nextDeadline, watch.deadline) }
        }
        expired.sort()
        for token in expired.reversed() { forget(token) }
        return expired
    }

    /// In order of arrival: for looking again after the state was replaced.
    var all: [(token: RequestToken, watch: Watch)] {
        watches.keys.sorted().compactMap { token in watches[token].map { (token, $0) } }
    }
}
