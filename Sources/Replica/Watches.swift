import Raft
import TupleSpace

/// Blocking reads that found nothing: each sees every write that is applied from the miss on, even one that a waiting take consumes in
/// the same entry.
struct Watches: Sendable {
    struct Watch: Sendable {
        var space: String
        var template: Template
        var deadline: MonotonicTime
    }

    private var index = TemplateIndex<RequestToken>()
    private var watches: [RequestToken: Watch] = [:]
    /// No deadline comes before it.
    private var nextDeadline = MonotonicTime(nanoseconds: .max)

    var isEmpty: Bool { watches.isEmpty }
    var count: Int { watches.count }

    mutating func insert(_ token: RequestToken, _ watch: Watch) {
        watches[token] = watch
        nextDeadline = min(nextDeadline, watch.deadline)
        index.insert(token, space: watch.space, template: watch.template)
    }

    mutating func forget(_ token: RequestToken) {
        guard watches.removeValue(forKey: token) != nil else { return }
        index.remove(token)
    }

    /// Takes out everyone whose template matches, in order of arrival.
    mutating func take(matching tuple: UnsafeRawBufferPointer, in space: String) -> [RequestToken] {
        var matched: [RequestToken] = []
        index.forEachMatch(space: space, tuple: tuple) { token in
            matched.append(token)
            return true
        }
        // The newest first: the index finds those at once, and there may be very many.
        for token in matched.reversed() { forget(token) }
        return matched
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
