import ByteCoding

extension StateMachine {
    /// Who did what nobody asked for.
    static var nobody: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: nil, count: 0) }

    /// When a lease that begins now ends: at the latest just before the end of all time, which means never.
    func leaseEnd(after milliseconds: UInt64) -> UInt64 {
        let end = leaseTime.addingReportingOverflow(milliseconds)
        return end.overflow ? TupleTable.noLease - 1 : min(end.partialValue, TupleTable.noLease - 1)
    }

    mutating func renew(_ renewal: OperationView.Renewal, _ command: CommandView, into applied: inout Applied)
        -> Outcome
    {
        guard SpaceName.isValid(renewal.space) else { return .failed(.invalidSpace) }
        if let lease = renewal.lease, lease > Limits.leaseMilliseconds { return .failed(.leaseTooLong(lease)) }
        if let refusal = refusal(.write, ofTuple: renewal.id, in: renewal.space, command.who) {
            if case .noMatch = refusal, mutations.contains(.goneTuplesAreRenewed) { return .done }
            return refusal
        }
        note(.leased, renewal.id)
        if !mutations.contains(.renewalsKeepTheEnd) {
            tuples.setLeaseEnd(of: renewal.id, renewal.lease.map(leaseEnd))
        }
        if renewal.lease == 0 { endLease(renewal.id) }
        return .done
    }

    /// Whether a tuple can be found in a space, and its lease has not ended: one entry ends only so many leases.
    func isThere(_ id: UInt64, in space: UnsafeRawBufferPointer) -> Bool {
        guard tuples.isVisible(id, in: space) else { return false }
        return tuples.leaseEnd(of: id).map { $0 > leaseTime } ?? true
    }

    /// The tuple goes.
    mutating func endLease(_ id: UInt64) {
        note(.leaseEnded, id)
        _ = tuples.with(id) { space, tuple in
            let position = Position(index: appliedIndex, ordinal: ordinal)
            ordinal &+= 1
            ring.append(position, .expire, id: id, space: space, caller: Self.nobody, tuple: tuple)
        }
        tuples.remove(id)
    }
}
