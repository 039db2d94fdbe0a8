import TupleSpace

// Takes and statements: what may wait, and what is offered to whoever does.

extension NaiveModel {
    mutating func begin(
        _ operation: Operation, _ header: CommandHeader, _ who: NaiveRights.Who,
        _ keyed: (caller: String, key: String, digest: [UInt8])?
    ) {
        var waiter = Waiter(session: header.session, sequence: header.sequence, keyed: keyed)
        (waiter.credential, waiter.caller) = (header.caller, who.name)
        let judge = judge(who)
        switch operation {
        case .take(let space, let template, _, let holds):
            (waiter.space, waiter.template, waiter.holds) = (space, template, holds)
        case .reserve(let space, let template, _, let milliseconds):
            (waiter.space, waiter.template, waiter.reservation) = (space, template, milliseconds)
        case .statement(let statement):
            waiter.statement = statement
            switch NaiveStatement.verdict(on: statement, seeing: seen, nextID: nextID, as: judge) {
            case .missed: break
            case .failed(let code): return finish(waiter, .failed(Failure(code, "")))
            case .done(let alternative, let effects):
                return finish(waiter, perform(effects, of: statement, alternative))
            }
        default: return
        }
        if waiter.statement == nil {
            if judge.isForbidden(NaiveJudge.taking, waiter.space) { return finish(waiter, .refused) }
            // Items stand in the order of their ids: the first is the oldest.
            let found = items.firstIndex {
                $0.standing == .visible && waiter.wants($0)
                    && judge.isAllowed(NaiveJudge.taking, $0.space, $0.tuple)
            }
            if let found { return hand(found, to: waiter) }
        }
        wait(waiter, for: operation.naiveTimeout)
    }

    private mutating func wait(_ waiter: Waiter, for timeout: Timeout) {
        if timeout == .none { return finish(waiter, .noMatch) }
        var waiter = waiter
        if case .milliseconds(let time) = timeout { waiter.deadline = leaseTime + time }
        waiters.append(waiter)
        sessions[waiter.session]?.replies.updateValue(nil, forKey: waiter.sequence)
    }

    /// It waits no more, if it did. A failure is not kept under its key.
    mutating func finish(_ waiter: Waiter, _ reply: Reply) {
        if let keyed = waiter.keyed, !reply.isFailure {
            keys[keyed.caller + "\u{0}" + keyed.key] = (keyed.digest, reply)
        }
        settle(waiter.session, waiter.sequence, reply)
    }

    private mutating func hand(_ place: Int, to waiter: Waiter) {
        if let milliseconds = waiter.reservation {
            return finish(waiter, reserve(place, for: milliseconds, waiter.caller))
        }
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

    /// The first waiter that came, wants it and may have it gets it; a statement may leave it to others.
    private mutating func offerNext(_ place: Int) {
        var next = 0
        while next < waiters.count {
            let waiter = waiters[next]
            switch chance(of: waiter, on: items[place]) {
            case .none: next += 1
            case .over(let code):
                waiters.remove(at: next)
                finish(waiter, .failed(Failure(code, "")))
            case .take:
                waiters.remove(at: next)
                return hand(place, to: waiter)
            case .perform(let statement, let alternative, let effects):
                waiters.remove(at: next)
                let id = items[place].id
                finish(waiter, perform(effects, of: statement, alternative))
                if effects.contains(where: { $0.changes(id) }) { return }
            }
        }
        items[place].standing = .visible
    }

    private enum Chance {
        case none
        /// It waits no more.
        case over(Failure.Code)
        case take
        case perform(Statement, alternative: Int, [NaiveStatement.Effect])
    }

    private func chance(of waiter: Waiter, on item: Item) -> Chance {
        guard waiter.wants(item) else { return .none }
        guard let who = rights.who(waiter.credential) else { return .over(.unknownToken) }
        let judge = judge(who)
        guard let statement = waiter.statement else {
            if judge.isForbidden(NaiveJudge.taking, item.space) { return .over(.notAllowed) }
            return judge.isAllowed(NaiveJudge.taking, item.space, item.tuple) ? .take : .none
        }
        for number in statement.naiveAlternatives(for: item) {
            let alternative = statement.alternatives[number]
            let rules = alternative.guarded.naiveRules
            if judge.isForbidden(rules, item.space) { return .over(.notAllowed) }
            guard judge.isAllowed(rules, item.space, item.tuple) else { continue }
            let verdict = NaiveStatement.verdict(
                on: alternative, number, guardFinds: .init(id: item.id, space: item.space, tuple: item.tuple),
                seeing: seen, nextID: nextID, as: judge)
            switch verdict {
            case .missed: continue
            case .failed(let code): return .over(code)
            case .done(_, let effects): return .perform(statement, alternative: number, effects)
            }
        }
        return .none
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
                if statement.alternatives[alternative].makesUnique(number) { noteWritten(tuple, space) }
                let (id, position) = enter(space, tuple, lease)
                if lease != .none { offered.append(items.count - 1) }
                results.append(.written(id: id, position: position))
            case .replace(let seen, let tuple):
                guard let place = place(of: seen.id) else { continue }
                if statement.alternatives[alternative].makesUnique(number) { noteWritten(tuple, seen.space) }
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
    /// Those whose guards would find it, in turn.
    func naiveAlternatives(for item: NaiveModel.Item) -> [Int] {
        alternatives.indices.filter { number in
            guard let (space, template) = alternatives[number].guarded.naiveTarget else { return false }
            return space == item.space && naivelyMatches(template, item.tuple)
        }
    }
}

extension TupleSpace.Operation {
    fileprivate var naiveTimeout: Timeout {
        switch self {
        case .take(_, _, let timeout, _), .reserve(_, _, let timeout, _): timeout
        case .statement(let statement): statement.timeout
        default: .none
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
