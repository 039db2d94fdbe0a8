import TupleSpace

// Reading, as of any index.

extension NaiveModel {
    /// In order of age.
    func visible(in space: String, at index: UInt64) -> [StoredTuple] {
        items.compactMap { item in
            guard item.space == space, let tuple = item.tuple(at: index) else { return nil }
            return StoredTuple(id: item.id, tuple: tuple)
        }
    }

    func answer(_ query: Query, at index: UInt64) -> Reply {
        switch query {
        case .read(let space, let template):
            let found = visible(in: space, at: index).first { naivelyMatches(template, $0.tuple) }
            return found.map { .found($0, position: Position(index: 0, ordinal: 0)) } ?? .noMatch
        case .count(let space, let template):
            return .count(UInt64(visible(in: space, at: index).count { naivelyMatches(template, $0.tuple) }))
        case .readAll(let space, let template, let page):
            var matching = visible(in: space, at: index).filter {
                page.naivelyCovers($0.id) && naivelyMatches(template, $0.tuple)
            }
            if page.order == .newest { matching.reverse() }
            return .tuples(Array(matching.prefix(page.limit)), more: matching.count > page.limit)
        case .spaces, .policy, .tokens: return .failed(Failure(.unsupported, ""))
        }
    }

    /// Whether this very tuple appeared (written, put in another's place or given back) behind `from` and up to `through`.
    func appeared(_ stored: StoredTuple, behind from: UInt64, through: UInt64) -> Bool {
        items.contains { item in
            item.id == stored.id
                && item.shown.contains { $0.tuple == stored.tuple && $0.from > from && $0.from <= through }
        }
    }

    /// What a subscriber must be told that wants this and has seen everything up to `after`, once it has seen
    /// everything up to `through`.
    func events(in space: String, matching template: Template?, after: Position, through: Position) -> [Happening] {
        var (low, high) = (0, events.count)
        while low < high {
            let middle = (low + high) / 2
            if events[middle].position > after { high = middle } else { low = middle + 1 }
        }
        return events[low...].prefix { $0.position <= through }
            .filter { happening in
                guard happening.space == space else { return false }
                guard let template else { return true }
                return naivelyMatches(template, happening.tuple.tuple)
            }
    }

    // MARK: - What a state machine must have

    struct Size: Equatable {
        var visible = 0
        var held = 0
        var waiters = 0
        var leases = 0
    }

    var size: Size {
        var size = Size(waiters: waiters.count)
        for item in items where item.standing != .gone {
            if item.standing == .held { size.held += 1 } else { size.visible += 1 }
            if item.leaseEnd != nil, !hasEnded(item) { size.leases += 1 }
        }
        return size
    }

    /// A tuple that is to go by itself: one that is held stays.
    var leased: Item? { items.first { $0.standing == .visible && $0.leaseEnd != nil } }
}
