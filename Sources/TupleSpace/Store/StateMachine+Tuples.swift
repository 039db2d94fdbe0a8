import ByteCoding

extension StateMachine {
    /// A key that an operation runs under.
    typealias Key = (key: UnsafeRawBufferPointer, digest: UnsafeRawBufferPointer)

    // MARK: - Write

    mutating func write(_ write: OperationView.Write, _ command: CommandView, into applied: inout Applied) -> Outcome {
        guard SpaceName.isValid(write.space) else { return .failed(.invalidSpace) }
        guard write.tuple.count <= Limits.tupleBytes else { return .failed(.tupleTooLarge(write.tuple.count)) }
        if let lease = write.lease, lease > Limits.leaseMilliseconds { return .failed(.leaseTooLong(lease)) }
        if let failure = refusal(.write, write.tuple, in: write.space, for: command.who),
            !mutations.contains(.writesAreNotChecked)
        {
            return .failed(failure)
        }
        guard let space = tuples.addSpace(write.space) else { return .failed(.tooManySpaces) }
        let id = tupleID(after: lastTupleID)
        let position = enter(id, space: write.space, write.tuple, lease: write.lease, caller: command.caller)
        if write.lease == 0 { return .written(id: id, position) }
        let end = write.lease.map(leaseEnd)
        FieldKeys.with(tuple: write.tuple, space: write.space) { fields in
            guard waiters.count > 0, let waiter = waiters.oldest(matching: write.tuple, in: write.space, keys: fields)
            else {
                return tuples.insert(id, space: space, tuple: write.tuple, keys: fields, held: false, leaseEnd: end)
            }
            tuples.insert(id, space: space, tuple: write.tuple, keys: fields, held: true, leaseEnd: end)
            // Nearly always: somebody who may have it at once.
            if !rights.hasPolicies, waiters.with(waiter, \.onlyHolds) == true {
                serve(waiter, id, space: write.space, tuple: write.tuple, into: &applied)
            } else {
                offerAll([id], into: &applied)
            }
        }
        return .written(id: id, position)
    }

    func tupleID(after last: UInt64) -> UInt64 { max(last &+ 1, wallStamp << 16) }

    /// Tells of a tuple that is written. One with a lease of 0 has ended already, and is not to be stored.
    mutating func enter(
        _ id: UInt64, space: UnsafeRawBufferPointer, _ tuple: UnsafeRawBufferPointer, lease: UInt64?,
        caller: UnsafeRawBufferPointer
    ) -> Position {
        lastTupleID = id
        note(.written, id)
        let position = emit(.write, id, space: space, caller: caller, tuple: tuple)
        if lease == 0 {
            note(.leaseEnded, id)
            _ = emit(.expire, id, space: space, caller: Self.nobody, tuple: tuple)
        }
        return position
    }

    /// Writes a tuple where nobody sees it yet: unless its lease has ended already, it is to be offered.
    mutating func store(
        _ id: UInt64, _ tuple: UnsafeRawBufferPointer, in space: UnsafeRawBufferPointer, _ number: UInt16,
        lease: UInt64?,
        caller: UnsafeRawBufferPointer
    ) -> Position {
        let position = enter(id, space: space, tuple, lease: lease, caller: caller)
        if lease == 0 { return position }
        FieldKeys.with(tuple: tuple, space: space) { fields in
            tuples.insert(id, space: number, tuple: tuple, keys: fields, held: true, leaseEnd: lease.map(leaseEnd))
        }
        return position
    }

    /// A waiter gets a tuple, which is not visible any more: it is held, or gone.
    private mutating func serve(
        _ waiter: UInt64, _ id: UInt64, space: UnsafeRawBufferPointer, tuple: UnsafeRawBufferPointer,
        into applied: inout Applied
    ) {
        note(.taken, id)
        waiters.record(waiter)?.withUnsafeBytes { record in
            let view = WaiterView(record)
            let position = emit(.take, id, space: space, caller: view.caller, tuple: tuple)
            let outcome = taken(by: view.hold, id, position, tuple, caller: view.caller)
            settle(waiter, view, outcome, keeps: true, into: &applied)
        }
    }

    /// A tuple is taken; it still stands in the store.
    private mutating func taken(
        by hold: Hold, _ id: UInt64, _ position: Position, _ tuple: UnsafeRawBufferPointer,
        caller: UnsafeRawBufferPointer
    ) -> Outcome {
        switch hold {
        case .none: return .encoded(Self.found(id, position, tuple))
        case .session: return .held(id: id, position)
        case .reservation(let milliseconds):
            let reservation = reserve(id, for: milliseconds, caller: caller)
            return .encoded(Self.reserved(reservation, id, position, tuple))
        }
    }

    static func found(_ id: UInt64, _ position: Position, _ tuple: UnsafeRawBufferPointer) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: 21 + tuple.count) { memory, count in
            let memory = UnsafeMutableRawBufferPointer(memory)
            memory[0] = ReplyCode.found
            memory.storeBytes(of: id.littleEndian, toByteOffset: 1, as: UInt64.self)
            memory.storeBytes(of: position.index.littleEndian, toByteOffset: 9, as: UInt64.self)
            memory.storeBytes(of: position.ordinal.littleEndian, toByteOffset: 17, as: UInt32.self)
            UnsafeMutableRawBufferPointer(rebasing: memory[21...]).copyMemory(from: tuple)
            count = 21 + tuple.count
        }
    }

    /// A waiter ends with an outcome, which its command and, if it `keeps`, its idempotency key get.
    /// - view: must stay readable while the waiter goes.
    mutating func settle(
        _ waiter: UInt64, _ view: WaiterView, _ outcome: Outcome, keeps: Bool, into applied: inout Applied
    ) {
        forget(waiter, view)
        conclude(waiter, view, outcome, keeps: keeps, into: &applied)
    }

    /// A waiter that has gone ends with an outcome.
    mutating func conclude(
        _ waiter: UInt64, _ view: WaiterView, _ outcome: Outcome, keeps: Bool, into applied: inout Applied
    ) {
        note(.settled, waiter)
        if keeps, view.isKeyed { keep(outcome, caller: view.caller, key: (view.key, view.digest)) }
        if let slot = table.slot(of: view.session) {
            table[slot].waiting -= 1
            table[slot].change(view.sequence, to: outcome)
        }
        repeatReply(outcome, session: view.session, sequence: view.sequence, into: &applied)
    }

    /// Takes a waiter out of the table and of the keys. Its session is not told.
    mutating func forget(_ waiter: UInt64, _ view: WaiterView) {
        if view.isKeyed { keys.removePending(waiter, caller: view.caller, key: view.key) }
        for sibling in 0..<UInt64(view.siblings) { waiters.remove(waiter + sibling) }
    }

    // MARK: - Take

    /// - milliseconds: of the reservation that is to hold the tuple, instead of the session.
    mutating func take(
        _ take: OperationView.Take, reserving milliseconds: UInt64? = nil, _ command: CommandView, slot: Int, key: Key?
    ) -> Outcome {
        guard SpaceName.isValid(take.space) else { return .failed(.invalidSpace) }
        if let timeout = take.timeout, timeout > Limits.timeoutMilliseconds {
            return .failed(.timeoutTooLong(timeout))
        }
        if let milliseconds {
            guard milliseconds <= Limits.reservationMilliseconds else {
                return .failed(.reservationTooLong(milliseconds))
            }
            guard reservations.count < Limits.reservations else { return .failed(.tooManyReservations) }
        }
        let permission = permission(.read, .take, in: take.space, for: command.who)
        if let failure = permission.failure { return .failed(failure) }
        guard let id = oldest(take.template, in: take.space, permission, for: command.who) else {
            return .failed(.templateTooBroad)
        }
        let hold: Hold = milliseconds.map { .reservation($0) } ?? (take.holds ? .session : .none)
        if id > 0 { return takeOut(id, hold, caller: command.caller) }
        if take.timeout == 0 { return .noMatch }
        return wait(take, hold, command, slot: slot, key: key)
    }

    /// - Returns: the lowest id that matches, of what somebody is allowed; 0 if none does; nil if the template is too broad.
    func oldest(
        _ template: UnsafeRawBufferPointer, in space: UnsafeRawBufferPointer, _ permission: Permission,
        for caller: Caller
    ) -> UInt64? {
        if permission.isEverything { return tuples.oldest(template, in: space) }
        var found: UInt64 = 0
        let complete = tuples.search(template, in: space, where: { allows(permission, $0, for: caller) }) { id, _ in
            found = id
            return false
        }
        return complete ? found : nil
    }

    mutating func takeOut(_ id: UInt64, _ hold: Hold = .none, caller: UnsafeRawBufferPointer) -> Outcome {
        note(hold == .none ? .taken : .held, id)
        let position = Position(index: appliedIndex, ordinal: ordinal)
        // Of all the table only what is read here, which this changes nothing of.
        let (records, names) = (tuples.records, tuples.spaces.names)
        let outcome = records.place(of: id).map { place in
            names[Int(records.label(place))].withUnsafeBytes { space in
                records.withBytes(place) { tuple in
                    ordinal &+= 1
                    ring.append(position, .take, id: id, space: space, caller: caller, tuple: tuple)
                    return taken(by: hold, id, position, tuple, caller: caller)
                }
            }
        }
        if hold == .none { tuples.remove(id) } else { tuples.hold(id) }
        return outcome ?? .noMatch
    }

    private mutating func wait(
        _ take: OperationView.Take, _ hold: Hold, _ command: CommandView, slot: Int, key: Key?
    ) -> Outcome {
        guard waiters.count < Limits.waiters else { return .failed(.tooManyWaiters) }
        guard table[slot].waiting < Limits.waitersPerSession else { return .failed(.tooManyWaitersInSession) }
        lastWaiterID += 1
        note(.waits, lastWaiterID)
        let deadline = deadline(take.timeout.map { .milliseconds($0) } ?? .forever)
        var waiter = WaiterView(command, deadline: deadline, key: key, space: take.space, template: take.template)
        waiter.hold = hold
        waiters.insert(lastWaiterID, waiter)
        if let key { keys.addPending(lastWaiterID, caller: command.caller, key: key.key) }
        table[slot].waiting += 1
        return .pending(waiter: lastWaiterID)
    }

    func deadline(_ timeout: Timeout) -> UInt64 {
        guard case .milliseconds(let time) = timeout else { return WaiterView.forever }
        // One below "for ever", at the end of all time.
        return min(leaseTime.addingReportingOverflow(time).overflow ? .max : leaseTime + time, .max - 1)
    }

    // MARK: - Cancel, release, return

    mutating func cancel(_ sequence: UInt64, slot: Int, into applied: inout Applied) {
        guard case .pending(let waiter)? = table[slot].outcome(sequence) else { return }
        // The key is free again: nothing was done under it.
        waiters.record(waiter)?.withUnsafeBytes {
            settle(waiter, WaiterView($0), .noMatch, keeps: false, into: &applied)
        }
    }

    mutating func release(_ sequence: UInt64, _ command: CommandView, slot: Int, into applied: inout Applied) {
        guard let outcome = table[slot].outcome(sequence), case .held(let id, _) = outcome else { return }
        // The reply stays what it was, though the tuple may be another's soon.
        table[slot].change(sequence, to: .encoded(encoded(outcome)))
        giveBack([(id, [UInt8](command.caller))], into: &applied)
    }

    /// Held tuples return to their places, and each is offered to the waiters.
    /// - held: ascending by id, with who held it.
    mutating func giveBack(_ held: [(id: UInt64, caller: [UInt8])], into applied: inout Applied) {
        for (id, caller) in held {
            if let end = tuples.leaseEnd(of: id), end <= leaseTime, !mutations.contains(.returnsIgnoreTheEnd) {
                endLease(id)
                continue
            }
            note(.gaveBack, id)
            guard let bytes = tuples.with(id, { (space: [UInt8]($0), tuple: [UInt8]($1)) }) else { continue }
            bytes.space.withUnsafeBytes { space in
                bytes.tuple.withUnsafeBytes { tuple in
                    _ = caller.withUnsafeBytes { emit(.giveBack, id, space: space, caller: $0, tuple: tuple) }
                    offerAll([id], into: &applied)
                }
            }
        }
    }

    // MARK: - Offering

    /// Gives tuples that nobody sees to whoever waits for them, in turn, or makes them visible; and then what statements wrote that were
    /// waiting for those.
    mutating func offerAll(_ ids: [UInt64], into applied: inout Applied) {
        offers.append(contentsOf: ids)
        // Whoever offers now comes to these too: nothing is nested, however long the chain.
        guard !isOffering, !offers.isEmpty else { return }
        isOffering = true
        var next = 0
        while next < offers.count {
            offer(offers[next], into: &applied)
            next += 1
        }
        offers.removeAll(keepingCapacity: offers.count <= 1_024)
        isOffering = false
    }

    /// Gives one to the waiters that it matches, oldest first, until one has it; or makes it visible.
    private mutating func offer(_ id: UInt64, into applied: inout Applied) {
        guard tuples.isHeld(id), let bytes = tuples.with(id, { (space: [UInt8]($0), tuple: [UInt8]($1)) }) else {
            return
        }
        bytes.space.withUnsafeBytes { space in
            bytes.tuple.withUnsafeBytes { tuple in
                FieldKeys.with(tuple: tuple, space: space) { fields in
                    var last: UInt64 = 0
                    while waiters.count > 0,
                        let waiter = waiters.oldest(matching: tuple, in: space, keys: fields, behind: last)
                    {
                        guard give(id, to: waiter, space: space, tuple: tuple, into: &applied) else { return }
                        last = waiter
                    }
                    tuples.unhold(id, keys: fields)
                }
            }
        }
    }

    /// - Returns: whether the tuple is still to be offered to others.
    private mutating func give(
        _ id: UInt64, to waiter: UInt64, space: UnsafeRawBufferPointer, tuple: UnsafeRawBufferPointer,
        into applied: inout Applied
    ) -> Bool {
        guard let record = waiters.record(waiter) else { return true }
        return record.withUnsafeBytes { record in
            let view = WaiterView(record)
            switch admission(view, tuple, in: space) {
            case .passedOver: return true
            case .over(let failure):
                settle(waiter - UInt64(view.ordinal), view, .failed(failure), keeps: false, into: &applied)
                return true
            case .admitted: break
            }
            if view.isStatement { return trigger(waiter, view, id, into: &applied) }
            serve(waiter, id, space: space, tuple: tuple, into: &applied)
            // Held already, it is the waiter's from now on; or it goes for good.
            if view.hold == .none { tuples.remove(id) }
            return false
        }
    }

    private enum Admission {
        case admitted
        /// Not with this tuple.
        case passedOver
        case over(Failure)
    }

    /// Whether who waits may have a tuple, as things are by now.
    private func admission(
        _ waiter: WaiterView, _ tuple: UnsafeRawBufferPointer, in space: UnsafeRawBufferPointer
    ) -> Admission {
        switch waiter.hold {
        case .session: break
        case .reservation where reservations.count >= Limits.reservations: return .over(.tooManyReservations)
        case .none, .reservation:
            if let slot = table.slot(of: waiter.session), keepsTooMuch(slot) { return .over(.keepsTooMuch) }
        }
        guard rights.hasPolicies || waiter.isMarked else { return .admitted }
        let verdict = identify(waiter) { caller -> Admission in
            // What a statement may, its plan looks at.
            if waiter.isStatement || mutations.contains(.waitersAreNotChecked) { return .admitted }
            let permission = permission(.read, .take, in: space, for: caller)
            if let failure = permission.failure { return .over(failure) }
            return allows(permission, tuple, for: caller) ? .admitted : .passedOver
        }
        return verdict ?? (mutations.contains(.removedTokensWait) ? .admitted : .over(.unknownToken))
    }

    /// Who waits; nil if its token is not known any more.
    func identify<Result>(_ waiter: WaiterView, _ body: (Caller) -> Result) -> Result? {
        waiter.isMarked ? identify(waiter.credential, body) : body(Caller(name: waiter.caller))
    }

    /// Whether a session has so many replies unacknowledged that it gets no more.
    func keepsTooMuch(_ slot: Int) -> Bool {
        featureLevel >= FeatureLevels.rights && table[slot].keptReplyBytes > Limits.keptReplyBytes
    }
}
