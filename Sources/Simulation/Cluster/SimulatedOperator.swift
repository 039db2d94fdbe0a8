import Raft
import Replica

/// What an operator asked of the cluster.
struct OperatorRequest {
    var id: UInt64
    var request: ClusterRequest
    /// The committed configurations before this one in number were there when it was asked.
    var configurationsSeen: Int
}

/// Whoever changes the members, moves leadership and stops servers, from outside and with the usual ignorance of what is going on inside.
/// What the cluster answers is held against what it then does.
final class SimulatedOperator {
    private var nextID: UInt64 = 1
    private var nextName = 1
    /// Asked, and no outcome heard.
    private(set) var open: [OperatorRequest] = []
    /// Nodes that were started in order to join, until it is known what became of that.
    private var joining: [UInt64: [NodeID]] = [:]
    /// Nodes of which the cluster said that they were certainly not added.
    private(set) var refused: [NodeID] = []
    private var retiring: Set<NodeID> = []
    /// Of a change that was asked for, nobody can say what became or will become of it.
    private var isUncertain = false
    /// Nodes that such a change adds.
    private var perhapsAdded: Set<NodeID> = []
    /// By the request's number.
    private(set) var outcomes: [UInt64: ClusterOutcome] = [:]

    // MARK: - Asking

    /// - Parameter server: any, if nil.
    func ask(
        _ request: ClusterRequest, at server: Int? = nil, joining nodes: [NodeID] = [], in cluster: SimulatedCluster
    )
        -> UInt64
    {
        let id = nextID
        nextID += 1
        let asked = OperatorRequest(
            id: id, request: request, configurationsSeen: cluster.checker.configurations.count - 1)
        open.append(asked)
        if !nodes.isEmpty { joining[id] = nodes }
        let number = server ?? cluster.anyServer(&cluster.faultRandom)
        cluster.trace.fault(
            cluster.now, "an operator asks \(cluster.name(cluster.servers[number])) to \(cluster.words(request))")
        if let delay = cluster.network.clientDelay(server: number) {
            cluster.plan(.operatorAsks(server: number, asked), after: delay)
        }
        return id
    }

    func transfer(in cluster: SimulatedCluster) {
        let members = cluster.checker.configuration.members
        let target = cluster.faultRandom.chance(percent: 30) ? nil : cluster.faultRandom.pick(members)?.id
        _ = ask(.transfer(to: target), in: cluster)
    }

    /// Hands leadership over if this server has it, and stops the server a little later.
    func stopCleanly(_ server: SimulatedServer, in cluster: SimulatedCluster) {
        guard let process = server.process else { return }
        if process.replica.isLeader { _ = ask(.transfer(to: nil), at: server.number, in: cluster) }
        cluster.plan(
            .stop(server: server.number, life: server.life), after: cluster.faultRandom.skewed(5_000_000...800_000_000))
    }

    func changeMembers(in cluster: SimulatedCluster) {
        tidy(in: cluster)
        // Whoever removes servers while others are damaged can leave more damaged than sound ones.
        guard cluster.servers.allSatisfy({ !$0.isRotten && !$0.isDamaged }) else { return }
        let times = cluster.faultRandom.chance(percent: 20) ? 2 : 1
        for _ in 0..<times {
            var nodes: [NodeID] = []
            let changes = draw(cluster, &nodes)
            if !changes.isEmpty { _ = ask(.change(changes), joining: nodes, in: cluster) }
        }
    }

    // MARK: - What to ask for

    private func draw(
        _ cluster: SimulatedCluster, _ nodes: inout [NodeID]
    ) -> [MemberChange] {
        let now = cluster.checker.configuration
        switch cluster.faultRandom.below(20) {
        case 0..<5: return add(cluster, &nodes, 1)
        case 5..<8: return remove(cluster)
        case 8: return add(cluster, &nodes, cluster.faultRandom.within(2...3))
        case 9, 10: return add(cluster, &nodes, 1) + remove(cluster)
        case 11, 12: return role(now, cluster)
        case 13:
            // Down to one, which may be anyone.
            guard let survivor = cluster.faultRandom.pick(now.voters) else { return [] }
            return now.members.filter { $0.id != survivor }.map { .remove($0.id) }
        case 14:
            let port = cluster.faultRandom.within(10...60_000 as ClosedRange<UInt64>)
            return now.members.map {
                .setAddresses(
                    $0.id, peer: "\($0.name):\(port)", client: "\($0.name):\(port + 1)", http: "\($0.name):\(port + 2)")
            }
        case 15, 16: return keys(now, cluster)
        case 17:
            guard let learner = cluster.faultRandom.pick(now.members) else { return [] }
            return [.setPromoteWhenCaughtUp(learner.id, cluster.faultRandom.chance(percent: 70))]
        case 18: return role(now, cluster) + keys(now, cluster) + remove(cluster)
        default: return nonsense(now, cluster)
        }
    }

    private func add(
        _ cluster: SimulatedCluster, _ nodes: inout [NodeID], _ count: Int
    ) -> [MemberChange] {
        var changes: [MemberChange] = []
        for server in cluster.servers.filter(\.isRetired).prefix(count) {
            cluster.wipe(server)
            // A new program may join an old cluster.
            server.featureLevel = Configuration.supportedFeatureLevel
            cluster.trace.fault(cluster.now, "\(cluster.name(server)) starts in order to join")
            cluster.start(server)
            var member = SimulatedCluster.member(server.id, named: server.name)
            if cluster.faultRandom.chance(percent: 70) {
                member.role = .learner
                member.promoteWhenCaughtUp = cluster.faultRandom.chance(percent: 75)
            }
            nodes.append(server.id)
            changes.append(.add(member))
        }
        return changes
    }

    private func remove(_ cluster: SimulatedCluster) -> [MemberChange] {
        let members = cluster.checker.configuration.members
        if cluster.faultRandom.chance(percent: 40), let leader = cluster.leader {
            return [.remove(cluster.servers[leader].id)]
        }
        return cluster.faultRandom.pick(members).map { [.remove($0.id)] } ?? []
    }

    private func role(_ now: Configuration, _ cluster: SimulatedCluster) -> [MemberChange] {
        guard let member = cluster.faultRandom.pick(now.members) else { return [] }
        return [.setRole(member.id, member.role == .learner ? .voter : .learner)]
    }

    private func keys(_ now: Configuration, _ cluster: SimulatedCluster) -> [MemberChange] {
        guard let member = cluster.faultRandom.pick(now.members) else { return [] }
        if member.nextPublicKey != nil, cluster.faultRandom.chance(percent: 70) { return [.adoptNextKey(member.id)] }
        return [.setNextKey(member.id, Array(repeating: UInt8(cluster.faultRandom.within(1...255)), count: 32))]
    }

    private func nonsense(_ now: Configuration, _ cluster: SimulatedCluster) -> [MemberChange] {
        guard let member = cluster.faultRandom.pick(now.members) else { return [] }
        switch cluster.faultRandom.below(5) {
        case 0: return [.remove(NodeID(4_711))]
        case 1: return [.add(member)]
        case 2: return now.members.map { .remove($0.id) }
        case 3: return [.setRole(member.id, .learner), .setRole(member.id, .voter)]
        default: return [.setRole(member.id, .leaving)]
        }
    }

    // MARK: - What became of it

    func hears(_ outcome: ClusterOutcome, _ id: UInt64, in cluster: SimulatedCluster) {
        guard let place = open.firstIndex(where: { $0.id == id }) else { return }
        let asked = open.remove(at: place)
        outcomes[id] = outcome
        let nodes = joining.removeValue(forKey: id) ?? []
        if case .unknown = outcome, case .change = asked.request {
            isUncertain = true
            perhapsAdded.formUnion(asked.request.added)
        }
        if case .refused = outcome {
            refused += nodes
            for node in nodes { cluster.plan(.retire(node), after: 1_000_000) }
        }
    }

    /// A server of the first version knows no such requests.
    func isNotUnderstood(_ id: UInt64) {
        open.removeAll { $0.id == id }
        outcomes[id] = .unknown("the server is too old")
    }

    /// Nothing that was asked can still change anything.
    var isQuiet: Bool { open.isEmpty && !isUncertain }

    /// A request that adds it is under way, or may be: whoever stops such a node for good may take the cluster its majority.
    func mayYetAdd(_ node: NodeID) -> Bool {
        perhapsAdded.contains(node) || open.contains { $0.request.added.contains(node) }
    }

    /// Stops nodes that are members no more, sooner or later.
    private func tidy(in cluster: SimulatedCluster) {
        let now = cluster.checker.configuration
        let awaited = joining.sorted { $0.key < $1.key }.flatMap(\.value)
        for server in cluster.servers where !server.isRetired && now[server.id] == nil {
            let wasMember = cluster.checker.configurations.contains { $0.configuration[server.id] != nil }
            guard wasMember, !awaited.contains(server.id), retiring.insert(server.id).inserted else { continue }
            cluster.plan(.retire(server.id), after: cluster.faultRandom.skewed(1_000_000...3_000_000_000))
        }
    }
}

extension ClusterRequest {
    /// The nodes that it would make members.
    fileprivate var added: [NodeID] {
        guard case .change(let changes) = self else { return [] }
        return changes.compactMap { change in
            if case .add(let member) = change { member.id } else { nil }
        }
    }
}
