import TupleSpace

// Takes and statements: what may wait, and what is offered to whoever does.

extension NaiveModel {
    mutating func begin(
        _ operation: Operation, _ header: CommandHeader, _ keyed: (caller: String, key: String, digest: [UInt8])?
    ) {
        var waiter = Waiter(session: header.session, sequence: header.sequence, keyed: keyed)
        let timeout: Timeout
        switch operation {
        case .take(let space, let template, let time, let holds):
            (waiter.space, waiter.template, waiter.holds) = (space, template, holds)
            timeout = time
            // Items stand in the order of their ids: the first is the oldest.
            let found = items.firstIndex { $0.standing == .visible && waiter.wants($0) }
            if let found { return hand(found, to: waiter) }
        case .statement(let statement):
            waiter.statement = statement
            timeout = statement.timeout
            switch NaiveStatement.verdict(on: statement, seeing: seen, nextID: nextID) {
            case .missed: break
            case .failed: return finish(waiter, .failed(Failure(.statementFailed, "")))
            case .done(let alternative, let effects):
                return finish(waiter, perform(effects, of: statement, alternative))
            }
        default: return
        }
        if timeout == .none { return finish(waiter, .noMatch) }
        if case .milliseconds(let time) = timeout { waiter.deadline = leaseTime + time }
        waiters.append(waiter)
        sessions[header.session]?.replies.updateValue(nil, forKey: header.sequence)
    }

    /// It waits no more, if it did. A failure is not kept under its key.
    mutating func finish(_ waiter: Waiter, _ reply: Reply) {
        let isFailure = if case .failed = reply { true } else { false }
        if let keyed = waiter.keyed, !isFailure { keys[keyed.caller + "\u{0}" + keyed.key] = (keyed.digest, reply) }
        settle(waiter.session, waiter.sequence, reply)
    }

    private mutating func hand(_ place: Int, to waiter: Waiter) {
        if waiter.holds { sessions[waiter.session]?.held[waiter.sequence] = items[place].id }
        finish(waiter, take(place, holds: waiter.holds))
    }

    // MARK: - Offering

    /// One after the other, and then what statements write that were waiting for these.
    mutating func offer(_ places: [Int]) {
        offers += places
        guard !isOffering else { return }
        isOffering = true
        while !offers.isEmpty { offerNext(offers.removeFirst()) }
        isOffering = false
    }

    /// The first waiter that came and wants it gets it; a statement may leave it to others.
    private mutating func offerNext(_ place: Int) {
        while let number = waiters.firstIndex(where: { $0.wants(items[place]) }) {
            let waiter = waiters.remove(at: number)
            guard let statement = waiter.statement, let alternative = statement.naiveAlternative(for: items[place])
            else { return hand(place, to: waiter) }
            let item = items[place]
            let verdict = NaiveStatement.verdict(
                on: statement.alternatives[alternative], alternative,
                guardFinds: .init(id: item.id, space: item.space, tuple: item.tuple), seeing: seen, nextID: nextID)
            guard case .done(_, let effects) = verdict else {
                finish(waiter, .failed(Failure(.statementFailed, "")))
                continue
            }
            finish(waiter, perform(effects, of: statement, alternative))
            if effects.contains(where: { $0.changes(item.id) }) { return }
        }
        items[place].standing = .visible
    }

    // MARK: - Statements

    private var seen: [NaiveStatement.Seen] {
        items.lazy.filter { $0.standing == .visible }.map { .init(id: $0.id, space: $0.space, tuple: $0.tuple) }
    }

    private mutating func perform(
        _ effects: [NaiveStatement.Effect], of statement: Statement, _ alternative: Int
    ) -> Reply {
        var results: [Reply] = []
        var offered: [Int] = []
        for (number, effect) in effects.enumerated() {
            switch effect {
            case .nothing: results.append(.done)
            case .read(let seen):
                results.append(.found(StoredTuple(id: seen.id, tuple: seen.tuple), position: lastPosition))
            case .take(let seen):
                guard let place = place(of: seen.id) else { continue }
                results.append(take(place, holds: false))
            case .write(_, let space, let tuple, let lease):
                if statement.alternatives[alternative].makesUnique(number) { noteWritten(tuple) }
                let (id, position) = enter(space, tuple, lease)
                if lease != .none { offered.append(items.count - 1) }
                results.append(.written(id: id, position: position))
            case .replace(let seen, let tuple):
                guard let place = place(of: seen.id) else { continue }
                if statement.alternatives[alternative].makesUnique(number) { noteWritten(tuple) }
                offered.append(place)
                results.append(.written(id: seen.id, position: replace(place, tuple)))
            }
        }
        offer(offered)
        return .statement(alternative: alternative, results: results)
    }

    private var lastPosition: Position {
        max(events.last?.position ?? Position(index: 0, ordinal: 0), Position(index: index, ordinal: 0))
    }
}

extension Statement {
    /// The first whose guard would find it.
    func naiveAlternative(for item: NaiveModel.Item) -> Int? {
        alternatives.firstIndex { alternative in
            guard let (space, template) = alternative.guarded.naiveTarget else { return false }
            return space == item.space && naivelyMatches(template, item.tuple)
        }
    }
}

extension Statement.Alternative {
    /// Whether a step (the guard is number 0) makes a tuple with a number of the client's own, which it uses once.
    fileprivate func makesUnique(_ step: Int) -> Bool {
        switch steps[step - 1] {
        case .write(_, let made, _), .replace(_, let made):
            made.fields.contains { if case .value(.int) = $0 { true } else { false } }
        default: false
        }
    }
}
