import ByteCoding

// A take that is final only when whoever took says so, however long that is after it, and through whichever session or none.

extension StateMachine {
    /// A tuple that nobody sees is reserved.
    /// - Returns: the number of the reservation. Of two the later has the higher.
    mutating func reserve(_ tuple: UInt64, for milliseconds: UInt64, caller: UnsafeRawBufferPointer) -> UInt64 {
        let id = tupleID(after: lastTupleID)
        lastTupleID = id
        note(.reserved, id)
        reservations.insert(id, .init(tuple: tuple, end: reservationEnd(milliseconds), caller: [UInt8](caller)))
        return id
    }

    private func reservationEnd(_ milliseconds: UInt64) -> UInt64 {
        let end = leaseTime.addingReportingOverflow(milliseconds)
        return end.overflow ? .max : end.partialValue
    }

    mutating func act(
        on id: UInt64, _ action: Operation.ReservationAction, _ command: CommandView, into applied: inout Applied
    ) -> Outcome {
        // One entry ends only so many: what has passed is over all the same.
        guard let reservation = reservations[id], reservation.end > leaseTime else { return .noMatch }
        let isTheirs =
            reservation.caller.isEmpty || command.caller.elementsEqual(reservation.caller)
            || mutations.contains(.reservationsAreAnybodys)
        guard isTheirs else { return .failed(.notYours) }
        switch action {
        case .complete:
            if mutations.contains(.completionsAreForgotten) { break }
            note(.taken, reservation.tuple)
            reservations.remove(id)
            tuples.remove(reservation.tuple)
        case .extend(let milliseconds):
            guard milliseconds <= Limits.reservationMilliseconds else {
                return .failed(.reservationTooLong(milliseconds))
            }
            note(.leased, id)
            if !mutations.contains(.extensionsKeepTheEnd) {
                reservations.setEnd(of: id, reservationEnd(milliseconds))
            }
        case .release:
            if mutations.contains(.releasesMove) { return writeAnew(reservation.tuple, id, command, into: &applied) }
            endReservation(id, into: &applied)
        }
        return .done
    }

    /// The tuple returns to its place.
    mutating func endReservation(_ id: UInt64, into applied: inout Applied) {
        guard let reservation = reservations.remove(id) else { return }
        giveBack([(reservation.tuple, reservation.caller)], into: &applied)
    }

    /// What `releasesMove` does.
    private mutating func writeAnew(
        _ tuple: UInt64, _ id: UInt64, _ command: CommandView, into applied: inout Applied
    ) -> Outcome {
        guard let bytes = tuples.with(tuple, { (space: [UInt8]($0), tuple: [UInt8]($1)) }) else { return .noMatch }
        reservations.remove(id)
        tuples.remove(tuple)
        return bytes.space.withUnsafeBytes { space in
            bytes.tuple.withUnsafeBytes { tuple in
                _ = write(.init(space: space, lease: nil, tuple: tuple), command, into: &applied)
                return .done
            }
        }
    }

    static func reserved(
        _ reservation: UInt64, _ id: UInt64, _ position: Position, _ tuple: UnsafeRawBufferPointer
    ) -> [UInt8] {
        var writer = ByteWriter(reserving: 29 + tuple.count)
        writer.write(ReplyCode.reserved)
        writer.write(reservation)
        writer.write(id)
        position.encode(into: &writer)
        writer.write(raw: tuple)
        return writer.bytes
    }
}
