import Raft
import Testing

/// The scenarios of the documentation of consensus that are about elections and isolation.
@Suite("Scenarios of elections")
struct ElectionScenarioTests {
    @Test("Scenario 10: the later last term wins, not the longer log")
    func laterTermBeatsLongerLog() {
        func vote(_ mutations: Mutations, index: UInt64, term: UInt64) -> [Bool] {
            var bench = Bench(term: 3, log: [1, 3], mutations: mutations)
            bench.hear(.voteRequest(lastIndex: LogIndex(index), lastTerm: Term(term)), from: 2, term: 5)
            bench.storeLast()
            return bench.votes
        }
        #expect(vote([], index: 9, term: 2) == [false])
        #expect(vote([], index: 1, term: 4) == [true])
        #expect(vote([], index: 2, term: 3) == [true])
        #expect(vote([], index: 1, term: 3) == [false])
        #expect(vote(.logComparedByLengthFirst, index: 9, term: 2) == [true])
    }

    @Test("Scenario 13: a longer log in an older term and a shorter one in a newer term still elect a leader")
    func preVoteTeachesTheTerm() {
        func run(_ mutations: Mutations) -> [Int] {
            var cluster = TestCluster(
                logs: [(Term(3), [1, 1, 2]), (Term(5), [1]), (Term(3), [1])], settings: .with(mutations))
            cluster.crash(3)
            for _ in 0..<300 {
                cluster.wait(milliseconds: 10)
                cluster.deliver()
            }
            return cluster.leaders
        }
        #expect(run([]) == [1])
        #expect(run(.preVoteTeachesNoTerm) == [])
    }

    @Test("Scenario 14: a leader that no majority answers steps down, and whoever heard it helps to elect another")
    func leaderWithoutMajorityStepsDown() {
        func run(_ mutations: Mutations) -> TestCluster {
            var cluster = TestCluster(5, settings: .with(mutations))
            cluster.elect(1)
            cluster.crash(5)
            // 1 and 2 hear each other; so do 2, 3 and 4. A majority is connected, and needs 2.
            for _ in 0..<400 {
                cluster.wait(milliseconds: 10)
                cluster.drop { $0.from == NodeID(1) && $0.to > NodeID(2) || $0.to == NodeID(1) && $0.from > NodeID(2) }
                cluster.deliver()
            }
            return cluster
        }
        let sound = run([])
        #expect(sound.leaders.count == 1)
        #expect(sound.leaders.first ?? 1 > 1)
        #expect(sound[3].leader != nil)
        #expect(run(.noCheckQuorum)[3].leader == nil)
    }

    @Test("Scenario 16: a vote is told when it is durable, and no second one is given after a crash")
    func voteSurvivesACrash() {
        func run(_ mutations: Mutations) -> (first: [Bool], second: [Bool]) {
            var bench = Bench(mutations: mutations)
            bench.hear(.voteRequest(lastIndex: .zero, lastTerm: .zero), from: 2, term: 1)
            #expect(bench.votes == [])
            var recovered = RecoveredLog(hardState: HardState(), snapshot: Bench.origin(3), entries: [])
            if let write = bench.last.write { recovered.apply(write) }
            bench.storeLast()
            var reborn = Bench(recovered: recovered, mutations: mutations)
            reborn.hear(.voteRequest(lastIndex: .zero, lastTerm: .zero), from: 3, term: 1)
            reborn.storeLast()
            return (bench.votes, reborn.votes)
        }
        #expect(run([]) == ([true], [false]))
        #expect(run(.voteNotSaved) == ([true], [true]))
    }

    @Test("Scenario 16: a candidate asks for votes and counts its own only when that is durable")
    func ownVoteIsDurable() {
        var bench = Bench(servers: 3)
        bench.step(.tick(MonotonicTime(nanoseconds: 3_000_000_000)))
        bench.hear(.preVoteResponse(granted: true), from: 2, term: 0)
        #expect(bench.node.role == .candidate)
        #expect(bench.last.messages == [])
        #expect(bench.last.write?.hardState == HardState(term: Term(1), vote: NodeID(1)))
        bench.stored(1)
        #expect(bench.last.messages.count == 2)
    }

    @Test("Scenario 34: an isolated leader acknowledges no write and confirms no read, and steps down")
    func isolatedLeader() throws {
        var cluster = TestCluster(3)
        cluster.elect(1)
        cluster.partition([[1], [2, 3]])
        let place = try cluster.propose(1, "x")
        cluster.step(1, .read(context: 7))
        for _ in 0..<150 {
            cluster.wait(milliseconds: 10)
            cluster.deliver()
        }
        #expect(cluster[1].commit < place.index)
        #expect(cluster.servers[0].confirmed.isEmpty)
        #expect(cluster.servers[0].failed == [7])
        #expect(cluster[1].role != .leader)
        #expect(cluster.leaders.count == 1)
        #expect(throws: ProposalRefused.notLeader(known: nil)) { try cluster.propose(1, "y") }
    }

    @Test("Scenario 35: a message to another node or of another cluster changes nothing")
    func wrongAddress() {
        var bench = Bench(term: 1)
        let body = Message.Body.voteRequest(lastIndex: .zero, lastTerm: .zero)
        let wrong = [
            Message(cluster: TestCluster.id, from: NodeID(2), to: NodeID(3), term: Term(9), body: body),
            Message(cluster: ClusterID(5), from: NodeID(2), to: NodeID(1), term: Term(9), body: body),
            Message(cluster: TestCluster.id, from: NodeID(1), to: NodeID(1), term: Term(9), body: body),
        ]
        for message in wrong {
            bench.step(.message(message))
            #expect(bench.last.isEmpty)
            #expect(bench.node.term == Term(1))
        }
        for message in wrong.dropLast() {
            var careless = Bench(term: 1, mutations: .foreignMessagesTaken)
            careless.step(.message(message))
            #expect(!careless.last.isEmpty)
        }
    }

    @Test("A damaged server asks for news, and nobody makes way for it, however long its log")
    func newsFromDamaged() throws {
        func isStillAsking(_ mutations: Mutations) throws -> Bool {
            var damaged = Bench(id: 3, term: 1, log: [1, 1, 1], mutations: mutations, mayVote: false)
            damaged.step(.tick(MonotonicTime(nanoseconds: 9_000_000_000)))
            let question = try #require(
                damaged.messages.last { if case .preVoteRequest = $0.body { $0.to == NodeID(1) } else { false } })
            var asking = Bench(term: 1, log: [1])
            asking.step(.tick(MonotonicTime(nanoseconds: 9_000_000_000)))
            #expect(asking.node.role == .preCandidate)
            asking.step(.message(question))
            #expect(!asking.last.messages.isEmpty, "it is answered all the same")
            return asking.node.role == .preCandidate
        }
        #expect(try isStillAsking([]))
        #expect(try !isStillAsking(.newsAskedAsCandidate))
    }

    @Test("A leader whose disk hangs steps down and does not stand again before it works")
    func hangingDisk() throws {
        var cluster = TestCluster(3)
        cluster.elect(1)
        cluster.servers[0].disk.isSlow = true
        try cluster.propose(1, "x")
        for _ in 0..<200 {
            cluster.wait(milliseconds: 10)
            cluster.deliver()
        }
        #expect(cluster.leaders.count == 1)
        #expect(cluster.leaders != [1])
        #expect(cluster.violations == [])
    }

    @Test("A server that comes back from a partition deposes nobody")
    func preVoteProtectsTheLeader() {
        var cluster = TestCluster(3)
        cluster.elect(1)
        let term = cluster[1].term
        cluster.partition([[1, 2], [3]])
        for round in 0..<400 {
            if round == 300 { cluster.heal() }
            cluster.wait(milliseconds: 10)
            cluster.deliver()
        }
        #expect(cluster.leaders == [1])
        #expect(cluster[3].term == term)
        #expect(cluster[3].leader == NodeID(1))
    }

    @Test("A damaged server neither votes nor stands until a later term's leader has brought it past its commit")
    func damagedServer() {
        var bench = Bench(term: 3, log: [1, 2], mayVote: false)
        bench.step(.tick(MonotonicTime(nanoseconds: 9_000_000_000)))
        #expect(bench.node.role == .follower)
        bench.hear(.voteRequest(lastIndex: LogIndex(9), lastTerm: Term(3)), from: 2, term: 4)
        bench.storeLast()
        #expect(bench.votes == [false])
        // The leader of term 4 commits first what is of older terms here: that proves nothing yet.
        bench.hearAppend([2, 4], behind: 2, 2, commit: 3, term: 4)
        bench.storeLast()
        #expect(!bench.node.mayVote)
        bench.hearAppend(behind: 4, 4, commit: 4, term: 4)
        #expect(bench.node.mayVote)
        // Until the leader has been silent for a while nobody votes for another.
        for time in [9_100, 9_250] { bench.step(.tick(MonotonicTime(nanoseconds: UInt64(time) * 1_000_000))) }
        bench.hear(.voteRequest(lastIndex: LogIndex(9), lastTerm: Term(4)), from: 3, term: 5)
        bench.storeLast()
        #expect(bench.votes == [true])
    }
}
