import Raft
import Replica
import Testing
import TupleSpace

@testable import Simulation

/// Scenarios of consensus that need a whole cluster: real logs on simulated disks, clients, and a script.
@Suite("Scenarios with a whole cluster")
struct ScenarioTests {
    static func write(_ number: Int64) -> TupleSpace.Operation {
        .write(space: "jobs", tuple: Tuple([.string("t"), .int(number)]))
    }
    static let any = Template([.any, .any])
    static let count = Query.count(space: "jobs", template: any)
    static let take = TupleSpace.Operation.take(space: "jobs", template: any, timeout: .none, holds: false)

    func isWritten(_ reply: Reply?) -> Bool {
        if case .written = reply { true } else { false }
    }

    /// Writes tuples one after another, each to its end.
    func write(
        _ numbers: ClosedRange<Int64>, _ cluster: SimulatedCluster, _ client: SimulatedClient, at server: Int? = nil
    ) {
        for number in numbers {
            let operation = cluster.begin(Self.write(number), by: client, at: server)
            #expect(
                isWritten(cluster.reply(to: operation, of: client)),
                "write \(number): \(cluster.violationText ?? "no answer")")
        }
    }

    @Test(
        "Scenario 1: a single voter answers only what a power loss cannot take",
        arguments: 1...10 as ClosedRange<UInt64>)
    func singleVoter(_ seed: UInt64) {
        let cluster = SimulatedCluster.scripted(servers: 1, seed: seed)
        let client = cluster.addScriptedClient()
        write(1...3, cluster, client)
        let last = cluster.begin(Self.write(4), by: client)
        cluster.run(upTo: 1_000) { _ in client.replies[last] != nil }
        cluster.crash(0)
        cluster.restart(0)
        let counted = cluster.begin(Self.count, by: client)
        #expect(cluster.reply(to: counted, of: client) == .count(4))
        #expect(cluster.recover() == nil)
    }

    @Test("Scenario 2: a crash between any two effects applies nothing twice and skips nothing", arguments: 0..<12)
    func betweenEffects(_ effects: Int) {
        let cluster = SimulatedCluster.scripted(servers: 3, seed: UInt64(effects) + 1) { $0.snapshotEntries = 8 }
        let client = cluster.addScriptedClient()
        for round in 0..<6 {
            let operation = cluster.begin(Self.write(Int64(round)), by: client)
            cluster.crash(round % 3, afterEffects: effects % 4)
            #expect(isWritten(cluster.reply(to: operation, of: client)), "\(cluster.violationText ?? "no answer")")
        }
        #expect(cluster.recover() == nil)
        let counted = cluster.begin(Self.count, by: client)
        #expect(cluster.reply(to: counted, of: client) == .count(6))
    }

    @Test("Scenario 3: entries in a new segment survive a power loss right after they were answered")
    func newSegment() {
        let cluster = SimulatedCluster.scripted(servers: 1)
        let client = cluster.addScriptedClient()
        let filler = String(repeating: "x", count: 20_000)
        for number in 0..<12 {
            let tuple = Tuple([.string(filler), .int(Int64(number))])
            let operation = cluster.begin(.write(space: "jobs", tuple: tuple), by: client)
            #expect(isWritten(cluster.reply(to: operation, of: client)))
            cluster.crash(0)
            cluster.restart(0)
        }
        let counted = cluster.begin(Self.count, by: client)
        #expect(cluster.reply(to: counted, of: client) == .count(12))
        #expect(cluster.violationText == nil)
    }

    /// Dissertation, figure 3.7. A leader leaves an entry on a minority, others lead meanwhile, and it comes back.
    private func figureEight(_ mutations: Mutations, seed: UInt64) -> SimulatedCluster {
        let cluster = SimulatedCluster.scripted(servers: 5, seed: seed, mutations: mutations) {
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
                _ = cluster.begin(Self.write(Int64(round * 10 + number)), by: client, at: leader)
                cluster.run(milliseconds: 5)
            }
            cluster.run(milliseconds: 20)
            cluster.crash(leader)
            cluster.healNetwork()
            cluster.run(milliseconds: 400)
            cluster.restart(leader)
            if let now = cluster.leader { cluster.crash(now); cluster.restart(now) }
            guard cluster.run(milliseconds: 300) else { break }
        }
        return cluster
    }

    @Test("Scenario 5: an entry of an older term is not committed by counting, and the simulator sees it if it is")
    func olderTerm() {
        for seed in 1...4 as ClosedRange<UInt64> {
            let cluster = figureEight([], seed: seed)
            #expect(cluster.recover() == nil)
        }
        #expect(
            (1...40 as ClosedRange<UInt64>).contains {
                figureEight(.countOlderTermCommit, seed: $0).violationText != nil
            })
    }

    /// A new leader that has not committed in its own term is asked for a read.
    private func freshLeader(_ mutations: Mutations, seed: UInt64) -> SimulatedCluster {
        let cluster = SimulatedCluster.scripted(servers: 3, seed: seed, mutations: mutations)
        let client = cluster.addScriptedClient()
        let reader = cluster.addScriptedClient()
        guard let old = cluster.awaitLeader() else { return cluster }
        let others = (0..<3).filter { $0 != old }
        // The followers do not learn what is committed last: nothing but entries reaches them.
        cluster.drops = { message, from, _ in
            guard from == old, case .raft(let raft) = message, case .appendRequest(let request) = raft.body else {
                return false
            }
            return request.entries.isEmpty
        }
        let written = cluster.begin(Self.write(1), by: client, at: old)
        cluster.run(upTo: 60) { _ in client.replies[written] != nil }
        cluster.crash(old)
        cluster.drops = nil
        for _ in 0..<400 {
            guard cluster.violationText == nil else { break }
            for server in others { _ = cluster.begin(Self.count, by: reader, at: server, once: true) }
            cluster.run(milliseconds: 1)
        }
        cluster.restart(old)
        return cluster
    }

    @Test("Scenario 8: a fresh leader confirms no read before it has committed an entry of its own term")
    func freshLeaderReads() {
        for seed in 1...4 as ClosedRange<UInt64> { #expect(freshLeader([], seed: seed).recover() == nil) }
        #expect(
            (1...20 as ClosedRange<UInt64>).contains {
                freshLeader(.readBeforeOwnTermCommit, seed: $0).violationText != nil
            })
    }

    /// A leader is cut off and its clock runs slowly, so that it believes in itself while others elect another and
    /// write.
    private func deposed(_ mutations: Mutations, friends: Int, seed: UInt64) -> SimulatedCluster {
        let cluster = SimulatedCluster.scripted(servers: 5, seed: seed, mutations: mutations)
        let writer = cluster.addScriptedClient()
        let reader = cluster.addScriptedClient()
        guard let old = cluster.awaitLeader() else { return cluster }
        let others = (0..<5).filter { $0 != old }
        cluster.setClockRate(old, percent: 10)
        let side = [old] + others.prefix(friends)
        let rest = Array(others.dropFirst(friends))
        for friend in others.prefix(friends) { cluster.setClockRate(friend, percent: 10) }
        cluster.separate(side, from: rest)
        for round in 0..<300 {
            guard cluster.violationText == nil else { break }
            _ = cluster.begin(Self.count, by: reader, at: old, once: true)
            if round == 200 { write(1...1, cluster, writer, at: rest[0]) }
            cluster.run(milliseconds: 3)
        }
        return cluster
    }

    @Test("Scenario 9: a leader that was deposed without knowing it confirms no read")
    func deposedLeader() {
        for seed in 1...4 as ClosedRange<UInt64> { #expect(deposed([], friends: 1, seed: seed).recover() == nil) }
        #expect(
            (1...10 as ClosedRange<UInt64>).contains {
                deposed(.confirmReadWithoutRound, friends: 1, seed: $0).violationText != nil
            })
    }

    @Test("Scenario 9: a process that stood still and goes on confirms no read of its past")
    func paused() {
        for seed in 1...6 as ClosedRange<UInt64> {
            let cluster = SimulatedCluster.scripted(servers: 3, seed: seed)
            let writer = cluster.addScriptedClient()
            let reader = cluster.addScriptedClient()
            guard let old = cluster.awaitLeader() else { Issue.record("no leader"); return }
            _ = cluster.begin(Self.count, by: reader, at: old, once: true)
            cluster.pause(old, milliseconds: 2_000)
            let others = (0..<3).filter { $0 != old }
            #expect(cluster.awaitLeader(among: others) != nil)
            write(1...3, cluster, writer, at: others[0])
            let late = cluster.begin(Self.count, by: reader, at: old)
            #expect(cluster.reply(to: late, of: reader) == .count(3))
            #expect(cluster.recover() == nil)
        }
    }

    @Test("Scenario 12: a read needs a whole majority beside the leader's word")
    func readQuorum() {
        for seed in 1...3 as ClosedRange<UInt64> { #expect(deposed([], friends: 1, seed: seed).recover() == nil) }
        #expect(
            (1...10 as ClosedRange<UInt64>).contains {
                deposed(.readQuorumMinusOne, friends: 1, seed: $0).violationText != nil
            })
    }

    /// The leader keeps only one follower, and that one hears nobody else; the others see one another and that
    /// follower.
    private func partialPartition(_ mutations: Mutations) -> Bool {
        let cluster = SimulatedCluster.scripted(servers: 5, mutations: mutations)
        let client = cluster.addScriptedClient()
        guard let old = cluster.awaitLeader() else { return false }
        let others = (0..<5).filter { $0 != old }
        cluster.separate([old], from: Array(others.dropFirst()))
        // One of the connected majority is down: the follower that hears the old leader is needed.
        cluster.crash(others[3])
        let operation = cluster.begin(Self.write(1), by: client, at: others[1])
        return isWritten(cluster.reply(to: operation, of: client, within: 8_000)) && cluster.recover() == nil
    }

    @Test("Scenario 14: under a partial partition a connected majority elects a leader")
    func partial() {
        #expect(partialPartition([]))
        #expect(!partialPartition(.noCheckQuorum))
    }

    @Test(
        "Scenario 22: a follower that restarts while it receives a snapshot gets it all the same",
        arguments: 1...5 as ClosedRange<UInt64>)
    func restartWhileReceiving(_ seed: UInt64) {
        let cluster = SimulatedCluster.scripted(servers: 3, seed: seed) {
            $0.snapshotEntries = 10
            $0.trailingEntries = 0
            $0.snapshotChunkBytes = 64
            $0.snapshotPatienceMilliseconds = 1_000
        }
        let client = cluster.addScriptedClient()
        guard let leader = cluster.awaitLeader() else { Issue.record("no leader"); return }
        let behind = (leader + 1) % 3
        cluster.crash(behind)
        write(1...40, cluster, client, at: leader)
        cluster.restart(behind)
        for _ in 0..<3 {
            cluster.run(milliseconds: 60)
            cluster.crash(behind)
            cluster.restart(behind)
        }
        #expect(cluster.recover() == nil)
        #expect(cluster.installedSnapshots() > 0)
        #expect(cluster.machine(behind)?.tupleCount == 40)
    }

    @Test(
        "Scenario 26: the first failed sync ends a process, and nothing of it was answered",
        arguments: 1...10 as ClosedRange<UInt64>)
    func failedSync(_ seed: UInt64) {
        let cluster = SimulatedCluster.scripted(servers: 1, seed: seed)
        let client = cluster.addScriptedClient()
        write(1...2, cluster, client)
        cluster.failNextSync(0)
        let operation = cluster.begin(Self.write(3), by: client)
        #expect(isWritten(cluster.reply(to: operation, of: client)), "it is repeated after the restart")
        let counted = cluster.begin(Self.count, by: client)
        #expect(cluster.reply(to: counted, of: client) == .count(3))
        #expect(cluster.recover() == nil)
    }

    @Test("Scenario 27: a server with a full disk stands aside, starts again, and goes on when there is room")
    func fullDisk() {
        let cluster = SimulatedCluster.scripted(servers: 3)
        let client = cluster.addScriptedClient()
        guard let leader = cluster.awaitLeader() else { Issue.record("no leader"); return }
        cluster.setCapacity(leader, bytes: cluster.usedBytes(leader))
        let filler = String(repeating: "x", count: 20_000)
        for number in 0..<12 {
            let tuple = Tuple([.string(filler), .int(Int64(number))])
            let operation = cluster.begin(.write(space: "jobs", tuple: tuple), by: client)
            #expect(isWritten(cluster.reply(to: operation, of: client)), "\(cluster.violationText ?? "no answer")")
        }
        #expect(cluster.durableLast(leader) < cluster.commit, "its disk has no room for all")
        cluster.crash(leader)
        cluster.restart(leader)
        #expect(cluster.isUp(leader), "a full disk keeps no server from starting: \(cluster.violationText ?? "")")
        #expect(cluster.recover() == nil)
        #expect(cluster.machine(leader)?.tupleCount == 12)
    }

    @Test(
        "Scenario 28: a write torn by a power loss is not there, and the log goes on",
        arguments: 1...20 as ClosedRange<UInt64>)
    func tornWrite(_ seed: UInt64) {
        let cluster = SimulatedCluster.scripted(servers: 1, seed: seed)
        let client = cluster.addScriptedClient()
        for number in 1...8 as ClosedRange<Int64> {
            let operation = cluster.begin(Self.write(number), by: client)
            cluster.run(milliseconds: seed % 3)
            cluster.crash(0, loss: .some)
            cluster.restart(0)
            #expect(isWritten(cluster.reply(to: operation, of: client)))
        }
        #expect(cluster.recover() == nil)
        #expect(cluster.machine(0)?.tupleCount == 8)
    }

    @Test("Scenario 29: no gap between snapshot and log after a restart", arguments: 1...6 as ClosedRange<UInt64>)
    func noGap(_ seed: UInt64) {
        let cluster = SimulatedCluster.scripted(servers: 1, seed: seed) {
            $0.snapshotEntries = 4
            $0.trailingEntries = 0
        }
        let client = cluster.addScriptedClient()
        for number in 1...20 as ClosedRange<Int64> {
            write(number...number, cluster, client)
            cluster.run(milliseconds: UInt64(number % 4))
            cluster.crash(0, loss: number % 2 == 0 ? .some : .everything)
            cluster.restart(0)
        }
        #expect(cluster.recover() == nil)
        #expect(cluster.machine(0)?.tupleCount == 20)
        #expect(cluster.takenSnapshots() > 2)
    }

    @Test("Scenario 33: a forwarded write whose answer is lost is done once, wherever it is repeated")
    func lostAnswer() {
        for seed in 1...8 as ClosedRange<UInt64> {
            let cluster = SimulatedCluster.scripted(servers: 3, seed: seed)
            let client = cluster.addScriptedClient()
            guard let leader = cluster.awaitLeader() else { Issue.record("no leader"); return }
            let follower = (leader + 1) % 3
            // It gets to the leader; the follower dies before it can answer.
            let operation = cluster.begin(Self.write(1), by: client, at: follower)
            let before = cluster.commit
            cluster.run(upTo: 1_000) { $0.commit > before }
            cluster.crash(follower)
            client.redirect(operation)
            #expect(isWritten(cluster.reply(to: operation, of: client)))
            let counted = cluster.begin(Self.count, by: client, at: leader)
            #expect(cluster.reply(to: counted, of: client) == .count(1))
            cluster.restart(follower)
            #expect(cluster.recover() == nil)
        }
    }

    @Test("Scenario 34: an isolated leader answers no write and no linearizable read while it is alone")
    func isolatedLeader() {
        for seed in 1...5 as ClosedRange<UInt64> {
            let cluster = SimulatedCluster.scripted(servers: 3, seed: seed)
            let inside = cluster.addScriptedClient()
            let outside = cluster.addScriptedClient()
            guard let old = cluster.awaitLeader() else { Issue.record("no leader"); return }
            write(1...1, cluster, outside, at: old)
            cluster.isolate(old)
            let write = cluster.begin(Self.write(100), by: inside, at: old)
            let read = cluster.begin(Self.count, by: inside, at: old)
            let local = cluster.begin(Self.count, .local, by: inside, at: old)
            self.write(2...3, cluster, outside, at: (old + 1) % 3)
            cluster.run(milliseconds: 3_000)
            #expect(inside.replies[write] == nil)
            #expect(inside.replies[read] == nil)
            #expect(inside.replies[local] == .count(1))
            cluster.healNetwork()
            #expect(isWritten(cluster.reply(to: write, of: inside)))
            #expect(cluster.recover() == nil)
        }
    }
}
