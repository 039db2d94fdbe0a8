import ByteCoding

extension StateMachine {
    mutating func openSession(_ command: CommandView, into applied: inout Applied) {
        guard case .openSession(let timeout)? = OperationView(command.operation) else {
            return reply(.failed(.malformed(command.operation)), to: command, into: &applied)
        }
        guard Limits.sessionTimeoutMilliseconds.contains(timeout) else {
            return reply(.failed(.sessionTimeout(timeout)), to: command, into: &applied)
        }
        if table.slot(of: command.session) == nil {
            // A repetition that comes late: a session ends once and for all.
            guard !table.ended.contains(command.session) else {
                return reply(.failed(.sessionExpired), to: command, into: &applied)
            }
            guard table.count < Limits.sessions else {
                return reply(.failed(.tooManySessions), to: command, into: &applied)
            }
            note(.sessionOpened, command.session)
            table.open(
                Session(id: command.session, timeoutMilliseconds: timeout, caller: [UInt8](command.caller)))
            applied.sessionsOpened.append((SessionID(command.session), timeout))
        }
        reply(.done, to: command, into: &applied)
    }

    /// What the client needs no more: held tuples are gone for good. Acknowledging a command that still waits abandons it.
    mutating func acknowledge(_ command: CommandView, slot: Int) {
        // Nearly always there is nothing to settle, and then nothing is allocated.
        var gone: [Outcome] = []
        table[slot].acknowledge(below: command.acknowledgedBelow) { acknowledged in
            switch acknowledged.outcome {
            case .held, .pending: gone.append(acknowledged.outcome)
            default: break
            }
        }
        var scan = ByteScan(command.acknowledged)
        while scan.remaining > 0 {
            if let acknowledged = table[slot].acknowledge(single: scan.varint()) { gone.append(acknowledged.outcome) }
        }
        for outcome in gone { letGo(outcome, slot: slot) }
    }

    private mutating func letGo(_ outcome: Outcome, slot: Int) {
        switch outcome {
        case .held(let id, _):
            note(.taken, id)
            tuples.remove(id)
        case .pending(let waiter):
            note(.abandoned, waiter)
            table[slot].waiting -= 1
            abandon(waiter)
        default: return
        }
    }

    /// A waiter goes without a reply; its key is free again.
    private mutating func abandon(_ waiter: UInt64) {
        waiters.record(waiter)?.withUnsafeBytes { forget(waiter, WaiterView($0)) }
    }

    /// Ends sessions as one: first all their waiters go, then all their held tuples return, oldest first, so that no tuple is offered to
    /// a session that ends with its holder's; and last come the failure tuples of those that died.
    /// - command: of the session that ends itself; nil if the leader ends them.
    mutating func endSessions(_ ids: [UInt64], by command: CommandView?, into applied: inout Applied) {
        var held: [(id: UInt64, caller: [UInt8])] = []
        var left: [FailureTuples.Testament] = []
        for id in ids {
            guard let slot = table.slot(of: id) else { continue }
            note(.sessionEnded, id)
            for command in table[slot].window {
                switch command.outcome {
                case .pending(let waiter):
                    note(.abandoned, waiter)
                    abandon(waiter)
                case .held(let id, _): held.append((id, table[slot].caller))
                default: break
                }
            }
            // Whoever ends its own session has not died.
            let hasDied = command == nil || mutations.contains(.cleanEndsLeaveTuples)
            if let testament = testaments.remove(id), hasDied { left.append(testament) }
            table.close(id)
            applied.sessionsEnded.append(SessionID(id))
        }
        held.sort { $0.id < $1.id }
        giveBack(held, into: &applied)
        if mutations.contains(.failureTuplesAreLost) { left.removeAll() }
        if mutations.contains(.failureTuplesComeTwice) { left += left }
        for testament in left { deposit(testament, into: &applied) }
        if let command { reply(.done, to: command, into: &applied) }
    }

    /// Waiters whose deadline has come, in order of (deadline, id), then leases and reservations likewise, then idempotency keys,
    /// oldest first; as many as one entry may.
    mutating func expire(into applied: inout Applied) {
        var budget = Limits.expiriesPerEntry
        while budget > 0, let first = waiters.firstDeadline, first.time <= leaseTime {
            budget -= 1
            waiters.record(first.id)?.withUnsafeBytes {
                settle(first.id, WaiterView($0), .noMatch, keeps: true, into: &applied)
            }
        }
        while budget > 0, let first = tuples.firstLeaseEnd, first.time <= leaseTime {
            if mutations.contains(.leasesNeverEnd) { break }
            // Nothing comes of a held one's end now, so it costs nothing of the budget.
            if !mutations.contains(.heldTuplesEnd), tuples.passLeaseEnd(ofHeld: first.id) { continue }
            budget -= 1
            endLease(first.id)
        }
        while budget > 0, let first = reservations.first, first.time <= leaseTime {
            budget -= 1
            endReservation(first.id, into: &applied)
        }
        while budget > 0, keys.removeFirst(expiredAt: leaseTime) {
            budget -= 1
            note(.keyExpired, 0)
        }
    }
}
