import Raft
import TupleSpace

/// Scripts in which somebody may no more, when it is done, what they might when they asked for it.
extension Scripts {
    static let rights: [Script] = [
        Script(
            name: "a token goes while its user waits", claim: "the state is that of the one order", seeds: 1,
            failure: { removedToken($0, $1) }),
        Script(
            name: "who may not write any more dies", claim: "the state is that of the one order", seeds: 1,
            failure: { forbiddenTestament($0, $1) }),
    ]

    package static func removedToken(_ seed: UInt64, _ options: SimulationOptions) -> String? {
        let cluster = SimulatedCluster.scripted(servers: 3, seed: seed, options)
        let admin = cluster.addScriptedClient(asOperator: true)
        let user = cluster.addScriptedClient()
        guard let token = TokenDigest(String(repeating: "1", count: 64)) else { return "64 digits" }
        let record = TokenRecord(digest: token, user: "user\(user.number)")
        guard isDone(.setToken(record), by: admin, cluster) else { return cluster.violationText ?? "no token" }
        _ = cluster.begin(
            .take(space: "jobs", template: any, timeout: .milliseconds(20_000), holds: false), by: user,
            as: .token(token))
        cluster.run(milliseconds: 500)
        guard isDone(.removeToken(token), by: admin, cluster) else { return cluster.violationText ?? "a token" }
        _ = cluster.reply(to: cluster.begin(write(1), by: admin), of: admin)
        return cluster.recover()
    }

    package static func forbiddenTestament(_ seed: UInt64, _ options: SimulationOptions) -> String? {
        let cluster = SimulatedCluster.scripted(servers: 3, seed: seed, options)
        let admin = cluster.addScriptedClient(asOperator: true)
        let user = cluster.addScriptedClient()
        let left = FailureTuple(Tuple([.string("dead"), .int(1)]), to: "jobs")
        guard cluster.reply(to: cluster.begin(.leave([left]), by: user), of: user) == .done else {
            return cluster.violationText ?? "nothing is left"
        }
        let policy = Policy(write: Rule([[.user("another")]]))
        guard isDone(.setPolicy(space: "jobs", policy), by: admin, cluster) else {
            return cluster.violationText ?? "no policy"
        }
        user.die(in: cluster)
        cluster.run(milliseconds: user.sessionTimeout + 2_000)
        return cluster.recover()
    }

    private static func isDone(
        _ operation: TupleSpace.Operation, by admin: SimulatedClient, _ cluster: SimulatedCluster
    ) -> Bool {
        cluster.reply(to: cluster.begin(operation, by: admin, as: .operator), of: admin) == .done
    }
}
