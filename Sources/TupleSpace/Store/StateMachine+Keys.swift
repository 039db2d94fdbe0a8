import ByteCoding

extension StateMachine {
    /// An operation under an idempotency key: done once, answered the same as often as it is asked. A failure changes nothing and is
    /// not kept.
    mutating func keyed(
        _ keyed: OperationView.Keyed, _ command: CommandView, slot: Int, into applied: inout Applied
    ) -> Outcome {
        guard IdempotencyRules.isValid(keyBytes: keyed.key.count, digestBytes: keyed.digest.count) else {
            return .failed(.idempotencyKey)
        }
        guard let operation = OperationView(keyed.operation), operation.isKeyable else { return .failed(.notKeyable) }
        switch keys.find(caller: command.caller, key: keyed.key, waiters: waiters) {
        case .replied(let id):
            return keys.record(id) { record in
                record.digest.isSame(as: keyed.digest)
                    ? .encoded([UInt8](record.reply)) : .failed(.idempotencyMismatch)
            } ?? .failed(.idempotencyMismatch)
        case .pending(let waiter): return adopt(waiter, keyed, command, slot: slot, into: &applied)
        case nil: break
        }
        guard keys.count < Limits.idempotencyKeys else { return .failed(.idempotencyFull) }
        let outcome = perform(operation, command, slot: slot, key: (keyed.key, keyed.digest), into: &applied)
        keep(outcome, caller: command.caller, key: (keyed.key, keyed.digest))
        return outcome
    }

    /// Remembers an outcome under a key, unless it is a failure or still to come.
    mutating func keep(_ outcome: Outcome, caller: UnsafeRawBufferPointer, key: Key) {
        switch outcome {
        case .pending: return
        case .encoded(let bytes) where bytes.first == ReplyCode.failed: return
        default: break
        }
        let expiry = leaseTime.addingReportingOverflow(Limits.idempotencyLifetimeMilliseconds)
        encoded(outcome).withUnsafeBytes { reply in
            keys.addReply(
                expiry: expiry.overflow ? .max : expiry.partialValue, digest: key.digest, caller: caller, key: key.key,
                reply: reply)
        }
    }

    /// The request was sent again elsewhere while it waits: the newcomer gets the answer, and the end of the earlier session ends
    /// nothing.
    private mutating func adopt(
        _ waiter: UInt64, _ keyed: OperationView.Keyed, _ command: CommandView, slot: Int, into applied: inout Applied
    ) -> Outcome {
        let owner = waiters.with(waiter) { waiter in
            (session: waiter.session, sequence: waiter.sequence, isSame: waiter.digest.isSame(as: keyed.digest))
        }
        guard let owner, owner.isSame else { return .failed(.idempotencyMismatch) }
        guard table[slot].waiting < Limits.waitersPerSession || owner.session == command.session else {
            return .failed(.tooManyWaitersInSession)
        }
        let superseded = Outcome.failed(.superseded)
        if let previous = table.slot(of: owner.session) {
            table[previous].waiting -= 1
            table[previous].change(owner.sequence, to: superseded)
        }
        repeatReply(superseded, session: owner.session, sequence: owner.sequence, into: &applied)
        waiters.setOwner(waiter, session: command.session, sequence: command.sequence)
        table[slot].waiting += 1
        note(.waits, waiter)
        return .pending(waiter: waiter)
    }
}
