/// Tuples that are held until a time, for nobody's session: who has a reservation's number completes, extends or releases it.
struct ReservationTable: Sendable {
    struct Reservation: Sendable {
        /// The tuple's id.
        var tuple: UInt64
        /// Lease time in ms.
        var end: UInt64
        /// UTF-8 of the user who reserved it; empty: whoever knows the number.
        var caller: [UInt8]
    }

    private var reservations: [UInt64: Reservation] = [:]
    private var ends = OrderedChunks<Deadline>()

    var count: Int { reservations.count }
    /// The earliest end.
    var first: Deadline? { ends.first }
    var ids: [UInt64] { reservations.keys.sorted() }

    subscript(id: UInt64) -> Reservation? { reservations[id] }

    /// - Precondition: there is none of that id.
    mutating func insert(_ id: UInt64, _ reservation: Reservation) {
        reservations[id] = reservation
        ends.insert(Deadline(time: reservation.end, id: id))
    }

    @discardableResult
    mutating func remove(_ id: UInt64) -> Reservation? {
        guard let reservation = reservations.removeValue(forKey: id) else { return nil }
        ends.remove(Deadline(time: reservation.end, id: id))
        return reservation
    }

    mutating func setEnd(of id: UInt64, _ end: UInt64) {
        guard var reservation = remove(id) else { return }
        reservation.end = end
        insert(id, reservation)
    }
}
