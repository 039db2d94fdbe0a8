import ByteCoding

// Tuples by their ids, and many at once.

extension StateMachine {
    mutating func takeByID(_ id: UInt64, in space: UnsafeRawBufferPointer, _ command: CommandView) -> Outcome {
        guard SpaceName.isValid(space) else { return .failed(.invalidSpace) }
        if let refusal = refusal(.take, ofTuple: id, in: space, command.who) { return refusal }
        return takeOut(id, caller: command.caller)
    }

    /// The page ends at its limit of tuples or bytes, or where too many were examined that do not match.
    mutating func takeAll(_ take: OperationView.TakeAll, _ command: CommandView, slot: Int) -> Outcome {
        guard SpaceName.isValid(take.space) else { return .failed(.invalidSpace) }
        guard let (page, template) = take.parts else { return .failed(.malformed(command.operation)) }
        guard (1...Limits.pageTuples).contains(page.limit) else { return .failed(.pageLimit(page.limit)) }
        guard table[slot].keptReplyBytes <= Limits.keptReplyBytes else { return .failed(.keepsTooMuch) }
        let (caller, permission) = (command.who, permission(.read, .take, in: take.space, for: command.who))
        if let failure = permission.failure { return .failed(failure) }
        var reply = ByteWriter()
        reply.write(ReplyCode.tuples)
        reply.write(false)
        reply.write(UInt32(0))
        var taken: [UInt64] = []
        var more = false
        let complete = tuples.search(
            template, in: take.space, TupleTable.Bounds(page),
            where: { allows(permission, $0, for: caller) }
        ) { id, tuple in
            let fits =
                taken.count < page.limit
                && (taken.isEmpty || reply.count + tuple.count + 8 <= Limits.takeAllBytes)
            guard fits else {
                more = true
                return false
            }
            reply.write(id)
            reply.write(raw: tuple)
            taken.append(id)
            return true
        }
        guard complete || !taken.isEmpty else { return .failed(.templateTooBroad) }
        let left = mutations.contains(.takeAllLeavesOne) && taken.count > 1 ? 1 : 0
        for id in taken.dropLast(left) { _ = takeOut(id, caller: command.caller) }
        if more || !complete { reply.bytes[1] = 1 }
        reply.patch(UInt32(taken.count), at: 2)
        return .encoded(reply.bytes)
    }

    mutating func replace(
        _ replacement: OperationView.Replacement, _ command: CommandView, into applied: inout Applied
    ) -> Outcome {
        guard SpaceName.isValid(replacement.space) else { return .failed(.invalidSpace) }
        guard replacement.tuple.count <= Limits.tupleBytes else {
            return .failed(.tupleTooLarge(replacement.tuple.count))
        }
        let id = replacement.id
        if let refusal = refusal(.take, ofTuple: id, in: replacement.space, command.who) { return refusal }
        if let failure = refusal(.write, replacement.tuple, in: replacement.space, for: command.who) {
            return .failed(failure)
        }
        if mutations.contains(.replacementsMove) {
            tuples.remove(id)
            return write(
                .init(space: replacement.space, lease: nil, tuple: replacement.tuple), command, into: &applied)
        }
        let position = exchange(id, for: replacement.tuple, space: replacement.space, caller: command.caller)
        offerAll([id], into: &applied)
        return .written(id: id, position)
    }

    /// Why somebody may not do something with a tuple by its id; nil if they may. What they may not read is not there for them.
    func refusal(
        _ right: Right, ofTuple id: UInt64, in space: UnsafeRawBufferPointer, _ caller: Caller
    ) -> Outcome? {
        guard isThere(id, in: space) else { return .noMatch }
        guard rights.hasPolicies else { return nil }
        return tuples.with(id) { space, tuple in
            let reading = permission(.read, in: space, for: caller)
            if let failure = reading.failure { return .failed(failure) }
            guard allows(reading, tuple, for: caller) else { return .noMatch }
            return refusal(right, tuple, in: space, for: caller).map { .failed($0) }
        } ?? .noMatch
    }

    /// Puts another tuple in a tuple's place, as if that had been held and came back changed: it is to be offered to whoever waits for
    /// what it is now.
    mutating func exchange(
        _ id: UInt64, for tuple: UnsafeRawBufferPointer, space: UnsafeRawBufferPointer, caller: UnsafeRawBufferPointer
    ) -> Position {
        note(.replaced, id)
        tuples.hold(id)
        if mutations.contains(.replacementsForgetTheLease) { tuples.setLeaseEnd(of: id, nil) }
        tuples.rewrite(id, tuple)
        return emit(.replace, id, space: space, caller: caller, tuple: tuple)
    }
}
