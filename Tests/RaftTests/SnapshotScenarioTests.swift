import Raft
import Testing

/// The scenarios of the documentation of consensus that are about snapshots and configurations.
@Suite("Scenarios of snapshots")
struct SnapshotScenarioTests {
    private func metadata(_ index: UInt64, _ term: UInt64) -> SnapshotMetadata {
        SnapshotMetadata(
            index: LogIndex(index), term: Term(term), configuration: TestCluster.configuration(3),
            configurationIndex: .zero)
    }

    @Test("Scenario 11: the majority is counted among the voters of now")
    func majorityOfTheVotersOfNow() {
        let payload = Configuration.encoded(TestCluster.configuration(5))
        let change = Entry(index: LogIndex(2), term: Term(1), kind: .configuration, payload: payload)
        let recovered = RecoveredLog(
            hardState: HardState(term: Term(1)), snapshot: Bench.origin(3), entries: Bench.entries([1]) + [change])
        var bench = Bench(recovered: recovered)
        #expect(bench.node.configuration.voters.count == 5)
        bench.win(votes: 2...3)
        bench.hearAnswer(.accepted(match: LogIndex(3)), from: 2, term: 2)
        bench.hearAnswer(.accepted(match: LogIndex(3)), from: 3, term: 2)
        #expect(bench.node.commit == .zero)  // two of five: the leader's own disk is not done
        bench.hearAnswer(.accepted(match: LogIndex(3)), from: 4, term: 2)
        #expect(bench.node.commit == LogIndex(3))
        // The change is of a conflicting leader? Then the old voters count again.
        bench.hearAppend([3], behind: 1, 1, term: 3)
        #expect(bench.node.configuration.voters.count == 5, "what is committed stays")
        var other = Bench(recovered: recovered)
        other.hearAppend([3], behind: 1, 1, term: 3)
        #expect(other.node.configuration.voters.count == 3)
    }

    @Test("Scenario 21: a snapshot that conflicts with the log takes all its place")
    func conflictingTailIsDropped() {
        var bench = Bench(term: 3, log: [1, 2, 2, 2, 2])
        bench.hearAppend(behind: 0, 0, term: 3)
        bench.step(.snapshotReceived(metadata(3, 3), from: NodeID(2)))
        #expect(bench.last.write?.keepsTail == false)
        #expect(bench.last.snapshotToInstall?.index == LogIndex(3))
        #expect(bench.node.lastIndex == LogIndex(3))
        #expect(bench.answers == [])
        bench.storeLast()
        #expect(bench.answers == [.accepted(match: LogIndex(3))])

        var agreeing = Bench(term: 3, log: [1, 2, 2, 2, 2])
        agreeing.step(.snapshotReceived(metadata(3, 2), from: NodeID(2)))
        #expect(agreeing.last.write?.keepsTail == true)
        #expect(agreeing.node.lastIndex == LogIndex(5))

        var careless = Bench(term: 3, log: [1, 2, 2, 2, 2], mutations: .keepConflictingTailAfterSnapshot)
        careless.step(.snapshotReceived(metadata(3, 3), from: NodeID(2)))
        #expect(careless.node.lastIndex == LogIndex(5))
    }

    @Test("Scenario 23: compacting twice keeps the membership")
    func compactingTwice() {
        let change = Entry(
            index: LogIndex(2), term: Term(1), kind: .configuration,
            payload: Configuration.encoded(TestCluster.configuration(1)))
        var bench = Bench(
            recovered: RecoveredLog(
                hardState: HardState(term: Term(1)), snapshot: Bench.origin(1),
                entries: Bench.entries([1]) + [change] + Bench.entries([1, 1, 1], behind: 2)))
        bench.win(votes: 2...2)
        bench.stored(2)
        #expect(bench.node.commit == LogIndex(6))
        for index in [3, 5] as [UInt64] {
            let taken = bench.node.snapshotMetadata(at: LogIndex(index))
            #expect(taken.configurationIndex == LogIndex(2))
            bench.step(.snapshotTaken(taken, keepFrom: LogIndex(index + 1)))
            #expect(bench.node.status.first == LogIndex(index + 1))
        }
        #expect(bench.node.configuration.voters.count == 1)
    }

    @Test("Scenario 24: a snapshot does not bring back an older membership")
    func snapshotWithOlderMembership() {
        func run(_ mutations: Mutations) -> Int {
            let change = Entry(
                index: LogIndex(4), term: Term(1), kind: .configuration,
                payload: Configuration.encoded(TestCluster.configuration(5)))
            var bench = Bench(
                recovered: RecoveredLog(
                    hardState: HardState(term: Term(1)), snapshot: Bench.origin(3),
                    entries: Bench.entries([1, 1, 1]) + [change]),
                mutations: mutations)
            bench.step(.snapshotReceived(metadata(2, 1), from: NodeID(2)))
            #expect(bench.node.lastIndex == LogIndex(4))
            return bench.node.configuration.voters.count
        }
        #expect(run([]) == 5)
        #expect(run(.staleConfigurationFromSnapshot) == 3)
    }

    @Test("Scenario 29: what lies behind a gap between snapshot and log is not used, and the server does not vote")
    func gapBehindTheSnapshot() {
        let gap = Bench(
            recovered: RecoveredLog(
                hardState: HardState(term: Term(2)), snapshot: metadata(3, 1),
                entries: Bench.entries([1, 2], behind: 5)))
        #expect(gap.node.lastIndex == LogIndex(3))
        #expect(!gap.node.mayVote)

        // A snapshot that is newer than the whole log leaves no gap: it says all.
        let newer = Bench(
            recovered: RecoveredLog(
                hardState: HardState(term: Term(2)), snapshot: metadata(9, 2), entries: Bench.entries([1, 1, 2])))
        #expect(newer.node.lastIndex == LogIndex(9))
        #expect(newer.node.commit == LogIndex(9))
        #expect(newer.node.mayVote)

        // A received snapshot that the crash kept from the log, and that conflicts with it: the log goes with the next
        // write.
        var conflicting = Bench(
            recovered: RecoveredLog(
                hardState: HardState(term: Term(3)), snapshot: metadata(3, 3), entries: Bench.entries([1, 2, 2, 2])))
        #expect(conflicting.node.lastIndex == LogIndex(3))
        #expect(conflicting.node.mayVote)
        conflicting.hearAppend([3], behind: 3, 3, term: 3)
        #expect(conflicting.last.write?.snapshot == metadata(3, 3))
        #expect(conflicting.last.write?.keepsTail == false)
        #expect(conflicting.last.write?.entries.map(\.index.rawValue) == [4])

        // The trailing window before the snapshot is kept, but for its first entry.
        let window = Bench(
            recovered: RecoveredLog(
                hardState: HardState(term: Term(2)), snapshot: metadata(5, 1),
                entries: Bench.entries([1, 1, 1, 1, 2], behind: 2)))
        #expect(window.node.status.first == LogIndex(4))
        #expect(window.node.lastIndex == LogIndex(7))
        #expect(window.node.mayVote)
        #expect(window.node.checkInvariants() == [])
    }

    @Test("Scenario 30: a conflicting tail and requests of one entry come to rest")
    func conflictingTailComesToRest() {
        var settings = Settings.fixed
        settings.maximumRequestBytes = 1
        settings.maximumInflightRequests = 1
        var cluster = TestCluster(
            logs: [
                (Term(6), [1, 1, 1, 4, 4, 5, 5, 6, 6, 6]), (Term(3), [1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3]),
                (Term(6), [1, 1]),
            ],
            settings: settings)
        cluster.elect(1)
        #expect(cluster[1].role == .leader)
        for n in 2...3 {
            #expect(cluster.log(n) == cluster.log(1))
            #expect(cluster[n].commit == LogIndex(11))
        }
        #expect(cluster.violations == [])
    }

    @Test("Scenario 30: a snapshot that is no news undoes nothing")
    func oldSnapshot() throws {
        func commit(_ mutations: Mutations) throws -> (before: LogIndex, after: LogIndex) {
            var settings = Settings.fixed
            settings.mutations = mutations
            var cluster = TestCluster(3, settings: settings)
            cluster.elect(1)
            let old = cluster[1].snapshotMetadata(at: cluster[1].commit)
            for i in 0..<5 {
                try cluster.propose(1, "\(i)")
                cluster.settle()
            }
            cluster.wait(1, milliseconds: 60)
            cluster.settle()
            let before = cluster[3].commit
            cluster.step(3, .snapshotReceived(old, from: NodeID(1)))
            return (before, cluster[3].commit)
        }
        let kept = try commit([])
        #expect(kept.before == LogIndex(6) && kept.after == kept.before)
        let undone = try commit(.oldSnapshotInstalled)
        #expect(undone.after < undone.before)
    }

    @Test("A conflict that is cut and a snapshot whose tail stays, in one value, are one write that cuts")
    func cutAndSnapshotTogether() throws {
        var bench = Bench(term: 2, log: [1, 1, 1, 1, 1, 1])
        let taken = SnapshotMetadata(
            index: LogIndex(3), term: Term(1), configuration: bench.node.configuration, configurationIndex: .zero)
        let append = AppendRequest(
            previousIndex: LogIndex(4), previousTerm: Term(1), commit: .zero,
            entries: Bench.entries([2], behind: 4), readRound: 0, sentAt: 0)
        let message = Message(
            cluster: TestCluster.id, from: NodeID(2), to: NodeID(1), term: Term(2), body: .appendRequest(append))
        var effects = Effects()
        bench.node.step(.message(message), into: &effects)
        bench.node.step(.snapshotReceived(taken, from: NodeID(2)), into: &effects)
        let write = try #require(effects.write)
        #expect(write.snapshot == taken && write.keepsTail)
        #expect(write.truncateFrom == LogIndex(5))
        #expect(write.entries.map(\.index) == [LogIndex(5)])
    }

    @Test("Scenario 30: a snapshot that the follower does not need any more does not come again and again")
    func snapshotIsNotRepeated() throws {
        var cluster = TestCluster(3)
        cluster.elect(1)
        cluster.crash(3)
        for i in 0..<5 {
            try cluster.propose(1, "\(i)")
            cluster.settle()
        }
        let taken = cluster[1].snapshotMetadata(at: cluster[1].commit)
        cluster.step(1, .snapshotTaken(taken, keepFrom: taken.index.next))
        cluster.restart(3)
        cluster.wait(1, milliseconds: 60)
        cluster.settle()
        #expect(cluster.snapshotsAsked.map(\.to) == [NodeID(3)])
        // A failed stream is tried again, in time with the heartbeats.
        cluster.step(1, .snapshotSent(to: NodeID(3), index: nil))
        cluster.settle()
        #expect(cluster.snapshotsAsked.count == 1)
        cluster.wait(1, milliseconds: 60)
        cluster.settle()
        #expect(cluster.snapshotsAsked.count == 2)
        // It arrives, twice, and the news of it is lost: the heartbeats find out.
        cluster.step(3, .snapshotReceived(taken, from: NodeID(1)))
        cluster.step(3, .snapshotReceived(taken, from: NodeID(1)))
        cluster.drop()
        cluster.step(1, .snapshotSent(to: NodeID(3), index: taken.index))
        cluster.settle()
        try cluster.propose(1, "more")
        cluster.settle()
        cluster.wait(1, milliseconds: 200)
        cluster.settle()
        #expect(cluster.snapshotsAsked.count == 2)
        #expect(cluster[3].commit == cluster[1].lastIndex)
        #expect(cluster.violations == [])
    }
}
