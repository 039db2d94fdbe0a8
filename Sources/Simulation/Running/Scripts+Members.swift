import Raft
import Replica
import TupleSpace

/// Scripts of members.
extension Scripts {
    static let members: [Script] = [
        Script(
            name: "a learner that hears no leader", claim: "only voters stand for election", seeds: 3,
            failure: { lonelyLearner($0, $1) }),
        Script(
            name: "a learner that gets nothing", claim: "a learner is promoted when it has caught up", seeds: 3,
            failure: { emptyLearner($0, $1) }),
    ]

    // What is taken of the options are the mutations of consensus: no other defence matters here.

    /// The leader dies again and again, and a learner with a fast clock notices it first.
    package static func lonelyLearner(_ seed: UInt64, _ options: SimulationOptions) -> String? {
        let cluster = SimulatedCluster.scripted(servers: 3, spares: 1, seed: seed, mutations: options.mutations)
        guard let first = cluster.awaitLeader() else { return "no leader" }
        let joiner = cluster.startJoiner(3, promoteWhenCaughtUp: false)
        guard cluster.change([.add(joiner)], at: first) else { return cluster.violationText ?? "it is not added" }
        cluster.run(milliseconds: 1_000)
        cluster.setClockRate(3, percent: 300)
        var stands = false
        cluster.drops = { message, from, _ in
            if from == 3, case .raft(let raft) = message, case .voteRequest = raft.body { stands = true }
            return false
        }
        for _ in 0..<8 where !stands {
            guard let leader = cluster.awaitLeader(among: [0, 1, 2]) else {
                return cluster.violationText ?? "no leader"
            }
            cluster.crash(leader)
            cluster.run(milliseconds: 600)
            cluster.restart(leader)
        }
        if stands { return cluster.violationText ?? "a learner stands for election" }
        cluster.drops = nil
        return cluster.recover()
    }

    /// A learner is to be promoted, and no entry reaches it.
    package static func emptyLearner(_ seed: UInt64, _ options: SimulationOptions) -> String? {
        let cluster = SimulatedCluster.scripted(servers: 3, spares: 1, seed: seed, mutations: options.mutations)
        let client = cluster.addScriptedClient()
        guard let first = cluster.awaitLeader() else { return "no leader" }
        let joiner = cluster.startJoiner(3)
        cluster.drops = { message, _, to in
            guard to == 3, case .raft(let raft) = message, case .appendRequest(let request) = raft.body else {
                return false
            }
            return !request.entries.isEmpty
        }
        guard cluster.change([.add(joiner)], at: first) else { return cluster.violationText ?? "it is not added" }
        for number in 0..<10 {
            _ = cluster.begin(write(number), by: client)
            cluster.run(milliseconds: 200)
        }
        if cluster.committedConfiguration.voters.contains(joiner.id) { return "a server without any entry votes" }
        cluster.drops = nil
        return cluster.recover()
    }
}
