import Raft
import Replica
import TupleSpace
import WriteAheadLog

/// For tests that tell the whole cluster step by step what happens.
extension SimulatedCluster {
    /// Servers without misfortune but what the script does; no client but those that it adds.
    /// - options: only its mutations count, and whether it keeps a trace.
    package static func scripted(
        servers: Int, seed: UInt64 = 1, _ options: SimulationOptions,
        _ adjust: (inout ReplicaSettings) -> Void = { _ in }
    ) -> SimulatedCluster {
        scripted(
            servers: servers, seed: seed, mutations: options.mutations, replicaMutations: options.replicaMutations,
            storageMutations: options.storageMutations, tupleMutations: options.tupleMutations,
            traceLines: options.traceLines, adjust)
    }

    package static func scripted(
        servers: Int, spares: Int = 0, seed: UInt64 = 1, mutations: Mutations = [],
        replicaMutations: ReplicaMutations = [],
        storageMutations: StorageMutations = [], tupleMutations: TupleMutations = [], traceLines: Int = 0,
        _ adjust: (inout ReplicaSettings) -> Void = { _ in }
    ) -> SimulatedCluster {
        var options = SimulationOptions()
        options.servers = servers
        options.mutations = mutations
        options.replicaMutations = replicaMutations
        options.storageMutations = storageMutations
        options.tupleMutations = tupleMutations
        options.spares = spares
        options.traceLines = traceLines
        var settings = ReplicaSettings()
        settings.raft.electionTimeoutMilliseconds = 150..<300
        settings.raft.heartbeatMilliseconds = 25
        settings.raft.adaptiveTimeoutMilliseconds = nil
        settings.subscriptionHeartbeatMilliseconds = 300
        settings.raft.mutations = mutations
        settings.mutations = replicaMutations
        settings.resendMilliseconds = 200
        adjust(&settings)
        return SimulatedCluster(seed: seed, options: options, faults: Faults.none, settings: settings)
    }

    /// A client that does only what the script says. Its session opens first.
    /// - asOperator: only the first one can be.
    package func addScriptedClient(asOperator: Bool = false) -> SimulatedClient {
        let client = SimulatedClient(
            number: clients.count, random: random.fork(), options: options, isScripted: true, drawsRights: asOperator)
        clients.append(client)
        client.openSession(in: self)
        run(upTo: 5_000) { _ in client.isOpen }
        return client
    }

    /// - server: nil for any, and others when there is no answer.
    /// - once: it is not repeated; a failure is an answer.
    package func begin(
        _ operation: TupleSpace.Operation, by client: SimulatedClient, at server: Int? = nil, once: Bool = false,
        as credential: Credential? = nil
    ) -> UInt64 {
        client.submit(.command(operation), in: self, at: server, once: once, as: credential)
    }

    package func begin(
        _ query: Query, _ consistency: Consistency = .linearizable, timeout: Timeout = .none,
        by client: SimulatedClient,
        at server: Int? = nil, once: Bool = false
    ) -> UInt64 {
        client.submit(.query(query, consistency, timeout), in: self, at: server, once: once)
    }

    /// Runs until the operation is answered.
    package func reply(
        to operation: UInt64, of client: SimulatedClient, within milliseconds: UInt64 = 10_000
    ) -> Reply? {
        run(upTo: milliseconds) { _ in client.replies[operation] != nil }
        return client.replies[operation]
    }

    /// Runs until some server among these leads and has committed in its own term.
    @discardableResult
    package func awaitLeader(among some: [Int]? = nil, within milliseconds: UInt64 = 10_000) -> Int? {
        let candidates = some ?? Array(servers.indices)
        func find(_ cluster: SimulatedCluster) -> Int? {
            candidates.first { number in
                guard let process = cluster.servers[number].process, process.replica.isLeader else { return false }
                return cluster.checker.committed.last?.entry.term == process.seenTerm
            }
        }
        run(upTo: milliseconds) { find($0) != nil }
        return find(self)
    }

    /// The faults end; nil if the cluster then recovers completely, else why not.
    package func recover(within milliseconds: UInt64 = 30_000) -> String? {
        beginHealing()
        let end = now + milliseconds * 1_000_000
        while now < end, checker.violation == nil {
            run(milliseconds: 25)
            if unhealed() == nil { break }
        }
        checkFinalStates()
        return violationText ?? unhealed()
    }

    // MARK: - Members

    package func ask(_ request: ClusterRequest, at server: Int) -> UInt64 {
        simulatedOperator.ask(request, at: server, in: self)
    }

    /// Runs until the operator has heard what became of a request.
    package func outcome(of request: UInt64, within milliseconds: UInt64 = 15_000) -> ClusterOutcome? {
        run(upTo: milliseconds) { $0.simulatedOperator.outcomes[request] != nil }
        return simulatedOperator.outcomes[request]
    }

    /// Whether the members were changed as asked.
    package func change(_ changes: [MemberChange], at server: Int) -> Bool {
        if case .changed = outcome(of: ask(.change(changes), at: server)) { true } else { false }
    }

    /// Starts a new node on a spare machine, which knows nobody yet.
    /// - Returns: what is to be added.
    package func startJoiner(
        _ server: Int, role: Member.Role = .learner, promoteWhenCaughtUp: Bool = true
    ) -> Member {
        wipe(servers[server])
        start(servers[server])
        var member = SimulatedCluster.member(servers[server].id, named: servers[server].name, role: role)
        member.promoteWhenCaughtUp = role == .learner && promoteWhenCaughtUp
        return member
    }

    package func id(_ server: Int) -> NodeID { servers[server].id }
    /// The latest committed one.
    package var committedConfiguration: Configuration { checker.configuration }
    package func isRemoved(_ server: Int) -> Bool { servers[server].process?.replica.isRemoved ?? false }
    /// Stops a machine for good, if its node is no member.
    package func retire(_ server: Int) { retire(servers[server].id) }
    package func rot(_ server: Int) {
        faultRandom = random.fork()
        rot(servers[server])
    }
    package func isDamaged(_ server: Int) -> Bool { servers[server].isDamaged }
    package var repairs: UInt64 { statistics.repairs }
    package var elections: UInt64 { statistics.elections }

    package var traceLines: [String] { trace.latest }
    package func takenSnapshots() -> UInt64 { statistics.snapshotsTaken }
    package func installedSnapshots() -> UInt64 { statistics.snapshotsInstalled }
    /// What a server's disk has for certain.
    package func durableLast(_ server: Int) -> LogIndex { servers[server].durable.last }
}

extension SimulatedClient {
    package var isOpen: Bool { state == .open }

    func openSession(in cluster: SimulatedCluster) {
        session = SessionID(random.next() | 1)
        state = .opening
        submit(.open, in: cluster)
        cluster.plan(.sessionPulse(client: number, session), after: sessionTimeout / 4 * 1_000_000)
    }
}

extension SimulatedClient {
    /// The operation is repeated at any server from now on.
    package func redirect(_ operation: UInt64) {
        guard let place = operations.firstIndex(where: { $0.id == operation }) else { return }
        operations[place].server = nil
    }
}
