import TupleSpace

// Reservations, and what the dead leave.

extension NaiveModel {
    struct Reservation {
        var id: ReservationID
        var tuple: TupleID
        var end: UInt64
        /// Empty: whoever knows the number.
        var caller: String
    }

    mutating func reserve(_ place: Int, for milliseconds: UInt64, _ caller: String) -> Reply {
        guard case .found(let stored, let position) = take(place, holds: true) else { return .noMatch }
        lastID = nextID
        let id = ReservationID(lastID.rawValue)
        reservations.append(.init(id: id, tuple: stored.id, end: leaseTime + milliseconds, caller: caller))
        return .reserved(id, stored, position: position)
    }

    mutating func act(
        on id: ReservationID, _ action: TupleSpace.Operation.ReservationAction, _ who: NaiveRights.Who
    ) -> Reply {
        guard let number = reservations.firstIndex(where: { $0.id == id && $0.end > leaseTime }) else {
            return .noMatch
        }
        let reservation = reservations[number]
        guard reservation.caller == "" || reservation.caller == who.name else { return .refused }
        switch action {
        case .complete:
            reservations.remove(at: number)
            if let place = place(of: reservation.tuple) { items[place].standing = .gone }
        case .extend(let milliseconds): reservations[number].end = leaseTime + milliseconds
        case .release:
            reservations.remove(at: number)
            giveBack([reservation.tuple])
        }
        return .done
    }

    /// Those whose time has come, in the order of their ends.
    mutating func endReservations() {
        while true {
            let due = reservations.indices.filter { reservations[$0].end <= leaseTime }
            let first = due.min { a, b in
                (reservations[a].end, reservations[a].id.rawValue) < (reservations[b].end, reservations[b].id.rawValue)
            }
            guard let first else { return }
            giveBack([reservations.remove(at: first).tuple])
        }
    }

    // MARK: - Failure tuples

    struct Testament {
        /// As the command bore it that left this.
        var credential: String
        var tuples: [FailureTuple]
    }

    mutating func leave(_ tuples: [FailureTuple], _ header: CommandHeader, _ who: NaiveRights.Who) -> Reply {
        let judge = judge(who)
        guard tuples.allSatisfy({ judge.isAllowed([\.write], $0.space, $0.tuple) }) else { return .refused }
        sessions[header.session]?.testament = tuples.isEmpty ? nil : .init(credential: header.caller, tuples: tuples)
        return .done
    }

    /// As far as whoever left it might write it now.
    mutating func deposit(_ testament: Testament) {
        for one in testament.tuples {
            guard let who = rights.who(testament.credential), judge(who).isAllowed([\.write], one.space, one.tuple)
            else { continue }
            deposited += 1
            noteWritten(one.tuple, one.space)
            _ = enter(one.space, one.tuple, one.lease)
            if one.lease != .none { offer([items.count - 1]) }
        }
    }
}
