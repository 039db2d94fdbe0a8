import Raft
import TupleSpace

/// What a client comes to want of what feature level 4 brought, but for rights.
extension SimulatedClient {
    private static let memory = 8

    /// Now and then it asks before all servers can do it.
    func drawsLatest(_ cluster: SimulatedCluster) -> Bool {
        guard !cluster.options.usesPlainOperations else { return false }
        guard cluster.checker.configuration.featureLevel >= 4 else { return random.chance(percent: 4) }
        return random.chance(percent: cluster.drawsRights ? 45 : 30)
    }

    func latest(_ space: String, _ cluster: SimulatedCluster) -> ClientOperation.Kind {
        if cluster.drawsRights, random.chance(percent: isOperator ? 75 : 35) { return ofRights(cluster) }
        switch random.below(20) {
        case 0..<9: return keyed(reserve(space, cluster), cluster)
        case 9..<17: return keyed(.reservation(anyReservation(cluster), action(cluster)), cluster)
        case 17..<20 where !cluster.options.isSmallHistory:
            // Now and then it leaves in peace, whatever it has said for the other case.
            let isIdle = operations.isEmpty && held.isEmpty
            if isIdle, random.chance(percent: 25) { return .command(.endSession) }
            return .command(.leave(failureTuples(cluster)))
        default: return keyed(reserve(space, cluster), cluster)
        }
    }

    private func reserve(_ space: String, _ cluster: SimulatedCluster) -> TupleSpace.Operation {
        .reserve(
            space: space, template: template(cluster), timeout: timeout(cluster),
            reservationMilliseconds: reservationTime(cluster))
    }

    /// Often one that ends before anybody says what becomes of the tuple.
    private func reservationTime(_ cluster: SimulatedCluster) -> UInt64 {
        if cluster.options.isSmallHistory { return Limits.reservationMilliseconds }
        return random.chance(percent: 4) ? 0 : random.within(random.chance(percent: 50) ? 1...150 : 1...1_500)
    }

    private func action(_ cluster: SimulatedCluster) -> TupleSpace.Operation.ReservationAction {
        switch random.below(10) {
        case 0..<4: .complete
        case 4..<7: .extend(milliseconds: reservationTime(cluster))
        default: .release
        }
    }

    /// Mostly its own, which may be over; or one that somebody else was told of.
    private func anyReservation(_ cluster: SimulatedCluster) -> ReservationID {
        let own = random.pick(Array(reservations.suffix(random.chance(percent: 60) ? 2 : Self.memory)))
        let others = random.pick(cluster.reservations)
        let chosen = random.chance(percent: 80) ? own ?? others : others ?? own
        return chosen ?? ReservationID(random.below(100) + 1)
    }

    /// None takes back what it said before.
    private func failureTuples(_ cluster: SimulatedCluster) -> [FailureTuple] {
        (0..<random.within(0...3 as ClosedRange<Int>)).map { _ in
            let space = random.chance(percent: 80) ? Self.spaces[0] : Self.spaces[1]
            let lease: Timeout =
                random.chance(percent: 70)
                ? .forever : random.chance(percent: 10) ? .none : .milliseconds(random.within(1...1_000))
            return FailureTuple(tuple(cluster), to: space, lease: lease)
        }
    }

    func learn(of reservation: ReservationID, in cluster: SimulatedCluster) {
        reservations.append(reservation)
        reservations.removeFirst(max(0, reservations.count - Self.memory))
        cluster.reservations.append(reservation)
        cluster.reservations.removeFirst(max(0, cluster.reservations.count - Self.memory))
    }
}
