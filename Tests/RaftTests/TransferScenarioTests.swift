import Raft
import Testing

/// Handing over leadership (dissertation 3.10).
@Suite("Scenarios of transfer")
struct TransferScenarioTests {
    @Test("Leadership goes at once to a server that is up to date: no timeout, no pre-vote, nothing lost")
    func handOver() throws {
        var cluster = TestCluster(3)
        cluster.elect(1)
        try cluster.propose(1, "x")
        cluster.settle()
        let term = cluster[1].term
        #expect(try cluster.transfer(1, to: 2) == NodeID(2))
        #expect(cluster[1].status.transferee == NodeID(2))
        var bodies: [Message.Body] = []
        while !cluster.network.isEmpty {
            bodies += cluster.network.map(\.body)
            cluster.deliver()
        }
        #expect(cluster.leaders == [2])
        #expect(cluster[2].term == term.next)
        #expect(bodies.allSatisfy { if case .preVoteRequest = $0 { false } else { true } })
        #expect(cluster[1].status.transferee == nil)
        try cluster.propose(2, "y")
        cluster.settle()
        #expect((1...3).allSatisfy { cluster[$0].commit == LogIndex(4) })
        #expect(cluster.violations == [])
    }

    @Test("The other one is brought up to date before it is told to stand")
    func upToDateFirst() throws {
        var cluster = TestCluster(3)
        cluster.elect(1)
        cluster.partition([[1, 2], [3]])
        for text in ["x", "y"] { try cluster.propose(1, text) }
        cluster.settle()
        cluster.heal()
        try cluster.transfer(1, to: 3)
        #expect(cluster.network.allSatisfy { $0.body != .timeoutNow })
        cluster.settle()
        #expect(cluster.leaders == [3])
        #expect(cluster.log(3) == cluster.log(1))
    }

    @Test("Without a wish it goes to the voter that is furthest, of those that were heard lately")
    func choice() throws {
        var cluster = TestCluster(3)
        cluster.elect(1)
        cluster.partition([[1, 3], [2]])
        try cluster.propose(1, "x")
        cluster.settle()
        #expect(try cluster.transfer(1, to: nil) == NodeID(3))
        cluster.settle()
        #expect(cluster.leaders == [3])
    }

    @Test("Whoever did not take over comes last when a successor is looked for again, and first in another term")
    func unwilling() throws {
        var cluster = TestCluster(3)
        cluster.elect(1)
        for n in [2, 3] {
            #expect(try cluster.transfer(1, to: nil) == NodeID(UInt64(n)))
            // It is heard, and does not obey: a server that may not vote.
            cluster.settle { $0.body == .timeoutNow }
            for _ in 0..<40 {
                cluster.wait(1, milliseconds: 10)
                cluster.settle { $0.body == .timeoutNow }
            }
            #expect(cluster[1].status.transferee == nil && cluster[1].role == .leader)
        }
        // Nobody was willing: then any of them.
        #expect(try cluster.transfer(1, to: nil) == NodeID(2))
        cluster.settle()
        #expect(cluster.leaders == [2])
    }

    @Test("A transfer that cannot be is refused with the reason")
    func refusals() throws {
        var cluster = TestCluster(3)
        cluster.elect(1)
        #expect(throws: TransferRefused.notLeader(known: NodeID(1))) { try cluster.transfer(2, to: 3) }
        #expect(throws: TransferRefused.unknownMember(NodeID(9))) { try cluster.transfer(1, to: 9) }
        #expect(try cluster.transfer(1, to: 1) == NodeID(1))
        try cluster.transfer(1, to: 2)
        #expect(throws: TransferRefused.underWay(to: NodeID(2))) { try cluster.transfer(1, to: 3) }

        var alone = TestCluster(1)
        alone.expire(1)
        #expect(throws: TransferRefused.nobodyElse) { try alone.transfer(1, to: nil) }
        alone.join()
        try alone.change(1, .add(2, .learner))
        alone.run(milliseconds: 50)
        #expect(throws: TransferRefused.notVoter(NodeID(2))) { try alone.transfer(1, to: 2) }
    }

    @Test("While it lasts proposals are refused; it is given up after an election timeout, and the leader goes on")
    func givenUp() throws {
        func run(_ mutations: Mutations) throws -> (during: Bool, failed: [NodeID], after: Bool) {
            var cluster = TestCluster(3, settings: .with(mutations))
            cluster.elect(1)
            let failed = Recorder<NodeID>()
            cluster.observe = { _, effects in if let target = effects.transferFailed { failed.values.append(target) } }
            cluster.partition([[1, 3], [2]])
            try cluster.transfer(1, to: 2)
            let during = (try? cluster.propose(1, "x")) != nil
            if !during {
                #expect(throws: ProposalRefused.transferring(to: NodeID(2))) { try cluster.propose(1, "x") }
            }
            cluster.run(milliseconds: 400)
            #expect(cluster.leaders == [1])
            return (during, failed.values, (try? cluster.propose(1, "y")) != nil)
        }
        #expect(try run([]) == (false, [NodeID(2)], true))
        #expect(try run(.proposalsDuringTransfer).during)
        #expect(try run(.transferNeverGivenUp) == (false, [], false))
    }

    @Test("A word to stand that was lost is said again; one that comes late does no harm")
    func lostWord() throws {
        var cluster = TestCluster(3)
        cluster.elect(1)
        try cluster.transfer(1, to: 2)
        let late = try #require(cluster.network.first { $0.body == .timeoutNow })
        cluster.drop()
        cluster.run(milliseconds: 100)
        #expect(cluster.leaders == [2])
        let term = cluster[2].term
        cluster.deliver(late)
        cluster.settle()
        #expect(cluster.leaders == [2])
        #expect(cluster[2].term == term)
    }

    @Test("Only the present leader of the present term is obeyed, and only by a voter that has what it needs")
    func whoObeys() {
        func stands(
            from: UInt64 = 2, term: UInt64 = 3, mayVote: Bool = true, role: Member.Role = .voter, announced: UInt64 = 2,
            _ mutations: Mutations = []
        ) -> Bool {
            var origin = Bench.origin(3)
            if role == .learner {
                origin.configuration = Configuration(members: [
                    TestCluster.member(1, role: .learner), TestCluster.member(2), TestCluster.member(3),
                ])
            }
            var bench = Bench(
                recovered: RecoveredLog(
                    hardState: HardState(term: Term(3)), snapshot: origin, entries: Bench.entries([1, 2]),
                    mayVote: mayVote), mutations: mutations)
            bench.hearAppend(behind: announced, 2, term: 3)
            bench.hear(.timeoutNow, from: from, term: term)
            return bench.node.role == .candidate
        }
        #expect(stands())
        #expect(!stands(from: 3))
        #expect(!stands(term: 2))
        #expect(!stands(term: 4))
        #expect(!stands(mayVote: false))
        #expect(!stands(role: .learner))
        #expect(!stands(announced: 9))
        #expect(stands(from: 3, .anyoneHandsOver))
        #expect(stands(role: .learner, .anyoneHandsOver))
        #expect(stands(announced: 9, .anyoneHandsOver))
    }

    @Test(
        "Scenario 31: a reply is lost during the transfer, two servers think they lead, and clients see but one"
    )
    func twoLeaders() throws {
        func run(_ mutations: Mutations) throws -> (staleReads: Int, failed: [UInt64]) {
            var settings = Settings.with(mutations)
            settings.leaseReads = true
            var cluster = TestCluster(3, settings: settings)
            cluster.elect(1)
            cluster.wait(1, milliseconds: 40)
            cluster.settle()
            try cluster.transfer(1, to: 2)
            cluster.deliver { $0.to == NodeID(2) }
            cluster.partition([[1], [2, 3]])  // what 1 and 2 say to each other now is lost
            cluster.settle()
            let place = try cluster.propose(2, "new")
            cluster.settle()
            #expect(cluster[2].commit >= place.index)
            #expect(cluster.leaders == [1, 2])
            #expect(cluster[1].term < cluster[2].term)

            #expect(throws: ProposalRefused.transferring(to: NodeID(2))) { try cluster.propose(1, "lost") }
            cluster.step(1, .read(context: 7))
            cluster.wait(1, milliseconds: 10)
            let stale = cluster.servers[0].confirmed.filter { $0.index < place.index }.count
            cluster.heal()
            cluster.run(milliseconds: 100)
            #expect(cluster.leaders == [2])
            return (stale, cluster.servers[0].failed)
        }
        #expect(try run([]) == (0, [7]))
        #expect(try run(.leaseSurvivesTransfer).staleReads == 1)
    }

    @Test("Reads at every server come out right with a transfer in between")
    func readsAcrossATransfer() throws {
        var cluster = TestCluster(3)
        cluster.elect(1)
        let place = try cluster.propose(1, "x")
        cluster.settle()
        try cluster.transfer(1, to: 2)
        for n in 1...3 { cluster.step(n, .read(context: UInt64(n))) }
        cluster.settle()
        for n in 1...3 { cluster.step(n, .read(context: UInt64(10 + n))) }
        cluster.run(milliseconds: 100)
        for server in cluster.servers {
            let first = server.id.rawValue
            #expect(server.confirmed.allSatisfy { $0.index >= place.index })
            #expect(Set(server.confirmed.map(\.context) + server.failed) == [first, first + 10])
            #expect(server.confirmed.contains { $0.context == first + 10 })
        }
    }

    @Test("A successor that knows nobody tells those of the new program and those of the old")
    func successorOfTwoPrograms() {
        var origin = Bench.origin(3)
        origin.configuration.featureLevel = 1
        var bench = Bench(
            recovered: RecoveredLog(
                hardState: HardState(term: Term(3)), snapshot: origin, entries: Bench.entries([1, 2])))
        bench.hearAppend(behind: 2, 2, term: 3)
        bench.hear(.timeoutNow, from: 2, term: 3)
        bench.storeLast()
        let versions = bench.last.messages.map { "\($0.to.rawValue) in \($0.formatVersion)" }
        #expect(versions == ["2 in 2", "3 in 2", "3 in 1"])
    }
}

final class Recorder<Value> {
    var values: [Value] = []
}

extension TestCluster {
    @discardableResult
    mutating func transfer(_ n: Int, to target: Int?) throws(TransferRefused) -> NodeID {
        var effects = Effects()
        let chosen = try servers[n - 1].node.transfer(to: target.map { NodeID(UInt64($0)) }, into: &effects)
        perform(effects, on: n)
        return chosen
    }
}
