import Raft
import Replica
import TupleSpace

/// Scripts in which a leader answers reads under a lease that it should not have.
extension Scripts {
    static let leases: [Script] = [
        Script(
            name: "a transfer within a lease", claim: "a linearizable read sees all that was committed before it",
            seeds: 3, failure: { transferWithinLease($0, $1) }),
        Script(
            name: "a vote within a lease", claim: "a linearizable read sees all that was committed before it",
            seeds: 3, failure: { voteWithinLease($0, $1) }),
        Script(
            name: "a crash within a lease", claim: "a linearizable read sees all that was committed before it",
            seeds: 3, failure: { crashWithinLease($0, $1) }),
        Script(
            name: "answers from long ago", claim: "a linearizable read sees all that was committed before it",
            seeds: 4, failure: { lateAnswers($0, $1) }),
    ]

    private static func leaseCluster(
        _ servers: Int, _ seed: UInt64, _ options: SimulationOptions, election: UInt64 = 150
    ) -> SimulatedCluster {
        SimulatedCluster.scripted(servers: servers, seed: seed, options) {
            $0.raft.leaseReads = true
            $0.raft.electionTimeoutMilliseconds = election..<2 * election
        }
    }

    /// Somebody else is asked to write, and the old leader is asked to read, for some time.
    private static func writeThereReadHere(
        _ cluster: SimulatedCluster, writer: SimulatedClient, at others: [Int], reader: SimulatedClient, at old: Int,
        milliseconds: Int, round turn: Int = 0
    ) {
        for round in 0..<milliseconds where cluster.violationText == nil {
            if let leader = others.first(where: { cluster.isLeader($0) }), round % 4 == 0 {
                _ = cluster.begin(write(turn * 1_000 + round), by: writer, at: leader, once: true)
            }
            _ = cluster.begin(count, by: reader, at: old, once: true)
            cluster.run(milliseconds: 1)
        }
    }

    /// A leader tells another one to stand for election, and hears nothing from then on.
    package static func transferWithinLease(_ seed: UInt64, _ options: SimulationOptions) -> String? {
        let cluster = leaseCluster(5, seed, options)
        let writer = cluster.addScriptedClient()
        let reader = cluster.addScriptedClient()
        guard let old = cluster.awaitLeader() else { return "no leader" }
        let others = (0..<5).filter { $0 != old }
        cluster.run(milliseconds: 200)
        var isTold = false
        cluster.drops = { message, from, to in
            if from == old, case .raft(let raft) = message, case .timeoutNow = raft.body, !isTold {
                isTold = true
                return false
            }
            return isTold && (from == old || to == old)
        }
        _ = cluster.ask(.transfer(to: cluster.id(others[0])), at: old)
        cluster.run(upTo: 1_000) { _ in isTold }
        writeThereReadHere(cluster, writer: writer, at: others, reader: reader, at: old, milliseconds: 120)
        cluster.drops = nil
        return cluster.recover()
    }

    /// One of two followers is promised a vote by the other; before it hears of that, the other hears the leader again.
    package static func voteWithinLease(_ seed: UInt64, _ options: SimulationOptions) -> String? {
        let cluster = leaseCluster(3, seed, options, election: 300)
        let writer = cluster.addScriptedClient()
        let reader = cluster.addScriptedClient()
        for turn in 0..<12 where cluster.violationText == nil {
            guard let old = cluster.awaitLeader() else { return cluster.violationText ?? "no leader" }
            let asker = (old + 1) % 3
            let voter = (old + 2) % 3
            let promise = Promise(voter: voter, old: old)
            cluster.drops = { promise.drops($0, from: $1, to: $2) }
            cluster.separate([old], from: [asker])
            cluster.run(milliseconds: 500)
            cluster.block(from: old, to: voter)
            cluster.loseConnection(of: voter, to: old)
            cluster.setDistance(from: voter, to: asker, milliseconds: 60)
            cluster.run(upTo: 280) { _ in promise.isMade }
            cluster.unblock(from: old, to: voter)
            cluster.setDistance(from: voter, to: asker, milliseconds: 0)
            if promise.isMade {
                writeThereReadHere(
                    cluster, writer: writer, at: [asker], reader: reader, at: old, milliseconds: 200, round: turn)
            }
            cluster.drops = nil
            cluster.healNetwork()
            cluster.run(milliseconds: 500)
        }
        return cluster.recover()
    }

    /// What one server has told of its vote. When it has given it, nobody hears the old leader any more.
    private final class Promise {
        let voter: Int
        let old: Int
        private(set) var isMade = false
        private var isKept = false

        init(voter: Int, old: Int) {
            self.voter = voter
            self.old = old
        }

        func drops(_ message: PeerMessage, from: Int, to: Int) -> Bool {
            guard case .raft(let raft) = message else { return false }
            switch raft.body {
            case .preVoteResponse(let response) where from == voter && response.granted: isMade = true
            case .voteResponse(let response) where from == voter && response.granted: isKept = true
            case .preVoteRequest where from == voter: return true
            default: break
            }
            return isKept && (from == old || to == old)
        }
    }

    /// A follower forgets in a crash that it has just heard the leader.
    package static func crashWithinLease(_ seed: UInt64, _ options: SimulationOptions) -> String? {
        let cluster = leaseCluster(3, seed, options)
        let writer = cluster.addScriptedClient()
        let reader = cluster.addScriptedClient()
        for turn in 0..<8 where cluster.violationText == nil {
            guard let old = cluster.awaitLeader() else { return cluster.violationText ?? "no leader" }
            let asker = (old + 1) % 3
            let voter = (old + 2) % 3
            cluster.separate([old], from: [asker])
            cluster.run(milliseconds: 350)
            guard cluster.isLeader(old) else { continue }
            cluster.separate([old], from: [voter])
            cluster.crash(voter)
            cluster.restart(voter)
            writeThereReadHere(
                cluster, writer: writer, at: [asker, voter], reader: reader, at: old, milliseconds: 120, round: turn)
            cluster.healNetwork()
            cluster.run(milliseconds: 500)
        }
        return cluster.recover()
    }

    /// The answers to a leader's last heartbeats are on their way for so long that the others have elected another one
    /// when they arrive.
    package static func lateAnswers(_ seed: UInt64, _ options: SimulationOptions) -> String? {
        let cluster = leaseCluster(3, seed, options, election: 300)
        let writer = cluster.addScriptedClient()
        let reader = cluster.addScriptedClient()
        for turn in 0..<4 where cluster.violationText == nil {
            guard let old = cluster.awaitLeader() else { return cluster.violationText ?? "no leader" }
            let others = (0..<3).filter { $0 != old }
            cluster.run(milliseconds: 100)
            for other in others { cluster.setDistance(from: other, to: old, milliseconds: 215) }
            cluster.run(milliseconds: 35)
            for other in others {
                cluster.block(from: old, to: other)
                cluster.loseConnection(of: other, to: old)
            }
            writeThereReadHere(
                cluster, writer: writer, at: others, reader: reader, at: old, milliseconds: 330, round: turn)
            for other in others { cluster.setDistance(from: other, to: old, milliseconds: 0) }
            cluster.healNetwork()
            cluster.run(milliseconds: 500)
        }
        return cluster.recover()
    }
}
