import DequeModule
import TupleSpace

/// Answers that wait for a later pass. A request of a few bytes may be answered by megabytes, and one write may wake very many readers:
/// what is made in one pass is bounded, and only then can whoever does not read be noticed before everything was made for it.
struct DeferredReplies: Sendable {
    enum Item: Sendable {
        /// May be answered from any later state as well.
        case read(Reads.Read)
        case reply(RequestToken, Reply)

        var token: RequestToken {
            switch self {
            case .read(let read): read.token
            case .reply(let token, _): token
            }
        }
    }

    private var items: Deque<Item> = []
    /// Somebody still wants these.
    private var wanted: Set<RequestToken> = []

    var isEmpty: Bool { items.isEmpty }
    var count: Int { items.count }

    mutating func append(_ item: Item) {
        items.append(item)
        wanted.insert(item.token)
    }

    mutating func next() -> Item? {
        while let item = items.popFirst() {
            if wanted.remove(item.token) != nil { return item }
        }
        return nil
    }

    mutating func forget(_ token: RequestToken) {
        guard !wanted.isEmpty else { return }
        wanted.remove(token)
    }
}
