import TupleSpace

// Sessions, and what their commands are answered.

extension NaiveModel {
    mutating func open(_ header: CommandHeader, _ who: NaiveRights.Who, _ timeout: UInt64) {
        // It ends once and for all: its commands might come once more too.
        if ended[header.session] != nil { return answer(header, .failed(Failure(.sessionExpired, ""))) }
        if sessions[header.session] == nil {
            sessions[header.session] = SessionState(timeout: timeout, caller: who.name)
        }
        answer(header, .done)
    }

    mutating func acknowledge(_ header: CommandHeader) {
        guard var session = sessions[header.session] else { return }
        session.floor = max(session.floor, header.acknowledgedBelow)
        for sequence in header.acknowledged where sequence >= session.floor { session.acknowledged.insert(sequence) }
        let done = session.replies.keys.filter { session.isAcknowledged($0) }.sorted()
        for sequence in done {
            session.replies[sequence] = nil
            guard let id = session.held.removeValue(forKey: sequence), let place = place(of: id) else { continue }
            items[place].standing = .gone
        }
        sessions[header.session] = session
        waiters.removeAll { $0.session == header.session && session.isAcknowledged($0.sequence) }
    }

    /// First all their waiters go, then all that they held returns, and last comes what the dead leave.
    mutating func end(_ list: [SessionID], areDead: Bool) {
        var held: [TupleID] = []
        var left: [Testament] = []
        for session in list {
            guard let state = sessions.removeValue(forKey: session) else { continue }
            ended[session] = index
            waiters.removeAll { $0.session == session }
            held += state.held.values
            if areDead, let testament = state.testament { left.append(testament) }
        }
        giveBack(held)
        for testament in left { deposit(testament) }
    }

    mutating func release(_ session: SessionID, _ sequence: UInt64) {
        guard let id = sessions[session]?.held.removeValue(forKey: sequence) else { return }
        giveBack([id])
    }

    mutating func giveBack(_ ids: [TupleID]) {
        for id in ids.sorted() {
            guard let place = place(of: id) else { continue }
            // A lease does not end while the tuple is held, and is looked at now.
            if hasEnded(items[place]) {
                endLease(place)
                continue
            }
            _ = event(.giveBack, items[place])
            show(place)
            offer([place])
        }
    }

    mutating func cancel(_ session: SessionID, _ sequence: UInt64) {
        guard let place = waiters.firstIndex(where: { $0.session == session && $0.sequence == sequence }) else {
            return
        }
        // Nothing was done under its key, if it had one: that is free again.
        let waiter = waiters.remove(at: place)
        settle(waiter.session, waiter.sequence, .noMatch)
    }

    // MARK: - Answers

    mutating func reply(_ header: CommandHeader, _ reply: Reply) { settle(header.session, header.sequence, reply) }

    mutating func settle(_ session: SessionID, _ sequence: UInt64, _ reply: Reply) {
        sessions[session]?.replies.updateValue(reply, forKey: sequence)
        note(CommandName(session: session, sequence: sequence), reply)
    }

    mutating func answer(_ header: CommandHeader, _ reply: Reply) {
        note(CommandName(session: header.session, sequence: header.sequence), reply)
    }

    private mutating func note(_ name: CommandName, _ reply: Reply) {
        if answers[name] == nil { answers[name] = Answer(reply: reply, index: index) }
    }
}
