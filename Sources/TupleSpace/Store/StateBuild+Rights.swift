import ByteCoding

// The blocks of a snapshot that came with feature level 4.

extension StateBuild {
    mutating func readPolicy(_ reader: inout ByteReader) throws(MalformedBytes) {
        let start = reader.offset
        let name = try reader.readPrefixed("space")
        let space = machine.tuples.spaces.number(of: name)
        guard name.isEmpty || space != nil else { throw MalformedBytes("space of a policy", at: start) }
        try Self.requireAscending(space.map { UInt64($0) + 2 } ?? 1, behind: &last.policy, upTo: .max, at: start)
        let policy = try Policy(from: &reader)
        if !machine.mutations.contains(.snapshotsForgetRights) { machine.rights.set(policy, for: space) }
    }

    mutating func readToken(_ reader: inout ByteReader) throws(MalformedBytes) {
        let start = reader.offset
        let token = try TokenRecord(from: &reader)
        guard last.token.map({ $0 < token.digest }) ?? true, machine.rights.tokens.count < Limits.tokens else {
            throw MalformedBytes("order or number of tokens", at: start)
        }
        last.token = token.digest
        if !machine.mutations.contains(.snapshotsForgetRights) { machine.rights.set(token) }
    }

    mutating func readReservation(_ reader: inout ByteReader) throws(MalformedBytes) {
        let start = reader.offset
        let id = try reader.readUInt64("reservation")
        let tuple = try reader.readUInt64("tuple id")
        let end = try reader.readUInt64("end of a reservation")
        let caller = try reader.readPrefixed("caller")
        try Self.requireAscending(id, behind: &last.reservation, upTo: machine.lastTupleID, at: start)
        guard UTF8Check.isValid(caller), machine.reservations.count < Limits.reservations else {
            throw MalformedBytes("caller or number of reservations", at: start)
        }
        guard machine.tuples.isHeld(tuple), held.insert(tuple).inserted else {
            throw MalformedBytes("reserved tuple", at: start)
        }
        let forgets = machine.mutations.contains(.snapshotsForgetReservations)
        machine.reservations.insert(id, .init(tuple: tuple, end: forgets ? .max : end, caller: [UInt8](caller)))
    }

    mutating func readFailureTuples(_ reader: inout ByteReader) throws(MalformedBytes) {
        let start = reader.offset
        let session = try reader.readUInt64("session")
        let credential = try reader.readPrefixed("caller")
        var tuples: [FailureTuple] = []
        for _ in 0..<(try reader.readCount(of: "failure tuples", minimumBytes: 4)) {
            tuples.append(try FailureTuple(from: &reader))
        }
        try Self.requireAscending(session, behind: &last.testament, upTo: .max, at: start)
        let bytes = tuples.reduce(0) { $0 + $1.encodedTuple.count }
        let isSound =
            machine.table.slot(of: session) != nil && UTF8Check.isValid(credential)
            && (1...Limits.failureTuplesPerSession).contains(tuples.count)
            && bytes <= Limits.failureTupleBytesPerSession
            && machine.testaments.byteCount + bytes <= Limits.failureTupleBytes
            && tuples.allSatisfy { $0.refusal == nil }
        guard isSound else { throw MalformedBytes("failure tuples of a session", at: start) }
        if machine.mutations.contains(.snapshotsForgetFailureTuples) { return }
        machine.testaments.set(
            .init(credential: [UInt8](credential), tuples: tuples, byteCount: bytes), of: session)
    }
}
