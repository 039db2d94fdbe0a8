import Raft
import Replica
import TupleSpace

/// A whole cluster to which a script does what a certain scenario needs, and what must hold at its end. For what seldom
/// happens by chance.
package struct Script: Sendable {
    package let name: String
    /// What it shows, in a few words.
    package let claim: String
    /// With so many different seeds, since not everything in it is told by the script.
    package let seeds: UInt64
    /// What did not hold, in words; nil if all did.
    package let failure: @Sendable (_ seed: UInt64, _ options: SimulationOptions) -> String?

    package func isCaught(_ options: SimulationOptions) -> Bool {
        (1...seeds).contains { failure($0, options) != nil }
    }
}

package enum Scripts {
    package static let all = general + leadership + leases + members + storage + rights

    private static let general: [Script] = [
        Script(name: "figure 8", claim: "committed entries stay", seeds: 40, failure: { figureEight($0, $1) }),
        Script(
            name: "a fresh leader is asked for reads",
            claim: "a linearizable read sees all that was committed before it", seeds: 20,
            failure: { freshLeader($0, $1) }),
        Script(
            name: "a leader is deposed and does not know it",
            claim: "a linearizable read sees all that was committed before it", seeds: 10,
            failure: { deposed($0, $1) }),
        Script(
            name: "partial partition", claim: "a connected majority elects a leader", seeds: 3,
            failure: { partialPartition($0, $1) }),
        Script(
            name: "a longer log of an older term", claim: "somebody is elected", seeds: 5,
            failure: { olderTerm($0, $1) }),
        Script(
            name: "an hour at 150 ms", claim: "no needless election, and a timely failover", seeds: 1,
            failure: { Simulator.day(linkMilliseconds: 150, hours: 1, seed: $0, mutations: $1.mutations).failure }),
        Script(
            name: "an hour at 300 ms", claim: "no needless election, and a timely failover", seeds: 1,
            failure: { Simulator.day(linkMilliseconds: 300, hours: 1, seed: $0, mutations: $1.mutations).failure }),
    ]

    static let any = Template([.any, .any])
    static let count = Query.count(space: "jobs", template: any)

    static func write(_ number: Int) -> TupleSpace.Operation {
        .write(space: "jobs", tuple: Tuple([.string("t"), .int(Int64(number))]))
    }

    /// Dissertation, figure 3.7: a leader leaves an entry on a minority, others lead meanwhile, and it comes back.
    /// - Returns: what was violated, or why the cluster did not recover.
    package static func figureEight(_ seed: UInt64, _ options: SimulationOptions) -> String? {
        let cluster = SimulatedCluster.scripted(servers: 5, seed: seed, options) {
            $0.raft.maximumRequestBytes = 1
            $0.raft.maximumInflightRequests = 1
        }
        let client = cluster.addScriptedClient()
        for round in 0..<6 {
            guard let leader = cluster.awaitLeader(within: 5_000) else { continue }
            let others = (0..<5).filter { $0 != leader }
            let friend = others[round % 4]
            cluster.separate([leader, friend], from: others.filter { $0 != friend })
            for number in 0..<4 {
                _ = cluster.begin(write(round * 10 + number), by: client, at: leader)
                cluster.run(milliseconds: 5)
            }
            cluster.run(milliseconds: 20)
            cluster.crash(leader)
            cluster.healNetwork()
            cluster.run(milliseconds: 400)
            cluster.restart(leader)
            if let now = cluster.leader {
                cluster.crash(now)
                cluster.restart(now)
            }
            guard cluster.run(milliseconds: 300) else { break }
        }
        return cluster.recover()
    }

    /// A new leader that has not committed in its own term is asked for a read.
    package static func freshLeader(_ seed: UInt64, _ options: SimulationOptions) -> String? {
        let cluster = SimulatedCluster.scripted(servers: 3, seed: seed, options)
        let client = cluster.addScriptedClient()
        let reader = cluster.addScriptedClient()
        guard let old = cluster.awaitLeader() else { return "no leader" }
        let others = (0..<3).filter { $0 != old }
        // The followers do not learn what is committed last: nothing but entries reaches them.
        cluster.drops = { message, from, _ in
            guard from == old, case .raft(let raft) = message, case .appendRequest(let request) = raft.body else {
                return false
            }
            return request.entries.isEmpty
        }
        let written = cluster.begin(write(1), by: client, at: old)
        cluster.run(upTo: 60) { _ in client.replies[written] != nil }
        cluster.crash(old)
        cluster.drops = nil
        for _ in 0..<400 {
            guard cluster.violationText == nil else { break }
            for server in others { _ = cluster.begin(count, by: reader, at: server, once: true) }
            cluster.run(milliseconds: 1)
        }
        cluster.restart(old)
        return cluster.recover()
    }

    /// A leader is cut off and its clock runs slowly, so that it believes in itself while others elect another and
    /// write.
    package static func deposed(_ seed: UInt64, _ options: SimulationOptions) -> String? {
        let cluster = SimulatedCluster.scripted(servers: 5, seed: seed, options)
        let writer = cluster.addScriptedClient()
        let reader = cluster.addScriptedClient()
        guard let old = cluster.awaitLeader() else { return "no leader" }
        let others = (0..<5).filter { $0 != old }
        let rest = Array(others.dropFirst())
        cluster.setClockRate(old, percent: 10)
        cluster.setClockRate(others[0], percent: 10)
        cluster.separate([old, others[0]], from: rest)
        for round in 0..<300 {
            guard cluster.violationText == nil else { break }
            _ = cluster.begin(count, by: reader, at: old, once: true)
            if round == 200 {
                let written = cluster.begin(write(1), by: writer, at: rest[0])
                guard cluster.reply(to: written, of: writer)?.isWritten ?? false else {
                    return cluster.violationText ?? "the others write nothing"
                }
            }
            cluster.run(milliseconds: 3)
        }
        return cluster.recover()
    }

    /// The leader keeps only one follower, and that one hears nobody else; the others see one another and that
    /// follower.
    package static func partialPartition(_ seed: UInt64, _ options: SimulationOptions) -> String? {
        let cluster = SimulatedCluster.scripted(servers: 5, seed: seed, options)
        let client = cluster.addScriptedClient()
        guard let old = cluster.awaitLeader() else { return "no leader" }
        let others = (0..<5).filter { $0 != old }
        cluster.separate([old], from: Array(others.dropFirst()))
        // One of the connected majority is down: the follower that hears the old leader is needed.
        cluster.crash(others[3])
        let operation = cluster.begin(write(1), by: client, at: others[1])
        guard cluster.reply(to: operation, of: client, within: 8_000)?.isWritten ?? false else {
            return cluster.violationText ?? "the connected majority writes nothing"
        }
        return cluster.recover()
    }

    /// One server stands in a later term that nobody else hears of; another gets a longer log in the older term; then only these two
    /// are left.
    package static func olderTerm(_ seed: UInt64, _ options: SimulationOptions) -> String? {
        let cluster = SimulatedCluster.scripted(servers: 3, seed: seed, options)
        let client = cluster.addScriptedClient()
        guard let leader = cluster.awaitLeader() else { return "no leader" }
        let ahead = (leader + 1) % 3
        let behind = (leader + 2) % 3
        cluster.run(milliseconds: 200)
        let term = cluster.status(leader)?.term
        // The leader is not heard for a moment, which its slow clock does not notice. One of the others asks for votes meanwhile: its
        // pre-vote is heard, and what it asks then is not.
        cluster.setClockRate(leader, percent: 20)
        cluster.drops = { message, from, to in
            if from == leader { return true }
            guard case .raft(let raft) = message else { return false }
            switch raft.body {
            case .voteRequest: return from == behind
            case .preVoteRequest: return from == ahead || to == leader
            default: return false
            }
        }
        cluster.run(upTo: 3_000) { $0.status(behind)?.term != term }
        cluster.setClockRate(leader, percent: 100)
        // The leader and the third go on without it.
        cluster.drops = { _, from, to in from == behind || to == behind }
        for number in 0..<5 {
            let written = cluster.begin(write(number), by: client, at: leader)
            cluster.run(upTo: 2_000) { _ in client.replies[written] != nil }
        }
        cluster.crash(leader)
        cluster.drops = nil
        guard cluster.awaitLeader(among: [ahead, behind], within: 10_000) != nil else {
            return cluster.violationText ?? "nobody is elected"
        }
        cluster.restart(leader)
        return cluster.recover()
    }
}

extension Reply {
    var isWritten: Bool {
        if case .written = self { true } else { false }
    }
}
