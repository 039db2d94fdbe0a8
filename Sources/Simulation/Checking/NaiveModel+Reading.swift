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

    func answer(_ query: Query, at index: UInt64, as credential: Credential = .anonymous) -> Reply {
        guard let judge = judge(credential, at: index) else { return .failed(Failure(.unknownToken, "")) }
        switch query {
        case .spaces(let after, let limit): return spaces(after: after, limit, judge, at: index)
        case .policy(let space):
            return judge.mayAdminister(space) ? .policy(rights(at: index).policies[space]) : .refused
        case .tokens(let after, let limit): return tokens(after: after, limit, judge, at: index)
        case .read(let space, let template), .count(let space, let template), .readAll(let space, let template, _):
            if judge.isForbidden(NaiveJudge.reading, space) { return .refused }
            let readable = visible(in: space, at: index).filter {
                naivelyMatches(template, $0.tuple) && judge.isAllowed(NaiveJudge.reading, space, $0.tuple)
            }
            return answer(query, from: readable)
        }
    }

    private func answer(_ query: Query, from readable: [StoredTuple]) -> Reply {
        switch query {
        case .count: return .count(UInt64(readable.count))
        case .readAll(_, _, let page):
            var matching = readable.filter { page.naivelyCovers($0.id) }
            if page.order == .newest { matching.reverse() }
            return .tuples(Array(matching.prefix(page.limit)), more: matching.count > page.limit)
        default: return readable.first.map { .found($0, position: Position(index: 0, ordinal: 0)) } ?? .noMatch
        }
    }

    /// Whether this very tuple appeared (written, put in another's place or given back) behind `from` and up to `through`, where somebody
    /// might read it.
    func appeared(_ stored: StoredTuple, to credential: Credential, behind from: UInt64, through: UInt64) -> Bool {
        items.contains { item in
            item.id == stored.id
                && item.shown.contains { showing in
                    showing.tuple == stored.tuple && showing.from > from && showing.from <= through
                        && mayRead(showing.tuple, in: item.space, as: credential, at: showing.from)
                }
        }
    }

    private func mayRead(_ tuple: Tuple, in space: String, as credential: Credential, at index: UInt64) -> Bool {
        judge(credential, at: index)?.isAllowed(NaiveJudge.reading, space, tuple) ?? false
    }

    /// Whether somebody may see nothing at all in a space at some time within these entries.
    func refuses(toRead space: String, as credential: Credential, from: UInt64, through: UInt64) -> Bool {
        turns(from: from, through: through).contains { index in
            judge(credential, at: index)?.isForbidden(NaiveJudge.reading, space) ?? true
        }
    }

    /// Whether there are policies at any time within these entries.
    func hadPolicies(from: UInt64, through: UInt64) -> Bool {
        turns(from: from, through: through).contains { !rights(at: $0).policies.isEmpty }
    }

    // MARK: - Subscribers

    /// Whether a subscriber was told what it must be, and nothing else: of what it wants, all that it might read from when it happened until it
    /// was told at the latest, and nothing that it might not read at any time in between.
    /// - Parameter latest: the entry that was applied last when it was told.
    func isTold(
        _ told: [Happening], in space: String, matching template: Template?, to credential: Credential,
        after: Position, through: Position, latest: UInt64
    ) -> Bool {
        var left = told[...]
        for happening in events(in: space, matching: template, after: after, through: through) {
            let rights = turns(from: happening.position.index, through: latest).map {
                mayRead(happening.tuple.tuple, in: space, as: credential, at: $0)
            }
            if left.first == happening {
                guard rights.contains(true) else { return false }
                left.removeFirst()
            } else if !rights.contains(false) {
                return false
            }
        }
        return left.isEmpty
    }

    /// What a subscriber wants behind `after` and up to `through`.
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
        var reservations = 0
        var level: UInt32 = 0
    }

    var size: Size {
        var size = Size(waiters: waiters.count, reservations: reservations.count, level: toldLevel)
        for item in items where item.standing != .gone {
            if item.standing == .held { size.held += 1 } else { size.visible += 1 }
            if item.leaseEnd != nil, !hasEnded(item) { size.leases += 1 }
        }
        return size
    }

    /// A tuple that is to go by itself: one that is held stays.
    var leased: Item? { items.first { $0.standing == .visible && $0.leaseEnd != nil } }
}
