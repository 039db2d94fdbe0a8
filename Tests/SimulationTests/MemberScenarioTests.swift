import Raft
import Replica
import Testing
import TupleSpace

@testable import Simulation

/// Scenarios of changing members, with a whole cluster: real logs on simulated disks, clients, and an operator.
@Suite("Scenarios with changing members")
struct MemberScenarioTests {
    static let count = Query.count(space: "jobs", template: Template([.any, .any]))

    /// - server: any, if nil.
    func write(
        _ numbers: ClosedRange<Int>, _ cluster: SimulatedCluster, _ client: SimulatedClient, at server: Int? = nil
    ) {
        for number in numbers {
            let operation = cluster.begin(Scripts.write(number), by: client, at: server)
            guard case .written = cluster.reply(to: operation, of: client) else {
                Issue.record("write \(number): \(cluster.violationText ?? "no answer")")
                return
            }
        }
    }

    private func leader(_ cluster: SimulatedCluster) -> Int {
        guard let leader = cluster.awaitLeader() else {
            Issue.record("no leader: \(cluster.violationText ?? "")")
            return 0
        }
        return leader
    }

    @Test(
        "A cluster of one grows to three and goes back to one, which may be another",
        arguments: 1...3 as ClosedRange<UInt64>)
    func oneThreeOne(_ seed: UInt64) {
        let cluster = SimulatedCluster.scripted(servers: 1, spares: 2, seed: seed)
        let client = cluster.addScriptedClient()
        write(1...3, cluster, client)
        let joiners = [cluster.startJoiner(1), cluster.startJoiner(2)]
        #expect(cluster.change(joiners.map { .add($0) }, at: 0))
        #expect(cluster.run(upTo: 10_000) { $0.committedConfiguration.voters.count == 3 })
        write(4...6, cluster, client)
        #expect(cluster.change([.remove(cluster.id(0)), .remove(cluster.id(1))], at: 1))
        #expect(cluster.committedConfiguration.voters == [cluster.id(2)])
        cluster.retire(0)
        cluster.retire(1)
        write(7...9, cluster, client)
        #expect(cluster.recover() == nil)
        #expect(cluster.machine(2)?.tupleCount == 9)
    }

    @Test(
        "Scenario 15: a server that was promoted and does not know it yet votes all the same",
        arguments: 1...3 as ClosedRange<UInt64>)
    func promotedUnaware(_ seed: UInt64) {
        #expect(promotedUnaware(seed, []))
    }

    @Test("Scenario 15, mutation: learners that refuse votes leave the cluster without a leader")
    func promotedUnawareMutation() {
        #expect((1...3 as ClosedRange<UInt64>).contains { !promotedUnaware($0, .learnersRefuseVotes) })
    }

    /// Of three servers and a learner, the learner is promoted without hearing of it, and then the leader dies: its vote is needed.
    private func promotedUnaware(_ seed: UInt64, _ mutations: Mutations) -> Bool {
        let cluster = SimulatedCluster.scripted(servers: 3, spares: 1, seed: seed, mutations: mutations)
        _ = cluster.addScriptedClient()
        let first = leader(cluster)
        let joiner = cluster.startJoiner(3, promoteWhenCaughtUp: false)
        guard cluster.change([.add(joiner)], at: first) else { return false }
        cluster.run(milliseconds: 500)
        let known = cluster.durableLast(3)
        cluster.drops = { message, _, to in
            guard to == 3, case .raft(let raft) = message, case .appendRequest(let request) = raft.body else {
                return false
            }
            return request.entries.last.map { $0.index > known } ?? false
        }
        guard cluster.change([.setRole(joiner.id, .voter)], at: first) else { return false }
        cluster.run(milliseconds: 200)
        cluster.crash(first)
        cluster.drops = nil
        guard cluster.awaitLeader(among: (0..<4).filter { $0 != first }, within: 10_000) != nil else { return false }
        cluster.restart(first)
        return cluster.recover() == nil
    }

    @Test(
        "Scenario 17: a leader changes no members before it has committed in its own term",
        arguments: 1...4 as ClosedRange<UInt64>)
    func beforeOwnTerm(_ seed: UInt64) {
        #expect(beforeOwnTerm(seed, []) == nil)
    }

    @Test("Scenario 17, mutation: a change before the first commit of the term is noticed")
    func beforeOwnTermMutation() {
        #expect((1...8 as ClosedRange<UInt64>).contains { beforeOwnTerm($0, .changeBeforeOwnTermCommit) != nil })
    }

    private func beforeOwnTerm(_ seed: UInt64, _ mutations: Mutations) -> String? {
        let cluster = SimulatedCluster.scripted(servers: 4, spares: 1, seed: seed, mutations: mutations)
        let client = cluster.addScriptedClient()
        for round in 0..<4 {
            guard let old = cluster.awaitLeader() else { return cluster.violationText ?? "no leader" }
            // The next leader's first entries are acknowledged late.
            for server in 0..<4 { cluster.stallDisk(server, milliseconds: 0) }
            cluster.crash(old)
            cluster.run(upTo: 5_000) { $0.leader != nil && $0.leader != old }
            guard let fresh = cluster.leader else { return cluster.violationText ?? "no new leader" }
            for server in 0..<4 where server != fresh { cluster.stallDisk(server, milliseconds: 60) }
            let victim = (0..<4).first { $0 != fresh && $0 != old } ?? 0
            let removal = cluster.ask(.change([.setRole(cluster.id(victim), .learner)]), at: fresh)
            _ = cluster.outcome(of: removal, within: 3_000)
            cluster.restart(old)
            _ = cluster.change([.setRole(cluster.id(victim), .voter)], at: fresh)
            _ = cluster.begin(Scripts.write(round), by: client)
            guard cluster.violationText == nil else { break }
        }
        return cluster.recover()
    }

    @Test(
        "Scenario 18: a joint configuration is left although the leader that began it is gone",
        arguments: 1...4 as ClosedRange<UInt64>)
    func leaveAfterCrash(_ seed: UInt64) {
        #expect(leaveAfterCrash(seed, []) == nil)
    }

    @Test("Scenario 18, mutation: if only the beginner leaves it, the cluster is stuck in it")
    func leaveAfterCrashMutation() {
        #expect((1...4 as ClosedRange<UInt64>).contains { leaveAfterCrash($0, .onlyBeginnerLeaves) != nil })
    }

    private func leaveAfterCrash(_ seed: UInt64, _ mutations: Mutations) -> String? {
        let cluster = SimulatedCluster.scripted(servers: 3, spares: 2, seed: seed, mutations: mutations)
        let client = cluster.addScriptedClient()
        guard let first = cluster.awaitLeader() else { return "no leader" }
        let changes: [MemberChange] = [
            .add(cluster.startJoiner(3, role: .voter)), .add(cluster.startJoiner(4, role: .voter)),
            .remove(cluster.id((first + 1) % 3)),
        ]
        _ = cluster.ask(.change(changes), at: first)
        // It dies as soon as the joint configuration is committed, and before anybody has the next one.
        cluster.drops = { message, from, _ in
            guard from == first, case .raft(let raft) = message, case .appendRequest(let request) = raft.body else {
                return false
            }
            return request.entries.contains { Configuration($0).map { !$0.isJoint } ?? false }
        }
        cluster.run(upTo: 5_000) { $0.committedConfiguration.isJoint }
        guard cluster.committedConfiguration.isJoint else { return cluster.violationText ?? "no joint configuration" }
        cluster.crash(first)
        cluster.drops = nil
        cluster.run(milliseconds: 3_000)
        _ = cluster.begin(Scripts.write(1), by: client)
        cluster.restart(first)
        return cluster.recover(within: 10_000)
    }

    @Test(
        "Scenario 19: the leader dies right after it has applied a configuration, and the rest goes on",
        arguments: 1...4 as ClosedRange<UInt64>)
    func diesAfterApplying(_ seed: UInt64) {
        let cluster = SimulatedCluster.scripted(servers: 3, spares: 1, seed: seed)
        let client = cluster.addScriptedClient()
        let first = leader(cluster)
        _ = cluster.ask(.change([.add(cluster.startJoiner(3, role: .voter))]), at: first)
        cluster.run(upTo: 5_000) { $0.committedConfiguration.voters.count == 4 && !$0.committedConfiguration.isJoint }
        cluster.crash(first)
        #expect(cluster.awaitLeader(among: (0..<4).filter { $0 != first }) != nil, "three of four are there")
        write(1...3, cluster, client)
        cluster.restart(first)
        #expect(cluster.recover() == nil)
    }

    @Test(
        "Scenario 20: a leader that is removed steps down, is told, and disturbs nobody",
        arguments: 1...4 as ClosedRange<UInt64>)
    func removedLeader(_ seed: UInt64) {
        let cluster = SimulatedCluster.scripted(servers: 3, seed: seed)
        let client = cluster.addScriptedClient()
        let first = leader(cluster)
        #expect(cluster.change([.remove(cluster.id(first))], at: first))
        #expect(cluster.run(upTo: 5_000) { $0.isRemoved(first) }, "it is told that it was removed")
        let others = (0..<3).filter { $0 != first }
        #expect(cluster.awaitLeader(among: others) != nil)
        write(1...3, cluster, client)
        let term = others.compactMap { cluster.status($0)?.term }.max()
        cluster.run(milliseconds: 5_000)
        #expect(others.compactMap { cluster.status($0)?.term }.max() == term, "nobody stands for election any more")
        #expect(!cluster.isLeader(first))
        #expect(cluster.recover() == nil)
    }

    @Test(
        "Scenario 20: a follower that was removed while it was away disturbs nobody when it is back",
        arguments: 1...4 as ClosedRange<UInt64>)
    func removedFollower(_ seed: UInt64) {
        let cluster = SimulatedCluster.scripted(servers: 4, seed: seed)
        let client = cluster.addScriptedClient()
        let first = leader(cluster)
        let away = (first + 1) % 4
        cluster.isolate(away)
        #expect(cluster.change([.remove(cluster.id(away))], at: first))
        write(1...3, cluster, client)
        let term = cluster.status(first)?.term
        cluster.run(milliseconds: 2_000)
        cluster.healNetwork()
        #expect(cluster.run(upTo: 10_000) { $0.isRemoved(away) }, "it learns it from those that it still knows")
        #expect(cluster.status(first)?.term == term)
        #expect(cluster.isLeader(first), "and the leader has not changed")
        #expect(cluster.recover() == nil)
    }

    @Test(
        "Scenarios 23 and 24: snapshots and installed snapshots keep the members",
        arguments: 1...4 as ClosedRange<UInt64>)
    func snapshotsKeepMembers(_ seed: UInt64) {
        let cluster = SimulatedCluster.scripted(servers: 3, spares: 1, seed: seed) {
            $0.snapshotEntries = 6
            $0.trailingEntries = 0
        }
        let client = cluster.addScriptedClient()
        let first = leader(cluster)
        let behind = (first + 1) % 3
        cluster.crash(behind)
        #expect(cluster.change([.add(cluster.startJoiner(3))], at: first))
        write(1...40, cluster, client)
        #expect(cluster.run(upTo: 10_000) { $0.committedConfiguration.voters.count == 4 })
        cluster.restart(behind)
        write(41...60, cluster, client)
        for server in 0..<4 {
            cluster.crash(server)
            cluster.restart(server)
        }
        #expect(cluster.recover() == nil)
        #expect(cluster.installedSnapshots() > 0)
        #expect(cluster.committedConfiguration.members.count == 4)
    }

    @Test("Two conflicting changes at once: one is made, the other is refused with the reason")
    func conflicting() {
        let cluster = SimulatedCluster.scripted(servers: 3)
        _ = cluster.addScriptedClient()
        let first = leader(cluster)
        let followers = (0..<3).filter { $0 != first }
        // The first one takes longer than the leader lets the second one wait for it.
        for server in followers { cluster.stallDisk(server, milliseconds: 1_800) }
        let one = cluster.ask(.change([.setRole(cluster.id(followers[0]), .learner)]), at: first)
        let other = cluster.ask(.change([.setRole(cluster.id(followers[1]), .learner)]), at: first)
        let outcomes = [cluster.outcome(of: one), cluster.outcome(of: other)]
        let changed = outcomes.filter { if case .changed = $0 { true } else { false } }
        let refused = outcomes.filter { if case .refused = $0 { true } else { false } }
        #expect(changed.count == 1 && refused.count == 1, "\(outcomes)")
        #expect(cluster.committedConfiguration.voters.count == 2)
        #expect(cluster.violationText == nil)
    }

    @Test(
        "Leadership goes where it is sent, and no write is lost or done twice on the way",
        arguments: 1...4 as ClosedRange<UInt64>)
    func transfer(_ seed: UInt64) {
        let cluster = SimulatedCluster.scripted(servers: 3, seed: seed)
        let client = cluster.addScriptedClient()
        for round in 1...6 {
            let first = leader(cluster)
            let target = (first + 1) % 3
            let operation = cluster.begin(Scripts.write(round), by: client)
            let request = cluster.ask(.transfer(to: cluster.id(target)), at: (first + round) % 3)
            let outcome = cluster.outcome(of: request)
            guard case .transferred(let id, _) = outcome else {
                Issue.record("round \(round): \(outcome.map { "\($0)" } ?? "no outcome")")
                return
            }
            #expect(id == cluster.id(target))
            #expect(cluster.reply(to: operation, of: client)?.isWritten ?? false)
        }
        let counted = cluster.begin(Self.count, by: client)
        #expect(cluster.reply(to: counted, of: client) == .count(6))
        #expect(cluster.recover() == nil)
    }

    @Test("Scenario 32: wall clocks jump an hour forward and back, and no session or lease ends early or late")
    func wallClocks() {
        for mutations in [[], .leaseTimeFromWallClock] as [ReplicaMutations] {
            let cluster = SimulatedCluster.scripted(servers: 3, replicaMutations: mutations)
            let client = cluster.addScriptedClient()
            let first = leader(cluster)
            let take = TupleSpace.Operation.take(
                space: "jobs", template: Template([.literal(.string("none")), .any]), timeout: .milliseconds(2_000),
                holds: false)
            let waiting = cluster.begin(take, by: client)
            cluster.run(milliseconds: 200)
            cluster.jumpWallClock(first, milliseconds: 3_600_000)
            cluster.run(milliseconds: 800)
            cluster.jumpWallClock(first, milliseconds: -3_600_000)
            let isEarly = client.replies[waiting] != nil || !client.isOpen
            cluster.run(milliseconds: 3_000)
            let isLate = client.replies[waiting] != .noMatch
            #expect((isEarly || isLate) == !mutations.isEmpty, "early \(isEarly), late \(isLate)")
            if mutations.isEmpty { #expect(cluster.recover() == nil) }
        }
    }

    @Test(
        "Bits that rot are noticed; the server does not vote until its peers have repaired it",
        arguments: 1...6 as ClosedRange<UInt64>)
    func rot(_ seed: UInt64) {
        let cluster = SimulatedCluster.scripted(servers: 3, seed: seed)
        let client = cluster.addScriptedClient()
        write(1...20, cluster, client)
        let victim = Int(seed % 3)
        for _ in 0..<8 where !cluster.isDamaged(victim) {
            cluster.rot(victim)
            if cluster.isUp(victim) { cluster.crash(victim, loss: .nothing) }
            cluster.restart(victim)
        }
        #expect(cluster.isDamaged(victim), "\(cluster.violationText ?? "")")
        write(21...30, cluster, client)
        #expect(cluster.recover() == nil)
        #expect(cluster.repairs > 0)
        #expect(cluster.machine(victim)?.tupleCount == 30)
    }

    @Test(
        "All but one are lost for good: the one is recovered offline, serves alone with all it had, and new servers join",
        arguments: 1...4 as ClosedRange<UInt64>)
    func majorityLost(_ seed: UInt64) throws {
        let cluster = SimulatedCluster.scripted(servers: 3, seed: seed) {
            if seed.isMultiple(of: 2) { $0.snapshotEntries = 6 }
        }
        let client = cluster.addScriptedClient()
        write(1...10, cluster, client)
        cluster.run(milliseconds: 1_000)
        let survivor = Int(seed % 3)
        let old = cluster.id(survivor)
        try cluster.loseAllBut(survivor)
        #expect(cluster.awaitLeader(among: [survivor]) != nil, "\(cluster.violationText ?? "")")
        #expect(cluster.committedConfiguration.voters == [old])
        // The client may be loyal to a server that is gone.
        write(11...13, cluster, client, at: survivor)
        #expect(cluster.machine(survivor)?.tupleCount == 13)
        let joiners = (0..<3).filter { $0 != survivor }.map { cluster.startJoiner($0) }
        #expect(cluster.change(joiners.map { .add($0) }, at: survivor))
        #expect(cluster.run(upTo: 10_000) { $0.committedConfiguration.voters.count == 3 })
        write(14...15, cluster, client)
        #expect(cluster.recover() == nil)
        for server in 0..<3 { #expect(cluster.machine(server)?.tupleCount == 15) }
    }

    @Test(
        "Servers of the first version and of this one work together, and the feature level rises when all are new",
        arguments: 1...4 as ClosedRange<UInt64>)
    func upgrade(_ seed: UInt64) {
        var options = SimulationOptions()
        options.servers = 3
        options.allowedFaults = [.upgrades]
        options.usesAllFaults = true
        options.faultMilliseconds = 4_000
        let result = Simulator.run(seed: seed, options: options)
        #expect(result.failure == nil, "\(result.failure?.description ?? "")")
        #expect(result.statistics.configurations > 0, "the level rises by a configuration")
    }
}
