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

    private func holds(_ script: (UInt64, SimulationOptions) -> String?, seeds: ClosedRange<UInt64>) {
        for seed in seeds {
            let failure = script(seed, SimulationOptions())
            #expect(failure == nil, "seed \(seed): \(failure ?? "")")
        }
    }

    private func isCaught(
        _ script: (UInt64, SimulationOptions) -> String?, _ mutation: Mutations, seeds: ClosedRange<UInt64>
    ) {
        var options = SimulationOptions()
        options.mutations = mutation
        #expect(seeds.contains { script($0, options) != nil }, "nothing is found without this defence")
    }

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

    @Test("Scenario 5: an entry of an older term is not committed by counting, and the simulator sees it if it is")
    func olderTerm() {
        holds(Scripts.figureEight, seeds: 1...4)
        isCaught(Scripts.figureEight, .countOlderTermCommit, seeds: 1...40)
    }

    @Test("Scenario 8: a fresh leader confirms no read before it has committed an entry of its own term")
    func freshLeaderReads() {
        holds(Scripts.freshLeader, seeds: 1...4)
        isCaught(Scripts.freshLeader, .readBeforeOwnTermCommit, seeds: 1...20)
    }

    @Test("Scenario 9: a leader that was deposed without knowing it confirms no read")
    func deposedLeader() {
        holds(Scripts.deposed, seeds: 1...4)
        isCaught(Scripts.deposed, .confirmReadWithoutRound, seeds: 1...10)
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
        holds(Scripts.deposed, seeds: 5...7)
        isCaught(Scripts.deposed, .readQuorumMinusOne, seeds: 1...10)
    }

    @Test("Scenario 13: a longer log of an older term and a shorter one of a later term do not block each other")
    func olderTerm13() {
        holds(Scripts.olderTerm, seeds: 1...4)
        isCaught(Scripts.olderTerm, .preVoteTeachesNoTerm, seeds: 1...4)
    }

    @Test("Scenario 14: under a partial partition a connected majority elects a leader")
    func partial() {
        holds(Scripts.partialPartition, seeds: 1...3)
        isCaught(Scripts.partialPartition, .noCheckQuorum, seeds: 1...3)
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
