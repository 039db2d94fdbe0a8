/// A taken tuple that is kept for whoever has the reservation's number, until its time is up.
public struct ReservedTuple: Equatable, Sendable {
    public var reservation: ReservationID
    public var stored: StoredTuple

    public init(reservation: ReservationID, stored: StoredTuple) {
        self.reservation = reservation
        self.stored = stored
    }
}

extension TupleStore {
    /// The oldest matching tuple, taken out for a time; nil if none matched, or came before the time-out.
    ///
    /// It returns to its place when the time is up, unless the reservation was completed or extended before: through this store or
    /// another, whatever becomes of whoever took it.
    /// - milliseconds: at most `Limits.reservationMilliseconds`.
    public func reserve(
        _ template: Template, from space: String, timeout: Timeout = .none, for milliseconds: UInt64,
        key: IdempotencyKey? = nil
    ) async throws(Failure) -> (reserved: ReservedTuple?, position: Position) {
        let (reply, position) = try await perform(
            .reserve(space: space, template: template, timeout: timeout, reservationMilliseconds: milliseconds),
            key: key)
        switch reply {
        case .reserved(let id, let stored, let position):
            return (ReservedTuple(reservation: id, stored: stored), position)
        case .noMatch: return (nil, position)
        default: throw .unexpected(reply)
        }
    }

    /// Makes the take final.
    /// - Returns: false if the reservation is over: the tuple may be another's by now.
    public func complete(
        _ reservation: ReservationID, key: IdempotencyKey? = nil
    ) async throws(Failure) -> (isThere: Bool, position: Position) {
        try await act(.complete, on: reservation, key)
    }

    /// Lets the reservation last so long from now on.
    /// - Returns: false if it is over.
    public func extend(
        _ reservation: ReservationID, milliseconds: UInt64, key: IdempotencyKey? = nil
    ) async throws(Failure) -> (isThere: Bool, position: Position) {
        try await act(.extend(milliseconds: milliseconds), on: reservation, key)
    }

    /// Puts the tuple back at once.
    /// - Returns: false if the reservation is over.
    public func release(
        _ reservation: ReservationID, key: IdempotencyKey? = nil
    ) async throws(Failure) -> (isThere: Bool, position: Position) {
        try await act(.release, on: reservation, key)
    }

    private func act(
        _ action: Operation.ReservationAction, on reservation: ReservationID, _ key: IdempotencyKey?
    ) async throws(Failure) -> (isThere: Bool, position: Position) {
        let (reply, position) = try await perform(.reservation(reservation, action), key: key)
        switch reply {
        case .done: return (true, position)
        case .noMatch: return (false, position)
        default: throw .unexpected(reply)
        }
    }
}
