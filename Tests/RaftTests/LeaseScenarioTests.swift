import Raft
import Testing

/// Reads by lease (dissertation 6.4.1) and the rule of votes below them (4.2.3). Each of these servers has a clock of
/// its own; where a test does not say otherwise all run alike.
@Suite("Scenarios of leases")
struct LeaseScenarioTests {
    /// Server 1 leads, with a lease that begins now.
    private func leader(_ mutations: Mutations = [], leaseReads: Bool = true) -> TestCluster {
        var settings = Settings.with(mutations)
        settings.leaseReads = leaseReads
        var cluster = TestCluster(3, settings: settings)
        cluster.elect(1)
        cluster.wait(milliseconds: 60)
        cluster.settle()
        return cluster
    }

    @Test("While a lease holds a read needs no message; it is off by default")
    func readByLease() {
        func confirmed(leaseReads: Bool, after wait: UInt64) -> [UInt64] {
            var cluster = leader(leaseReads: leaseReads)
            cluster.wait(1, milliseconds: wait)
            cluster.step(1, .read(context: 7))
            cluster.wait(1, milliseconds: 10)
            return cluster.servers[0].confirmed.map(\.context)
        }
        #expect(!Settings().leaseReads)
        #expect(confirmed(leaseReads: false, after: 0) == [])
        #expect(confirmed(leaseReads: true, after: 0) == [7])
        #expect(confirmed(leaseReads: true, after: 40) == [7])
        #expect(confirmed(leaseReads: true, after: 110) == [])
    }

    @Test("A read that no lease confirms goes by a round of messages")
    func readByRound() {
        var cluster = leader()
        cluster.wait(1, milliseconds: 150)
        cluster.drop()
        cluster.step(1, .read(context: 7))
        cluster.wait(1, milliseconds: 10)
        cluster.settle()
        #expect(cluster.servers[0].confirmed.map(\.context) == [7])
    }

    @Test("A follower's read is confirmed by the leader's lease as well")
    func followerRead() {
        var cluster = leader()
        cluster.step(2, .read(context: 7))
        cluster.settle()
        #expect(cluster.servers[1].confirmed.isEmpty)
        cluster.wait(1, milliseconds: 10)
        cluster.settle()
        #expect(cluster.servers[1].confirmed.map(\.context) == [7])
    }

    @Test("A lease is no older than the question: a late answer does not renew it")
    func leaseCountsFromSending() throws {
        func run(_ mutations: Mutations) throws -> Int {
            var cluster = leader(mutations)
            cluster.wait(1, milliseconds: 40)
            cluster.deliver { $0.from == NodeID(1) }
            let late = cluster.network.filter { $0.to == NodeID(1) }
            cluster.drop()
            // The leader is cut off. The others stand as early as they may.
            cluster.partition([[1], [2, 3]])
            for n in 2...3 { cluster.step(n, .connectionLost(NodeID(1))) }
            cluster.run(milliseconds: 220)
            let successor = try #require(cluster.leaders.last)
            #expect(cluster.leaders == [1, successor])
            let place = try cluster.propose(successor, "new")
            cluster.settle()
            #expect(cluster[successor].commit >= place.index)
            for message in late { cluster.step(1, .message(message)) }
            cluster.step(1, .read(context: 7))
            cluster.wait(1, milliseconds: 10)
            return cluster.servers[0].confirmed.filter { $0.index < place.index }.count
        }
        #expect(try run([]) == 0)
        #expect(try run(.leaseFromArrival) == 1)
    }

    /// One of two followers, cut off from the leader for a moment, was told that it would get the other's vote; then
    /// the other hears the leader, the leader reads by that, and the first one stands.
    private func voteWithinALease(_ mutations: Mutations, crash: Bool) throws -> Int {
        var cluster = leader(mutations)
        for n in 2...3 { cluster.step(n, .connectionLost(NodeID(1))) }
        var asker = 0
        for _ in 0..<25 where asker == 0 {
            cluster.wait(milliseconds: 10)
            cluster.drop { $0.from == NodeID(1) }
            asker = (2...3).first { cluster[$0].role == .preCandidate } ?? 0
        }
        try #require(asker != 0)
        let other = 5 - asker
        let ids = (asker: NodeID(UInt64(asker)), other: NodeID(UInt64(other)))
        cluster.deliver { $0.from == ids.asker && $0.to == ids.other }
        let grant = cluster.network.filter { $0.from == ids.other && $0.to == ids.asker }
        #expect(grant.count == 1)
        cluster.drop()
        cluster.wait(1, milliseconds: 40)
        cluster.deliver { $0.from == NodeID(1) && $0.to == ids.other }
        cluster.deliver { $0.from == ids.other && $0.to == NodeID(1) }
        if crash {
            cluster.crash(other)
            cluster.restart(other)
        }
        cluster.partition([[1], [2, 3]])
        for message in grant { cluster.deliver(message) }
        cluster.settle()
        guard cluster[asker].role == .leader else { return 0 }
        let place = try cluster.propose(asker, "new")
        cluster.settle()
        cluster.step(1, .read(context: 7))
        cluster.wait(1, milliseconds: 10)
        return cluster.servers[0].confirmed.filter { $0.index < place.index }.count
    }

    @Test("Whoever heard a leader just now votes for nobody, and learns no term of a candidate")
    func votesRespectLeases() throws {
        #expect(try voteWithinALease([], crash: false) == 0)
        #expect(try voteWithinALease(.votesBreakLease, crash: false) == 1)
    }

    @Test("Nor does it right after a crash, in which it forgot whom it heard")
    func pledgeOutlivesACrash() throws {
        #expect(try voteWithinALease([], crash: true) == 0)
        #expect(try voteWithinALease(.pledgeForgottenInCrash, crash: true) == 1)
    }

    @Test("Nor does it stand itself, though its election timeout, counted from before it stood still, is over")
    func pledgedDoesNotStand() {
        func stands(_ mutations: Mutations, after milliseconds: UInt64) -> Bool {
            var cluster = leader(mutations)
            cluster.wait(1, milliseconds: 60)
            return pausedFollower(&cluster, milliseconds)
        }
        #expect(!stands([], after: 140))
        #expect(stands([], after: 160))
        #expect(stands(.pledgedStands, after: 140))
    }

    private func pausedFollower(_ cluster: inout TestCluster, _ milliseconds: UInt64) -> Bool {
        // It takes the leader's word with the time that it knows, and learns only then how late it is.
        cluster.deliver { $0.to == NodeID(2) }
        cluster.drop()
        cluster.servers[1].clock = cluster.servers[1].clock.advanced(byMilliseconds: 700)
        cluster.step(2, .tick(cluster.servers[1].clock))
        cluster.wait(2, milliseconds: milliseconds)
        return cluster[2].role == .preCandidate
    }

    @Test("A term that came by another way is no vote: whoever is pledged gives none in it either")
    func pledgedInTheTermOfTheCandidate() {
        var cluster = leader()
        let term = cluster[1].term.next
        cluster.wait(1, milliseconds: 60)
        cluster.deliver { $0.to == NodeID(2) }
        cluster.drop()
        cluster.wait(2, milliseconds: 10)
        func message(_ body: Message.Body, from sender: UInt64) -> Message {
            Message(
                cluster: TestCluster.id, from: NodeID(sender), to: NodeID(2), term: term,
                featureLevel: Configuration.supportedFeatureLevel, formatVersion: 2, body: body)
        }
        // A pre-vote that it once asked for is refused from the new term.
        cluster.step(2, .message(message(.preVoteResponse(VoteResponse(granted: false)), from: 3)))
        #expect(cluster[2].term == term)
        let request = VoteRequest(lastIndex: cluster[2].lastIndex, lastTerm: cluster[1].term)
        cluster.step(2, .message(message(.voteRequest(request), from: 3)))
        let answers = cluster.network.compactMap { message -> Bool? in
            if case .voteResponse(let response) = message.body { response.granted } else { nil }
        }
        #expect(answers.allSatisfy { !$0 })
        cluster.drop()
        cluster.wait(2, milliseconds: 200)
        cluster.drop()
        cluster.step(2, .message(message(.voteRequest(request), from: 3)))
        #expect(cluster.network.contains { if case .voteResponse(let r) = $0.body { r.granted } else { false } })
    }

    @Test("A process that was stopped does not read by the lease that it had before")
    func stoppedProcess() throws {
        func run(_ mutations: Mutations) throws -> Int {
            var cluster = leader(mutations)
            cluster.partition([[1], [2, 3]])
            for _ in 0..<90 {
                for n in 2...3 { cluster.wait(n, milliseconds: 10) }
                cluster.settle()
            }
            let successor = try #require(cluster.leaders.last)
            let place = try cluster.propose(successor, "new")
            cluster.settle()
            #expect(cluster[successor].commit >= place.index)
            cluster.step(1, .read(context: 7))  // it goes on with what has come, and then looks at its clock
            cluster.servers[0].clock = cluster.servers[0].clock.advanced(byMilliseconds: 900)
            cluster.step(1, .tick(cluster.servers[0].clock))
            return cluster.servers[0].confirmed.filter { $0.index < place.index }.count
        }
        #expect(try run([]) == 0)
        #expect(try run(.leaseTrustsOldTime) == 1)
    }

    @Test("In a joint configuration a lease needs a majority of the old voters and one of the new")
    func jointLease() {
        func holds(answers: [UInt64]) -> Bool {
            var settings = Settings.with(.onlyBeginnerLeaves)  // so that it stays joint
            settings.leaseReads = true
            var origin = Bench.origin(5)
            for i in 1...2 { origin.configuration.members[i].role = .leaving }
            origin.configuration.outgoingVoters = [NodeID(1), NodeID(2), NodeID(3)]
            var bench = Bench(
                recovered: RecoveredLog(
                    hardState: HardState(term: Term(1)), snapshot: origin, entries: Bench.entries([1])),
                settings: settings)
            bench.win(votes: 2...5)
            bench.stored(2)
            for peer in 2...5 as ClosedRange<UInt64> {
                bench.hearAnswer(.accepted(match: LogIndex(2)), from: peer, term: 2)
            }
            bench.step(.tick(MonotonicTime(nanoseconds: 3_010_000_000)))
            for peer in answers {
                let answer = AppendResponse(result: .alive, readRound: 0, sentAt: 3_010_000_000)
                bench.hear(.appendResponse(answer), from: peer, term: 2)
            }
            bench.step(.read(context: 7))
            bench.step(.tick(MonotonicTime(nanoseconds: 3_020_000_000)))
            return !bench.last.confirmedReads.isEmpty
        }
        #expect(!holds(answers: []))
        #expect(!holds(answers: [2, 3]))
        #expect(!holds(answers: [4, 5]))
        #expect(holds(answers: [2, 4]))
    }

    @Test("A candidate that nobody hears because they have a leader is freed by that leader's next word")
    func stuckCandidate() throws {
        var cluster = leader()
        let term = cluster[1].term
        // 3 is told by a damaged peer, or believes for whatever reason, that it may stand.
        cluster.partition([[1, 2], [3]])
        cluster.wait(3, milliseconds: 700)
        let asked = try #require(cluster.network.last { $0.from == NodeID(3) && $0.to == NodeID(2) })
        cluster.drop()
        cluster.step(
            3,
            .message(
                Message(
                    cluster: TestCluster.id, from: NodeID(2), to: NodeID(3), term: term,
                    body: .preVoteResponse(granted: true))))
        #expect(asked.term == term.next)
        #expect(cluster[3].role == .candidate)
        #expect(cluster[3].term == term.next)
        cluster.heal()
        cluster.deliver()
        #expect(cluster[1].role == .leader)
        #expect(cluster[2].term == term)
        cluster.run(milliseconds: 1500)
        #expect(cluster.leaders.count == 1)
        #expect((1...3).allSatisfy { cluster[$0].leader == cluster[1].leader && cluster[$0].leader != nil })
    }
}
