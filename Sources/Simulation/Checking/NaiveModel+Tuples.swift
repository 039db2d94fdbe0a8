import TupleSpace

// What is done to tuples.

extension NaiveModel {
    /// What waits for nothing; nil for what may wait, or is only of a session's.
    mutating func changed(by operation: Operation, _ who: NaiveRights.Who) -> Reply? {
        switch operation {
        case .write(let space, let tuple): write(space, tuple, .forever, who)
        case .writeLeased(let space, let tuple, let lease): write(space, tuple, .milliseconds(lease), who)
        case .renew(let space, let id, let lease): renew(space, id, lease, who)
        case .takeByID(let space, let id):
            switch reach(id, in: space, for: [\.take], who) {
            case .failure(let answer): answer.reply
            case .success(let place): take(place, holds: false)
            }
        case .takeAll(let space, let template, let page): takeAll(space, template, page, who)
        case .replace(let space, let id, let tuple): replace(space, id, tuple, who)
        case .reservation(let id, let action): act(on: id, action, who)
        case .setPolicy(let space, let policy): setPolicy(policy, of: space, who)
        case .setToken(let token): setToken(token, who)
        case .removeToken(let digest): removeToken(digest, who)
        default: nil
        }
    }

    private mutating func renew(_ space: String, _ id: TupleID, _ lease: Timeout, _ who: NaiveRights.Who) -> Reply {
        switch reach(id, in: space, for: [\.write], who) {
        case .failure(let answer): return answer.reply
        case .success(let place):
            items[place].leaseEnd = end(of: lease)
            if lease == .none { endLease(place) }
            return .done
        }
    }

    private mutating func takeAll(
        _ space: String, _ template: Template, _ page: Page, _ who: NaiveRights.Who
    ) -> Reply {
        let judge = judge(who)
        if judge.isForbidden(NaiveJudge.taking, space) { return .refused }
        var places = items.indices.filter { place in
            let item = items[place]
            return item.standing == .visible && item.space == space && page.naivelyCovers(item.id)
                && naivelyMatches(template, item.tuple) && judge.isAllowed(NaiveJudge.taking, space, item.tuple)
        }
        if page.order == .newest { places.reverse() }
        let taken = places.prefix(page.limit)
        for place in taken { _ = take(place, holds: false) }
        return .tuples(taken.map { items[$0].stored }, more: places.count > page.limit)
    }

    private mutating func replace(_ space: String, _ id: TupleID, _ tuple: Tuple, _ who: NaiveRights.Who) -> Reply {
        switch reach(id, in: space, for: [\.take], who) {
        case .failure(let answer): return answer.reply
        case .success(let place):
            guard judge(who).isAllowed([\.write], space, tuple) else { return .refused }
            noteWritten(tuple, space)
            let position = replace(place, tuple)
            offer([place])
            return .written(id: id, position: position)
        }
    }

    private mutating func write(
        _ space: String, _ tuple: Tuple, _ lease: Timeout, _ who: NaiveRights.Who
    ) -> Reply {
        guard judge(who).isAllowed([\.write], space, tuple) else { return .refused }
        noteWritten(tuple, space)
        let (id, position) = enter(space, tuple, lease)
        if lease != .none { offer([items.count - 1]) }
        return .written(id: id, position: position)
    }

    private struct OutOfReach: Error { var reply: Reply }

    /// Where a tuple is that somebody wants to do something with. What they may not read is not there for them.
    private func reach(
        _ id: TupleID, in space: String, for rules: NaiveJudge.Rules, _ who: NaiveRights.Who
    ) -> Result<Int, OutOfReach> {
        let judge = judge(who)
        guard let place = visiblePlace(of: id, in: space) else { return .failure(.init(reply: .noMatch)) }
        if judge.isForbidden(NaiveJudge.reading, space) { return .failure(.init(reply: .refused)) }
        let tuple = items[place].tuple
        guard judge.isAllowed(NaiveJudge.reading, space, tuple) else { return .failure(.init(reply: .noMatch)) }
        return judge.isAllowed(rules, space, tuple) ? .success(place) : .failure(.init(reply: .refused))
    }

    var nextID: TupleID { TupleID(max(lastID.rawValue + 1, wallStamp << 16)) }

    /// A new tuple, which is to be offered, unless its lease has ended already.
    mutating func enter(_ space: String, _ tuple: Tuple, _ lease: Timeout) -> (TupleID, Position) {
        lastID = nextID
        noteSpace(space)
        items.append(Item(id: lastID, space: space, tuple: tuple, leaseEnd: end(of: lease)))
        let place = items.count - 1
        show(place)
        let position = event(.write, items[place])
        if lease == .none { endLease(place) }
        return (items[place].id, position)
    }

    /// Another tuple under the same id and lease, which is to be offered.
    mutating func replace(_ place: Int, _ tuple: Tuple) -> Position {
        hide(place)
        items[place].tuple = tuple
        show(place)
        return event(.replace, items[place])
    }

    mutating func take(_ place: Int, holds: Bool) -> Reply {
        if items[place].standing == .held || items[place].standing == .gone { doubleTake = items[place].id }
        hide(place)
        items[place].standing = holds ? .held : .gone
        return .found(items[place].stored, position: event(.take, items[place]))
    }

    func place(of id: TupleID) -> Int? { items.lastIndex { $0.id == id } }

    mutating func noteSpace(_ name: String) {
        if !spaceBirths.contains(where: { $0.name == name }) { spaceBirths.append((name, index)) }
    }

    private func visiblePlace(of id: TupleID, in space: String) -> Int? {
        items.firstIndex { $0.id == id && $0.space == space && $0.standing == .visible }
    }

    /// From this entry on readers see it, unless it is hidden again.
    mutating func show(_ place: Int) {
        if items[place].space == SimulatedClient.grants { noteTurn() }
        items[place].standing = .offered
        items[place].shown.append(.init(tuple: items[place].tuple, from: index, to: .max))
    }

    private mutating func hide(_ place: Int) {
        if items[place].space == SimulatedClient.grants { noteTurn() }
        let last = items[place].shown.count - 1
        items[place].shown[last].to = min(items[place].shown[last].to, index)
    }

    mutating func event(_ kind: Event.Kind, _ item: Item) -> Position {
        defer { ordinal += 1 }
        let position = Position(index: index, ordinal: ordinal)
        events.append(Happening(position: position, kind: kind, space: item.space, tuple: item.stored))
        return position
    }

    // MARK: - Time

    private func end(of lease: Timeout) -> UInt64? {
        if case .milliseconds(let time) = lease { leaseTime + time } else { nil }
    }

    func hasEnded(_ item: Item) -> Bool { (item.leaseEnd ?? .max) <= leaseTime }

    mutating func endLease(_ place: Int) {
        hide(place)
        items[place].standing = .gone
        _ = event(.expire, items[place])
    }

    mutating func expire() {
        let due = waiters.indices.filter { (waiters[$0].deadline ?? .max) <= leaseTime }
            .sorted { (waiters[$0].deadline ?? 0, $0) < (waiters[$1].deadline ?? 0, $1) }
        let overdue = due.map { waiters[$0] }
        for place in due.sorted(by: >) { waiters.remove(at: place) }
        for waiter in overdue { finish(waiter, .noMatch) }
        // What is held stays until it is given back.
        let ended = items.indices.filter { items[$0].standing == .visible && hasEnded(items[$0]) }
            .sorted { (items[$0].leaseEnd ?? 0, $0) < (items[$1].leaseEnd ?? 0, $1) }
        for place in ended { endLease(place) }
        endReservations()
    }
}

extension Page {
    func naivelyCovers(_ id: TupleID) -> Bool { (after.map { id > $0 } ?? true) && (before.map { id < $0 } ?? true) }
}
