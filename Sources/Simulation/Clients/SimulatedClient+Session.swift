import TupleSpace

/// What keeps a session alive, and what ends a client.
extension SimulatedClient {
    func pulse(_ id: SessionID, in cluster: SimulatedCluster) {
        guard !isDead, id == session, state != .none else { return }
        cluster.plan(.sessionPulse(client: number, id), after: sessionTimeout / 4 * 1_000_000)
        let server = cluster.anyServer(&random)
        guard state == .open, let delay = cluster.network.clientDelay(server: server) else { return }
        cluster.plan(.keepAlive(server: server, id), after: delay)
    }

    /// What becomes of a tuple that it holds.
    func decide(_ sequence: UInt64, _ id: SessionID, in cluster: SimulatedCluster) {
        guard !isDead, id == session, state == .open, held.contains(sequence) else { return }
        if random.chance(percent: 30) {
            submit(.command(.release(sequence: sequence)), in: cluster)
        } else {
            held.removeAll { $0 == sequence }
            ledger.acknowledge(sequence)
            if random.chance(percent: 40), !isWindingDown { submit(.command(.acknowledge), in: cluster) }
        }
    }

    func die(in cluster: SimulatedCluster) {
        guard !isDead else { return }
        isDead = true
        for operation in operations { cluster.history.gaveUp(operation.id) }
        operations.removeAll()
        held.removeAll()
    }
}

extension Reply {
    var isReserved: Bool {
        if case .reserved = self { true } else { false }
    }

    var isRefused: Bool {
        if case .failed(let failure) = self { failure.code == .notAllowed } else { false }
    }

    var isStatement: Bool {
        if case .statement = self { true } else { false }
    }

    var isFound: Bool {
        if case .found = self { true } else { false }
    }
}
