import Raft
import Testing

/// The scenarios of the documentation of consensus that are about linearizable reads.
@Suite("Scenarios of reads")
struct ReadScenarioTests {
    @Test("Scenario 8: a new leader confirms no read before it has committed an entry of its own term")
    func readWaitsForOwnTerm() {
        func run(_ mutations: Mutations) -> (before: Int, after: [UInt64]) {
            var bench = Bench(term: 1, log: [1], mutations: mutations)
            bench.win(votes: 2...2)
            bench.step(.read(context: 7))
            bench.hearAnswer(.alive, round: 1, from: 2, term: 2)
            let before = bench.last.confirmedReads.count
            bench.hearAnswer(.accepted(match: LogIndex(2)), from: 2, term: 2)
            bench.hearAnswer(.accepted(match: LogIndex(2)), from: 3, term: 2)
            bench.hearAnswer(.alive, round: 1, from: 2, term: 2)
            return (before, bench.last.confirmedReads.map(\.index.rawValue))
        }
        #expect(run([]) == (0, [2]))
        #expect(run(.readBeforeOwnTermCommit).before == 1)
    }

    @Test("Scenario 9: a leader that slept through its successor's election confirms nothing")
    func readOfADeposedLeader() throws {
        func run(_ mutations: Mutations) throws -> TestServer {
            var cluster = TestCluster(3, settings: .with(mutations))
            cluster.elect(1)
            cluster.partition([[1], [2, 3]])
            for _ in 0..<200 {
                cluster.wait(2, milliseconds: 10)
                cluster.wait(3, milliseconds: 10)
                cluster.deliver()
            }
            #expect(cluster[1].role == .leader)  // it sleeps
            let successor = try #require(cluster.leaders.last)
            #expect(successor > 1)
            try cluster.propose(successor, "x")
            cluster.settle()
            cluster.heal()
            cluster.step(1, .read(context: 7))
            cluster.settle()
            return cluster.servers[0]
        }
        let sound = try run([])
        #expect(sound.confirmed.isEmpty)
        #expect(sound.failed == [7])
        #expect(try run(.confirmReadWithoutRound).confirmed.count == 1)
    }

    @Test("Scenario 9: the answer to an earlier round does not confirm a later one")
    func answerToAnEarlierRound() {
        var bench = Bench(term: 1, log: [1])
        bench.win(votes: 2...2)
        bench.hearAnswer(.accepted(match: LogIndex(2)), from: 2, term: 2)
        bench.hearAnswer(.accepted(match: LogIndex(2)), from: 3, term: 2)
        bench.step(.read(context: 1))
        bench.hearAnswer(.alive, round: 1, from: 2, term: 2)
        #expect(bench.last.confirmedReads.map(\.context) == [1])
        bench.step(.read(context: 2))
        bench.hearAnswer(.alive, round: 1, from: 3, term: 2)
        #expect(bench.last.confirmedReads.isEmpty)
        bench.hearAnswer(.alive, round: 3, from: 3, term: 2)  // never asked: not believed
        #expect(bench.last.confirmedReads.isEmpty)
        bench.hearAnswer(.alive, round: 2, from: 3, term: 2)
        #expect(bench.last.confirmedReads.map(\.context) == [2])
    }

    @Test("Scenario 12: a majority confirms a read, not one less")
    func readQuorum() {
        func answersNeeded(servers: Int, _ mutations: Mutations) -> Int {
            var bench = Bench(servers: servers, term: 1, log: [1], mutations: mutations)
            bench.win(votes: 2...UInt64(servers))
            for peer in 2...UInt64(servers) { bench.hearAnswer(.accepted(match: LogIndex(2)), from: peer, term: 2) }
            bench.step(.read(context: 7))
            var count = 0
            while bench.last.confirmedReads.isEmpty, count < servers - 1 {
                bench.hearAnswer(.alive, round: 1, from: UInt64(count + 2), term: 2)
                count += 1
            }
            return count
        }
        #expect((2...7).map { answersNeeded(servers: $0, []) } == [1, 1, 2, 2, 3, 3])
        #expect(answersNeeded(servers: 5, .readQuorumMinusOne) == 1)
    }

    @Test("A server alone confirms a read at once")
    func readAlone() {
        var cluster = TestCluster(1)
        cluster.expire(1)
        cluster.step(1, .read(context: 7))
        #expect(cluster.servers[0].confirmed.map(\.context) == [7])
    }

    @Test("A follower's reads share one question, and fail if no answer comes")
    func followerReads() {
        var cluster = TestCluster(3)
        cluster.elect(1)
        for context in 1...3 { cluster.step(2, .read(context: UInt64(context))) }
        #expect(cluster.network.count == 1)
        cluster.settle()
        #expect(cluster.servers[1].confirmed.map(\.context) == [1, 2, 3])
        cluster.step(2, .read(context: 4))
        for _ in 0..<35 {
            cluster.wait(milliseconds: 10)
            cluster.drop { if case .readIndexRequest = $0.body { true } else { false } }
            cluster.deliver()
        }
        #expect(cluster[2].leader == NodeID(1))
        #expect(cluster.servers[1].failed == [4])
    }

    @Test("Reads are not delayed by a follower's disk")
    func readsPassTheDisk() throws {
        var cluster = TestCluster(3)
        cluster.elect(1)
        for n in 2...3 { cluster.servers[n - 1].disk.isSlow = true }
        try cluster.propose(1, "x")
        cluster.step(1, .read(context: 7))
        cluster.settle()
        #expect(cluster.servers[0].confirmed.map(\.context) == [7])
    }
}
