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

    var isEmpty: Bool { watches.isEmpty }
    var count: Int { watches.count }

    mutating func insert(_ token: RequestToken, _ watch: Watch) {
        watches[token] = watch
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
        for token in matched { forget(token) }
        return matched
    }

    mutating func takeExpired(at now: MonotonicTime) -> [RequestToken] {
        let expired = watches.filter { $0.value.deadline <= now }.keys.sorted()
        for token in expired { forget(token) }
        return expired
    }

    /// In order of arrival: for looking again after the state was replaced.
    var all: [(token: RequestToken, watch: Watch)] {
        watches.keys.sorted().compactMap { token in watches[token].map { (token, $0) } }
    }
}
