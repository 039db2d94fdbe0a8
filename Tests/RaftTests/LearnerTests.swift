@testable import Raft
import Testing

@Suite("Learners, departures and feature levels")
struct LearnerTests {
    private func id(_ n: Int) -> NodeID { NodeID(UInt64(n)) }

    @Test("A server that is to join knows no members, waits, and follows whoever leads its cluster")
    func joining() throws {
        var cluster = TestCluster(1)
        let n = cluster.join()
        cluster.run(milliseconds: 3000)
        #expect(cluster[n].role == .follower)
        #expect(cluster[n].term == .zero)
        #expect(cluster[n].reachableMembers.isEmpty)
        #expect(!cluster[n].isRemoved)
        try cluster.change(1, .add(n, .learner))
        // It reads of configurations of before its time: those do not say that it was removed.
        cluster.run(milliseconds: 100)
        #expect(cluster[n].configuration == cluster[1].configuration)
        #expect(cluster[n].commit == cluster[1].commit)
        #expect(!cluster[n].isRemoved)
        #expect(cluster.problems == [])
    }

    @Test("A learner receives everything and counts for nothing")
    func learnersCountForNothing() throws {
        func run(_ mutations: Mutations) throws -> (cluster: TestCluster, place: LogIndex?) {
            var cluster = TestCluster(3, settings: .with(mutations))
            cluster.elect(1)
            cluster.join()
            cluster.join()
            try cluster.change(1, .add(4, .learner), .add(5, .learner))
            cluster.settle()
            try cluster.propose(1, "x")
            cluster.settle()
            #expect(cluster[4].commit == cluster[1].commit)
            cluster.crash(2)
            cluster.crash(3)
            let place = try cluster.propose(1, "y").index
            cluster.settle()
            #expect(cluster[5].lastIndex == place)
            return (cluster, place)
        }
        var (sound, place) = try run([])
        #expect(sound[1].commit < place ?? .zero)
        sound.run(milliseconds: 2000)
        #expect(sound.leaders == [])
        #expect(sound.problems == [])
        let careless = try run(.learnersCount)
        #expect(careless.cluster[1].commit == careless.place)
    }

    @Test("A learner is promoted when a round is shorter than an election timeout, and not before")
    func promotion() throws {
        func run(_ mutations: Mutations) throws -> TestCluster {
            var cluster = TestCluster(3, settings: .with(mutations))
            cluster.elect(1)
            for i in 0..<20 { try cluster.propose(1, "\(i)") }
            cluster.settle()
            cluster.join()
            cluster.crash(4)
            try cluster.change(1, .add(4, .learner, promoteWhenCaughtUp: true))
            cluster.run(milliseconds: 1000)
            return cluster
        }
        var cluster = try run([])
        #expect(cluster.voters(1) == [1, 2, 3])
        // Stuck, it blocks no other change, nor another's promotion.
        try cluster.change(1, .setAddresses(id(3), peer: "h:33", client: "", http: ""))
        cluster.run(milliseconds: 100)
        cluster.join()
        try cluster.change(1, .add(5, .learner, promoteWhenCaughtUp: true))
        cluster.run(milliseconds: 200)
        #expect(cluster.voters(1) == [1, 2, 3, 5])
        // Back, it catches up: its first round was long, its second is short.
        cluster.restart(4)
        cluster.run(milliseconds: 300)
        #expect(cluster.voters(1) == [1, 2, 3, 4, 5])
        #expect(cluster[1].configuration.members.allSatisfy { !$0.promoteWhenCaughtUp })
        #expect(cluster.problems == [])
        let hasty = try run(.promotedBehind)
        #expect(hasty.voters(1) == [1, 2, 3, 4])
        #expect(hasty[4].lastIndex == .zero)
    }

    @Test("A slow learner goes from round to round until one is short")
    func rounds() {
        var catchUp = CatchUpProbe()
        #expect(catchUp.round(match: 10, last: 20, after: 400) == false)
        #expect(catchUp.round(match: 15, last: 30, after: 100) == false)
        #expect(catchUp.round(match: 20, last: 40, after: 250) == false)
        #expect(catchUp.round(match: 40, last: 41, after: 100) == true)
        // Before it is its turn it falls behind again.
        #expect(catchUp.round(match: 40, last: 90, after: 301) == false)
    }

    @Test("Several learners that have caught up become voters in one change")
    func promotedTogether() throws {
        var cluster = TestCluster(1)
        cluster.elect(1)
        cluster.join()
        cluster.join()
        cluster.partition([[1], [2, 3]])
        let learners = (2...3).map { MemberChange.add($0, .learner, promoteWhenCaughtUp: true) }
        let added = try cluster.change(1, learners)
        cluster.run(milliseconds: 50)
        cluster.heal()
        cluster.servers[1].disk.isSlow = true
        cluster.run(milliseconds: 50)
        cluster.store(2)
        cluster.servers[1].disk.isSlow = false
        cluster.run(milliseconds: 300)
        #expect(cluster.voters(1) == [1, 2, 3])
        #expect(cluster[1].lastIndex.rawValue <= added.rawValue + 4)
        #expect(cluster.problems == [])
    }

    @Test("A new leader goes on with a promotion that another promised")
    func promotionIsResumed() throws {
        var cluster = TestCluster(3)
        cluster.elect(1)
        cluster.join()
        cluster.crash(4)
        try cluster.change(1, .add(4, .learner, promoteWhenCaughtUp: true))
        cluster.run(milliseconds: 100)
        cluster.crash(1)
        cluster.appoint(2)
        cluster.restart(4)
        cluster.run(milliseconds: 500)
        #expect(cluster.leaders == [2])
        #expect(cluster.voters(2) == [1, 2, 3, 4])
        #expect(!cluster[2].configuration.isJoint)
        #expect(cluster.problems == [])
    }

    @Test("A voter becomes a learner; if it leads it hands over first")
    func demotion() throws {
        var cluster = TestCluster(3)
        cluster.elect(1)
        try cluster.change(1, .setRole(id(1), .learner))
        cluster.run(milliseconds: 2000)
        let leader = try #require(cluster.leaders.first)
        #expect(leader != 1)
        #expect(cluster.voters(leader) == [2, 3])
        #expect(cluster.members(leader) == [1, 2, 3])
        #expect(!cluster[1].isRemoved)
        let place = try cluster.propose(leader, "x")
        cluster.run(milliseconds: 100)
        #expect(cluster[1].commit == place.index)
        #expect(cluster.problems == [])
    }

    // MARK: Departures

    @Test("A removed member is told before it is cut off")
    func departingIsTold() throws {
        func run(_ mutations: Mutations) throws -> TestCluster {
            var cluster = TestCluster(4, settings: .with(mutations))
            cluster.elect(1)
            cluster.partition([[1, 2, 3], [4]])
            try cluster.change(1, .remove(4))
            cluster.run(milliseconds: 100)
            #expect(cluster.members(1) == [1, 2, 3])
            return cluster
        }
        var cluster = try run([])
        for n in 1...3 { #expect(cluster[n].reachableMembers.map(\.id) == (1...4).map { id($0) }) }
        #expect(!cluster[4].isRemoved)
        var signs = 0
        cluster.observe = { _, effects in if effects.membersChanged { signs += 1 } }
        cluster.heal()
        cluster.run(milliseconds: 300)
        #expect(cluster[4].isRemoved)
        #expect(cluster[1].reachableMembers.map(\.id) == (1...3).map { id($0) })
        #expect(signs >= 2)
        #expect(cluster[1].status.peers.map(\.id) == [id(2), id(3)])
        #expect(cluster.problems == [])
        #expect(try run(.departingNotTold)[1].reachableMembers.count == 3)
    }

    @Test("A removed member that does not answer is given up after a while, and told when it asks")
    func departedIsToldWhenItAsks() throws {
        var cluster = TestCluster(4)
        cluster.elect(1)
        cluster.crash(4)
        try cluster.change(1, .remove(4), .setAddresses(id(3), peer: "new:3", client: "", http: ""))
        cluster.run(milliseconds: 29_000)
        #expect(cluster[1].reachableMembers.count == 4)
        cluster.run(milliseconds: 2_000)
        #expect((1...3).allSatisfy { cluster[$0].reachableMembers.count == 3 })
        cluster.restart(4)
        #expect(!cluster[4].isRemoved)
        cluster.run(milliseconds: 2_000)
        #expect(cluster[4].isRemoved)
        #expect(cluster[4].configuration.voters.count == 4, "its log does not know")
        #expect(cluster[4].reachableMembers.map(\.peerAddress) == ["h:1", "h:2", "new:3", "h:4"])
        #expect(cluster.leaders == [1])
        #expect(cluster.problems == [])
    }

    @Test("Who is told of a newer configuration reaches its members, and votes by its own log all the same")
    func learning() throws {
        var bench = Bench(term: 1)
        var newer = TestCluster.configuration(4)
        newer.members[1].peerAddress = "elsewhere:2"
        func told(_ configuration: Configuration, _ index: UInt64) -> Message.Body {
            .preVoteResponse(
                VoteResponse(
                    granted: false,
                    newerConfiguration: PlacedConfiguration(index: LogIndex(index), configuration: configuration)))
        }
        bench.hear(told(newer, 7), from: 2, term: 1)
        #expect(bench.last.membersChanged)
        #expect(bench.node.reachableMembers == newer.members)
        #expect(bench.node.configuration.voters.count == 3)
        bench.hear(told(TestCluster.configuration(2), 7), from: 2, term: 1)
        #expect(!bench.last.membersChanged)
        #expect(bench.node.reachableMembers.count == 4)
        // It passes on what it knows.
        bench.hear(.preVoteRequest(lastIndex: .zero, lastTerm: .zero), from: 3, term: 2)
        let answers = bench.last.messages.compactMap { message in
            if case .preVoteResponse(let response) = message.body { response.newerConfiguration } else { nil }
        }
        #expect(answers == [PlacedConfiguration(index: LogIndex(7), configuration: newer)])
        // Its removal it believes at once.
        newer.members.removeFirst()
        bench.hear(told(newer, 9), from: 2, term: 1)
        #expect(bench.node.isRemoved)
        bench.step(.tick(MonotonicTime(nanoseconds: 9_000_000_000)))
        #expect(bench.node.role == .follower)
        #expect(bench.node.checkInvariants() == [])
    }

    // MARK: Feature levels

    /// Servers of these feature levels in a cluster that began with the first.
    private func mixed(_ levels: [UInt32], mutations: Mutations = []) -> TestCluster {
        var cluster = TestCluster(levels.count, settings: .with(mutations))
        for (i, level) in levels.enumerated() { upgrade(&cluster, i + 1, to: level, configuration: 1) }
        return cluster
    }

    private func upgrade(_ cluster: inout TestCluster, _ n: Int, to level: UInt32, configuration: UInt32? = nil) {
        cluster.crash(n)
        if let configuration {
            cluster.servers[n - 1].disk.change { $0.snapshot.configuration.featureLevel = configuration }
        }
        cluster.settings.supportedFeatureLevel = level
        cluster.restart(n)
        cluster.settings.supportedFeatureLevel = Configuration.supportedFeatureLevel
    }

    @Test("The feature level rises when every member has been heard to support it, and never falls")
    func featureLevel() throws {
        var cluster = mixed([2, 2, 1])
        cluster.join()
        cluster.appoint(1)
        cluster.run(milliseconds: 300)
        #expect(cluster[1].configuration.featureLevel == 1)
        // What an older server cannot read is not appended; everything else is.
        #expect(cluster.refusal(1, .add(4)) == .unsupported(by: [id(3)]))
        try cluster.change(1, .add(4, .learner, promoteWhenCaughtUp: true))
        cluster.run(milliseconds: 300)
        #expect(cluster.members(3) == [1, 2, 3, 4])
        #expect(cluster.voters(1) == [1, 2, 3])
        upgrade(&cluster, 3, to: 2)
        cluster.run(milliseconds: 500)
        #expect((1...4).allSatisfy { cluster[$0].configuration.featureLevel == 2 })
        #expect(cluster.voters(1) == [1, 2, 3, 4])
        upgrade(&cluster, 3, to: 1)
        cluster.run(milliseconds: 300)
        #expect(cluster[1].configuration.featureLevel == 2)
        #expect(cluster.refusal(1, .remove(4)) == .unsupported(by: [id(3)]))
        #expect(cluster.problems == [])
    }

    @Test("Leadership is not handed to a program that does not know how to take over, be it named or not")
    func transferToOldProgram() throws {
        var cluster = mixed([2, 1, 1])
        cluster.appoint(1)
        cluster.run(milliseconds: 300)
        #expect(throws: TransferRefused.unsupported(by: id(2))) { try cluster.transfer(1, to: 2) }
        #expect(throws: TransferRefused.nobodyElse) { try cluster.transfer(1, to: nil) }
        upgrade(&cluster, 2, to: 2)
        cluster.run(milliseconds: 300)
        #expect(try cluster.transfer(1, to: 2) == id(2))
        cluster.run(milliseconds: 300)
        #expect(cluster.leaders == [2])
        #expect(cluster.problems == [])
    }

    @Test("A member that was not heard in this leadership keeps the feature level down")
    func unheardMember() throws {
        func run(_ mutations: Mutations) throws -> TestCluster {
            var cluster = mixed([2, 2, 1], mutations: mutations)
            cluster.crash(3)
            cluster.appoint(1)
            cluster.run(milliseconds: 300)
            return cluster
        }
        var cluster = try run([])
        #expect(cluster[1].configuration.featureLevel == 1)
        #expect(cluster.refusal(1, .remove(2)) == .unsupported(by: [id(3)]))
        #expect(try run(.levelRaisedUnheard)[1].configuration.featureLevel == 2)
    }
}

/// Rounds of a learner, with an election timeout of 300 ms.
private struct CatchUpProbe {
    private var catchUp = CatchUp(last: LogIndex(10), now: .zero)
    private var now = MonotonicTime.zero

    mutating func round(match: UInt64, last: UInt64, after milliseconds: UInt64) -> Bool {
        now = now.advanced(byMilliseconds: milliseconds)
        catchUp.advance(match: LogIndex(match), last: LogIndex(last), now: now, limit: 300_000_000)
        return catchUp.isCaughtUp
    }
}
