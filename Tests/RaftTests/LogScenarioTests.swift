import Raft
import Testing

/// The scenarios of the documentation of consensus that are about the log and the disk.
@Suite("Scenarios of the log")
struct LogScenarioTests {
    @Test("Scenario 1: a server alone commits nothing before its own disk has it")
    func singleVoterWaitsForItsDisk() throws {
        var cluster = TestCluster(1)
        cluster.expire(1)
        #expect(cluster[1].role == .leader)
        cluster.servers[0].disk.isSlow = true
        let place = try cluster.propose(1, "x")
        #expect(cluster[1].commit < place.index)
        cluster.crash(1)
        cluster.restart(1)
        #expect(cluster[1].lastIndex < place.index)
        #expect(!cluster.servers[0].applied.contains { $0.index == place.index })

        var careless = TestCluster(1, settings: .with(.leaderCountsItselfBeforeDurable))
        careless.expire(1)
        careless.servers[0].disk.isSlow = true
        let lost = try careless.propose(1, "x")
        #expect(careless[1].commit == lost.index)
    }

    @Test("Scenario 1: a follower acknowledges nothing before its disk has it")
    func followerWaitsForItsDisk() {
        var bench = Bench(term: 1)
        bench.hearAppend([1, 1], behind: 0, 0, term: 1)
        #expect(bench.last.write?.entries.count == 2)
        #expect(bench.answers == [])
        bench.hearAppend(behind: 2, 1, term: 1)
        #expect(bench.answers == [.alive])
        bench.stored(1)
        #expect(bench.answers == [.accepted(match: LogIndex(2))])

        var careless = Bench(term: 1, mutations: .ackBeforeDurable)
        careless.hearAppend([1, 1], behind: 0, 0, term: 1)
        #expect(careless.answers == [.accepted(match: LogIndex(2))])
    }

    @Test("Scenario 2: after a restart every entry behind the snapshot is handed out, once")
    func handsOutOnceBehindTheSnapshot() throws {
        var cluster = TestCluster(1)
        cluster.expire(1)
        for i in 0..<5 { try cluster.propose(1, "\(i)") }
        let metadata = cluster[1].snapshotMetadata(at: LogIndex(3))
        cluster.step(1, .snapshotTaken(metadata, keepFrom: LogIndex(4)))
        cluster.crash(1)
        cluster.restart(1)
        cluster.expire(1)
        #expect(cluster.servers[0].applied.map(\.index.rawValue) == [4, 5, 6, 7])
    }

    @Test("Scenario 4: an old append request and a heartbeat delete nothing")
    func overlapDeletesNothing() {
        var bench = Bench(term: 1, log: [1, 1, 1, 1, 1])
        bench.hearAppend([1, 1], behind: 1, 1, term: 1)
        #expect(bench.last.write == nil)
        bench.hearAppend(behind: 2, 1, term: 1)
        #expect(bench.last.write == nil)
        #expect(bench.log == [1, 1, 1, 1, 1])

        var careless = Bench(term: 1, log: [1, 1, 1, 1, 1], mutations: .truncateOnOverlap)
        careless.hearAppend([1, 1], behind: 1, 1, term: 1)
        #expect(careless.log == [1, 1, 1])
    }

    @Test("Scenario 5: an entry of an older term is not committed by counting (figure 8)")
    func olderTermIsNotCounted() {
        var bench = Bench(servers: 5, term: 3, log: [1, 2])
        bench.win(votes: 2...3)
        #expect(bench.node.role == .leader)
        bench.hearAnswer(.accepted(match: LogIndex(2)), from: 2, term: 4)
        bench.hearAnswer(.accepted(match: LogIndex(2)), from: 3, term: 4)
        #expect(bench.node.commit == .zero)
        bench.hearAnswer(.accepted(match: LogIndex(3)), from: 2, term: 4)
        bench.hearAnswer(.accepted(match: LogIndex(3)), from: 4, term: 4)
        #expect(bench.node.commit == .zero)
        bench.hearAnswer(.accepted(match: LogIndex(3)), from: 3, term: 4)
        #expect(bench.node.commit == LogIndex(3))
        #expect(bench.committed.map(\.index.rawValue) == [1, 2, 3])

        var careless = Bench(servers: 5, term: 3, log: [1, 2], mutations: .countOlderTermCommit)
        careless.win(votes: 2...3)
        careless.hearAnswer(.accepted(match: LogIndex(2)), from: 2, term: 4)
        careless.hearAnswer(.accepted(match: LogIndex(2)), from: 3, term: 4)
        #expect(careless.node.commit == LogIndex(2))
    }

    @Test("Scenario 6: no entry is written before its term")
    func termIsWrittenWithTheEntry() {
        var bench = Bench(term: 1)
        bench.hearAppend([5], behind: 0, 0, term: 5)
        #expect(bench.last.write?.hardState == HardState(term: Term(5)))
        #expect(bench.last.write?.entries.count == 1)

        // Should a disk have it the other way round, the entry's term holds, and nobody gets a vote in it.
        var torn = Bench(term: 1, log: [5])
        #expect(torn.node.term == Term(5))
        torn.hear(.voteRequest(lastIndex: LogIndex(9), lastTerm: Term(4)), from: 3, term: 5)
        #expect(torn.votes == [false])

        var careless = Bench(term: 1, mutations: .termNotSaved)
        careless.hearAppend([5], behind: 0, 0, term: 5)
        #expect(careless.last.write?.hardState == nil)
    }

    @Test("Scenario 7: the completion of an overwritten write makes nothing durable")
    func overwrittenWriteIsNoProof() {
        // Two entries of the leader of term 2 are being written when the leader of term 3 replaces them by one.
        var bench = Bench(term: 2)
        bench.hearAppend([2, 2], behind: 0, 0, from: 2, term: 2)
        bench.hearAppend([3], behind: 0, 0, from: 3, term: 3)
        #expect(bench.last.write?.truncateFrom == LogIndex(1))
        #expect(bench.last.write?.hardState == HardState(term: Term(3)))
        bench.stored(1)
        #expect(bench.answers == [])
        #expect(bench.node.status.durable == .zero)
        bench.stored(2)
        #expect(bench.answers == [.accepted(match: LogIndex(1))])
        #expect(bench.node.status.durable == LogIndex(1))

        var careless = Bench(term: 2, mutations: .phantomDurability)
        careless.hearAppend([2, 2], behind: 0, 0, from: 2, term: 2)
        careless.hearAppend([3], behind: 0, 0, from: 3, term: 3)
        careless.stored(1)
        #expect(careless.node.status.durable == LogIndex(2))
    }

    @Test("Scenario 25: a request holds at least one entry, however big, and never a hole")
    func oversizedEntryIsNotSkipped() throws {
        func run(_ mutations: Mutations) throws -> TestCluster {
            var settings = Settings.with(mutations)
            settings.maximumRequestBytes = 10
            var cluster = TestCluster(3, settings: settings)
            cluster.elect(1)
            for text in ["a", String(repeating: "b", count: 100), "c", "d"] { try cluster.propose(1, text) }
            cluster.settle()
            cluster.wait(1, milliseconds: 60)
            cluster.settle()
            return cluster
        }
        let sound = try run([])
        #expect(sound[2].commit == LogIndex(5))
        #expect(sound.servers[1].applied.map(\.index.rawValue) == [1, 2, 3, 4, 5])
        #expect(sound.violations == [])
        #expect(try run(.skipOversizedEntry)[2].commit < LogIndex(5))
    }

    @Test("Scenario 28: what a crash tore off is sent again")
    func tornWriteIsSentAgain() throws {
        var cluster = TestCluster(3)
        cluster.elect(1)
        cluster.servers[1].disk.isSlow = true
        try cluster.propose(1, "x")
        cluster.settle()
        #expect(cluster[2].lastIndex == LogIndex(2))
        cluster.crash(2)
        cluster.restart(2)
        cluster.servers[1].disk.isSlow = false
        #expect(cluster[2].lastIndex == LogIndex(1))
        cluster.wait(1, milliseconds: 60)
        cluster.settle()
        #expect(cluster[2].status.durable == LogIndex(2))
        #expect(cluster[2].commit == LogIndex(2))
    }
}

extension Settings {
    static func with(_ mutations: Mutations) -> Settings {
        var settings = Settings.fixed
        settings.mutations = mutations
        return settings
    }
}
