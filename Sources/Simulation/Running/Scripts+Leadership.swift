import Raft
import Replica
import TupleSpace

/// Scripts of elections, transfers and timeouts.
extension Scripts {
    static let leadership: [Script] = [
        Script(
            name: "a longer log of an older term comes back", claim: "committed entries stay", seeds: 8,
            failure: { longerLog($0, $1) }),
        Script(
            name: "nobody obeys a transfer", claim: "a transfer is given up", seeds: 2,
            failure: { unheardTransfer($0, $1) }),
        Script(
            name: "a slow disk on a quick network", claim: "timeouts follow the network", seeds: 2,
            failure: { slowDisk($0, $1) }),
        Script(
            name: "a hanging disk", claim: "a server whose disk hangs does not stand", seeds: 3,
            failure: { hangingDisk($0, $1) }),
    ]

    /// A leader that was cut off has appended much; the others have elected another one and committed little. That one
    /// dies, and the first one is back.
    package static func longerLog(_ seed: UInt64, _ options: SimulationOptions) -> String? {
        let cluster = SimulatedCluster.scripted(servers: 3, seed: seed, options)
        let hopeless = cluster.addScriptedClient()
        let client = cluster.addScriptedClient()
        guard let old = cluster.awaitLeader() else { return "no leader" }
        let others = (0..<3).filter { $0 != old }
        cluster.setClockRate(old, percent: 10)
        cluster.isolate(old)
        for number in 0..<12 {
            _ = cluster.begin(write(number), by: hopeless, at: old, once: true)
            cluster.run(milliseconds: 3)
        }
        guard let new = cluster.awaitLeader(among: others) else { return cluster.violationText ?? "no new leader" }
        let written = cluster.begin(write(100), by: client, at: new)
        guard cluster.reply(to: written, of: client)?.isWritten ?? false else { return "the others write nothing" }
        cluster.crash(new)
        cluster.setClockRate(old, percent: 100)
        cluster.healNetwork()
        guard cluster.awaitLeader() != nil else { return cluster.violationText ?? "nobody is elected" }
        cluster.restart(new)
        return cluster.recover()
    }

    /// The word to stand for election never arrives.
    package static func unheardTransfer(_ seed: UInt64, _ options: SimulationOptions) -> String? {
        let cluster = SimulatedCluster.scripted(servers: 3, seed: seed, options)
        let client = cluster.addScriptedClient()
        guard let leader = cluster.awaitLeader() else { return "no leader" }
        cluster.drops = { message, _, _ in
            guard case .raft(let raft) = message, case .timeoutNow = raft.body else { return false }
            return true
        }
        _ = cluster.ask(.transfer(to: cluster.id((leader + 1) % 3)), at: leader)
        cluster.run(milliseconds: 50)
        let written = cluster.begin(write(1), by: client)
        guard cluster.reply(to: written, of: client, within: 5_000)?.isWritten ?? false else {
            return cluster.violationText ?? "nothing can be written any more"
        }
        cluster.drops = nil
        return cluster.recover()
    }

    /// Every write takes long, and no message does.
    package static func slowDisk(_ seed: UInt64, _ options: SimulationOptions) -> String? {
        let cluster = SimulatedCluster.scripted(servers: 3, seed: seed, options) {
            $0.raft.adaptiveTimeoutMilliseconds = 150...3_000
        }
        let client = cluster.addScriptedClient()
        guard cluster.awaitLeader() != nil else { return "no leader" }
        cluster.run(milliseconds: 5_000)
        for server in 0..<3 { cluster.setWriteDelay(server, milliseconds: 80...100) }
        for number in 0..<80 {
            _ = cluster.begin(write(number), by: client)
            cluster.run(milliseconds: 100)
        }
        let timeout = cluster.leader.flatMap { cluster.status($0) }?.electionTimeoutMilliseconds ?? 0
        if timeout > 400 { return "the timeout has grown to \(timeout) ms, and a round trip takes 1 ms" }
        for server in 0..<3 { cluster.setWriteDelay(server, milliseconds: 1...1) }
        return cluster.recover()
    }

    /// A follower does not hear the leader while its disk hangs.
    package static func hangingDisk(_ seed: UInt64, _ options: SimulationOptions) -> String? {
        let cluster = SimulatedCluster.scripted(servers: 3, seed: seed, options)
        let client = cluster.addScriptedClient()
        guard let leader = cluster.awaitLeader() else { return "no leader" }
        let follower = (leader + 1) % 3
        var stands = false
        cluster.stallDisk(follower, milliseconds: 6_000)
        let written = cluster.begin(write(1), by: client, at: leader)
        guard cluster.reply(to: written, of: client)?.isWritten ?? false else { return "nothing is written" }
        cluster.run(milliseconds: 2_000)
        cluster.drops = { message, from, _ in
            if from == follower, case .raft(let raft) = message, case .preVoteRequest = raft.body { stands = true }
            return false
        }
        cluster.block(from: leader, to: follower)
        cluster.run(milliseconds: 1_500)
        if stands { return "a server whose disk hangs stands for election" }
        cluster.drops = nil
        return cluster.recover()
    }
}
