import ByteCoding

/// What the digest says was decided: mixed with the numbers that tell the case.
enum Decision: UInt64 {
    case batch = 1, malformedBatch, malformedCommand, reply, written, taken, held, gaveBack, waits, abandoned
    case sessionOpened, sessionEnded, keyExpired, settled, leased, leaseEnded, replaced, statement
    case reserved, testament, notDeposited, policy, token, level
}

extension StateMachine {
    /// Wall stamps stay below 2^46 ms (the year 4199), so that ids stay below 2^63.
    static let highestWallStamp: UInt64 = 1 << 46 - 1

    /// Applies one batch (see `BatchWriter`). Never traps and never fails: a malformed batch or command is itself answered.
    ///
    /// A batch whose frame is malformed changes nothing but the index and the digest. An index that was applied before does nothing.
    public mutating func apply(_ batch: UnsafeRawBufferPointer, at index: UInt64, into applied: inout Applied) {
        guard index > appliedIndex else { return }
        appliedIndex = index
        ordinal = 0
        decisions.mix(index)
        guard BatchFrame.isValid(batch) else { return note(.malformedBatch, UInt64(batch.count)) }
        var scan = ByteScan(batch, at: 1)
        leaseTime = max(leaseTime, scan.word())
        wallStamp = max(wallStamp, min(scan.word(), Self.highestWallStamp))
        note(.batch, leaseTime)
        ring.trim()
        expire(into: &applied)
        while scan.remaining > 0 {
            let length = BatchFrame.commandLength(&scan)
            let end = scan.offset + length
            applyCommand(UnsafeRawBufferPointer(rebasing: batch[scan.offset..<end]), into: &applied)
            scan.offset = end
        }
    }

    @inline(__always)
    mutating func note(_ decision: Decision, _ number: UInt64) {
        decisions.mix(decision.rawValue << 56 ^ number)
    }

    private mutating func applyCommand(_ bytes: UnsafeRawBufferPointer, into applied: inout Applied) {
        guard let command = CommandView(bytes) else { return note(.malformedCommand, UInt64(bytes.count)) }
        if command.session == 0 { return applyLeadersOwn(command, into: &applied) }
        guard command.isMarked else { return applyClients(command, of: bytes.count, into: &applied) }
        let isKnown: Void? = identify(command.credential) { who in
            var command = command
            command.who = who
            applyClients(command, of: bytes.count, into: &applied)
        }
        if isKnown == nil { reply(.failed(.unknownToken), to: command, into: &applied) }
    }

    private mutating func applyClients(_ command: CommandView, of byteCount: Int, into applied: inout Applied) {
        // What follows relies on it: no record that is made of a command outgrows its slab's offsets.
        guard byteCount <= Limits.commandBytes else {
            return reply(.failed(.tupleTooLarge(byteCount)), to: command, into: &applied)
        }
        let code = command.operation.first
        if code == OperationCode.openSession { return openSession(command, into: &applied) }
        guard let slot = table.find(command.session) else {
            return reply(.failed(.sessionExpired), to: command, into: &applied)
        }
        // A session that a user opened is theirs, whoever comes to know its number.
        guard table[slot].belongs(to: command.caller) else {
            return reply(.failed(.notYours), to: command, into: &applied)
        }
        if command.acknowledgesAny { acknowledge(command, slot: slot) }
        if table[slot].isAcknowledged(command.sequence) {
            return reply(.failed(.alreadyAcknowledged), to: command, into: &applied)
        }
        if let outcome = table[slot].outcome(command.sequence) {
            return repeatReply(outcome, session: command.session, sequence: command.sequence, into: &applied)
        }
        if command.operation.count == 1 {
            // These two stand outside the window: one needs no memory of itself, the other ends all memory.
            if code == OperationCode.acknowledge { return reply(.done, to: command, into: &applied) }
            if code == OperationCode.endSession { return endSessions([command.session], by: command, into: &applied) }
        }
        guard table[slot].windowCount < Limits.sessionWindow else {
            return reply(.failed(.windowFull), to: command, into: &applied)
        }
        if keepsTooMuch(slot), code != OperationCode.cancel, code != OperationCode.release {
            return reply(.failed(.keepsTooMuch), to: command, into: &applied)
        }
        execute(command, slot: slot, into: &applied)
    }

    /// Runs an operation for the first time, remembers what came of it and replies, unless it waits.
    private mutating func execute(_ command: CommandView, slot: Int, into applied: inout Applied) {
        let outcome =
            if let operation = OperationView(command.operation) {
                perform(operation, command, slot: slot, key: nil, into: &applied)
            } else {
                Outcome.failed(.malformed(command.operation))
            }
        table[slot].add(command.sequence, outcome)
        repeatReply(outcome, session: command.session, sequence: command.sequence, into: &applied)
    }

    /// - key: what it runs under, if it may.
    mutating func perform(
        _ operation: OperationView, _ command: CommandView, slot: Int, key: Key?, into applied: inout Applied
    ) -> Outcome {
        switch operation {
        case .write(let write): return self.write(write, command, into: &applied)
        case .take(let take): return self.take(take, command, slot: slot, key: key)
        case .reserve(let reserve):
            return take(reserve.take, reserving: reserve.reservation, command, slot: slot, key: key)
        case .reservation(let id, let action): return act(on: id, action, command, into: &applied)
        case .renew(let renewal): return renew(renewal, command, into: &applied)
        case .takeByID(let space, let id): return takeByID(id, in: space, command)
        case .takeAll(let takeAll): return self.takeAll(takeAll, command, slot: slot)
        case .replace(let replacement): return replace(replacement, command, into: &applied)
        case .statement(let bytes): return perform(statement: bytes, command, slot: slot, key: key, into: &applied)
        case .cancel(let sequence):
            cancel(sequence, slot: slot, into: &applied)
            return .done
        case .release(let sequence):
            release(sequence, command, slot: slot, into: &applied)
            return .done
        case .rare(let bytes): return perform(rare: bytes, command)
        case .keyed(let keyed): return self.keyed(keyed, command, slot: slot, into: &applied)
        case .openSession, .endSession, .expireSessions, .acknowledge: return .failed(.notForClients)
        }
    }

    private mutating func perform(rare operation: UnsafeRawBufferPointer, _ command: CommandView) -> Outcome {
        switch Operation(encoded: operation) {
        case .leave(let tuples)?: return setFailureTuples(tuples, command)
        case .setPolicy(let space, let policy)?: return setPolicy(policy, for: space, command)
        case .setToken(let token)?: return setToken(token, command)
        case .removeToken(let digest)?: return removeToken(digest, command)
        default: return .failed(.notForClients)
        }
    }

    private mutating func applyLeadersOwn(_ command: CommandView, into applied: inout Applied) {
        // They are few, and so read in full.
        switch Operation(encoded: command.operation) {
        case .expireSessions(let ids)?:
            endSessions(ids.prefix(Limits.expiriesPerEntry).map(\.rawValue), by: nil, into: &applied)
        case .raiseLevel(let level)?:
            note(.level, UInt64(level))
            featureLevel = max(featureLevel, level)
        default: note(.malformedCommand, UInt64(command.operation.count))
        }
    }
}

// MARK: - Replies

extension Outcome {
    static func failed(_ failure: Failure) -> Outcome {
        var writer = ByteWriter()
        Reply.failed(failure).encode(into: &writer)
        return .encoded(writer.bytes)
    }
}

extension StateMachine {
    /// Replies without remembering it.
    mutating func reply(_ reply: Reply, to command: CommandView, into applied: inout Applied) {
        let start = applied.bytes.count
        reply.encode(into: &applied.bytes)
        finishReply(command.session, command.sequence, from: start, into: &applied)
    }

    /// Replies what is remembered; nothing for what is pending.
    mutating func repeatReply(
        _ outcome: Outcome, session: UInt64, sequence: UInt64, into applied: inout Applied
    ) {
        if case .pending = outcome { return }
        let start = applied.bytes.count
        encode(outcome, into: &applied.bytes)
        finishReply(session, sequence, from: start, into: &applied)
    }

    private mutating func finishReply(
        _ session: UInt64, _ sequence: UInt64, from start: Int, into applied: inout Applied
    ) {
        let range = start..<applied.bytes.count
        applied.outcomes.append(.init(session: SessionID(session), sequence: sequence, range: range))
        // A failure's message may be worded otherwise by another version: its code alone counts.
        let kind = applied.bytes.bytes[start]
        let detail = kind == ReplyCode.failed ? UInt64(applied.bytes.bytes[start + 1]) : UInt64(range.count)
        note(.reply, UInt64(kind) << 48 ^ detail << 24 ^ sequence)
    }

    /// An outcome as an encoded reply; nothing if it is pending.
    func encode(_ outcome: Outcome, into writer: inout ByteWriter) {
        switch outcome {
        case .pending: return
        case .done: writer.write(ReplyCode.done)
        case .noMatch: writer.write(ReplyCode.noMatch)
        case .written(let id, let position):
            withUnsafeTemporaryAllocation(byteCount: 21, alignment: 1) { memory in
                memory[0] = ReplyCode.written
                memory.storeBytes(of: id.littleEndian, toByteOffset: 1, as: UInt64.self)
                memory.storeBytes(of: position.index.littleEndian, toByteOffset: 9, as: UInt64.self)
                memory.storeBytes(of: position.ordinal.littleEndian, toByteOffset: 17, as: UInt32.self)
                writer.write(raw: UnsafeRawBufferPointer(memory))
            }
        case .held(let id, let position):
            // A held tuple is in the store for as long as its hold.
            _ = tuples.with(id) { _, tuple in
                writer.write(ReplyCode.found)
                writer.write(id)
                position.encode(into: &writer)
                writer.write(raw: tuple)
            }
        case .encoded(let bytes): writer.write(raw: bytes)
        }
    }

    func encoded(_ outcome: Outcome) -> [UInt8] {
        var writer = ByteWriter()
        encode(outcome, into: &writer)
        return writer.bytes
    }

    /// Emits an event of the entry being applied.
    mutating func emit(
        _ kind: Event.Kind, _ id: UInt64, space: UnsafeRawBufferPointer, caller: UnsafeRawBufferPointer,
        tuple: UnsafeRawBufferPointer
    ) -> Position {
        let position = Position(index: appliedIndex, ordinal: ordinal)
        ordinal &+= 1
        ring.append(position, kind, id: id, space: space, caller: caller, tuple: tuple)
        return position
    }
}
