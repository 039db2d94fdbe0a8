import Raft
import Testing

/// What is asked of a leader about members: what it does at once, and what it refuses.
@Suite("Changes of members")
struct MemberChangeTests {
    private func id(_ n: Int) -> NodeID { NodeID(UInt64(n)) }

    @Test("One grows to three and back to one, and serves all the while")
    func oneToThreeToOne() throws {
        var cluster = TestCluster(1)
        cluster.elect(1)
        try cluster.propose(1, "alone")
        cluster.join()
        cluster.join()
        try cluster.change(
            1, .add(2, .learner, promoteWhenCaughtUp: true), .add(3, .learner, promoteWhenCaughtUp: true))
        cluster.run(milliseconds: 300)
        #expect((1...3).map { cluster.voters($0) } == [[1, 2, 3], [1, 2, 3], [1, 2, 3]])
        #expect((1...3).allSatisfy { !cluster[$0].configuration.isJoint })
        let place = try cluster.propose(1, "together")
        cluster.run(milliseconds: 100)
        #expect((1...3).allSatisfy { cluster[$0].commit == place.index })
        #expect(!cluster[3].isRemoved)
        try cluster.change(1, .remove(2), .remove(3))
        cluster.run(milliseconds: 300)
        #expect(cluster.voters(1) == [1])
        #expect(cluster.members(1) == [1])
        #expect(cluster[2].isRemoved && cluster[3].isRemoved)
        #expect(!cluster[1].isRemoved)
        #expect(cluster[1].reachableMembers.map(\.id) == [id(1)])
        let last = try cluster.propose(1, "alone again")
        #expect(cluster[1].commit == last.index)
        cluster.run(milliseconds: 3000)
        #expect(cluster.leaders == [1])
        #expect(cluster.problems == [])
    }

    @Test("All voters are replaced at once, the leader too")
    func replaceAll() throws {
        var cluster = TestCluster(3)
        cluster.elect(1)
        for _ in 0..<3 { cluster.join() }
        try cluster.change(1, .add(4), .add(5), .add(6), .remove(1), .remove(2), .remove(3))
        cluster.run(milliseconds: 2000)
        let leader = try #require(cluster.leaders.first)
        #expect(cluster.leaders.count == 1 && leader > 3)
        #expect(cluster.members(leader) == [4, 5, 6])
        #expect((1...3).allSatisfy { cluster[$0].isRemoved })
        #expect((4...6).allSatisfy { !cluster[$0].isRemoved })
        #expect(cluster.problems == [])
    }

    @Test(
        "A change that leaves no majority of those who are there is refused: it could not be completed, nor taken back")
    func noMajority() throws {
        func halved(_ mutations: Mutations) -> TestCluster {
            var cluster = TestCluster(5, settings: .with(mutations))
            cluster.elect(1)
            cluster.crash(4)
            cluster.crash(5)
            cluster.run(milliseconds: 400)
            return cluster
        }
        var stuck = halved(.changesOutOfReach)
        try stuck.change(1, .remove(2))
        stuck.run(milliseconds: 20_000)
        #expect(stuck.leaders == [], "three of five are there, and nobody can lead")
        var cluster = halved([])
        #expect(cluster.refusal(1, .remove(2)) == .noMajority(unheard: [id(4), id(5)]))
        #expect(cluster.refusal(1, .setRole(id(2), .learner)) == .noMajority(unheard: [id(4), id(5)]))
        #expect(!cluster[1].configuration.isJoint)
        // The dead ones may go first; who joins cannot have been heard yet.
        cluster.join()
        try cluster.change(1, .remove(4), .remove(5), .add(6))
        cluster.run(milliseconds: 400)
        #expect(cluster.voters(1) == [1, 2, 3, 6])
        try cluster.change(1, .remove(2))
        cluster.run(milliseconds: 400)
        #expect(cluster.voters(1) == [1, 3, 6])
        #expect(cluster.leaders == [1])
        #expect(cluster.problems == [])
    }

    @Test("In a joint configuration neither the old voters nor the new decide alone")
    func noDisjointMajorities() throws {
        func run(_ mutations: Mutations) throws -> TestCluster {
            var cluster = TestCluster(3, settings: .with(mutations))
            cluster.elect(1)
            for _ in 0..<3 { cluster.join() }
            try cluster.change(1, .add(4, .learner), .add(5, .learner), .add(6, .learner))
            cluster.run(milliseconds: 100)
            cluster.partition([[1, 4, 5, 6], [2, 3]])
            let voters = (4...6).map { MemberChange.setRole(id($0), .voter) }
            try cluster.change(1, voters + [.remove(2), .remove(3)])
            cluster.settle()
            _ = try? cluster.propose(1, "x")
            cluster.settle()
            cluster.appoint(2)
            _ = try? cluster.propose(2, "y")
            cluster.settle()
            return cluster
        }
        let sound = try run([])
        #expect(sound.disagreements == [])
        #expect(sound[2].role == .leader)
        #expect(sound[1].configuration.isJoint)
        #expect(sound.problems == [])
        #expect(try run(.jointCountsNewVotersOnly).disagreements != [])
        #expect(try run(.oneStepChanges).disagreements != [])
    }

    @Test("A joint configuration that a new leader does not know is taken back")
    func jointIsTakenBack() throws {
        var cluster = TestCluster(3)
        cluster.elect(1)
        let before = cluster[1].configuration
        cluster.join()
        cluster.partition([[1], [2, 3, 4]])
        try cluster.change(1, .add(4), .remove(3))
        cluster.settle()
        #expect(cluster[1].configuration.isJoint)
        cluster.appoint(2)
        cluster.heal()
        cluster.run(milliseconds: 200)
        #expect(cluster.leaders == [2])
        #expect(cluster[1].configuration == before)
        #expect(cluster[1].reachableMembers == before.members)
        #expect(cluster[4].lastIndex == .zero)
        #expect(cluster.problems == [])
    }

    @Test("A second change waits for the first")
    func oneChangeAtATime() throws {
        func run(_ mutations: Mutations) throws -> (cluster: TestCluster, refusals: [ChangeRefused?]) {
            var cluster = TestCluster(3, settings: .with(mutations))
            cluster.elect(1)
            cluster.join()
            cluster.partition([[1, 4], [2, 3]])
            let first = try cluster.change(1, .add(4), .remove(2))
            var refusals = [cluster.refusal(1, .remove(3)), cluster.refusal(1, .add(4), .remove(2))]
            cluster.settle()
            refusals.append(mutations.isEmpty && refusals[0] == .underWay(first) ? nil : refusals[0])
            _ = try? cluster.propose(1, "x")
            cluster.settle()
            cluster.appoint(2)
            _ = try? cluster.propose(2, "y")
            cluster.settle()
            return (cluster, refusals)
        }
        let sound = try run([])
        #expect(sound.refusals[0] == .underWay(LogIndex(2)))
        #expect(sound.refusals[1] == .underWay(LogIndex(2)))
        #expect(sound.cluster.disagreements == [])
        #expect(sound.cluster.problems == [])
        let careless = try run([.changesOverlap, .changesOutOfReach])
        #expect(careless.refusals[0] == nil)
        #expect(careless.cluster.disagreements != [])
    }

    @Test("All members move at once, in one entry")
    func allAddressesAtOnce() throws {
        var cluster = TestCluster(3)
        cluster.elect(1)
        let moves = (1...3).map {
            // Each to where its neighbour was.
            MemberChange.setAddresses(id($0), peer: "h:\($0 % 3 + 1)", client: "c:\($0)", http: "[::1]:\($0)")
        }
        let last = cluster[1].lastIndex
        let index = try cluster.change(1, moves)
        #expect(index == last.next)
        cluster.run(milliseconds: 100)
        #expect(cluster[1].lastIndex == index)
        for n in 1...3 {
            #expect(cluster[n].reachableMembers.map(\.peerAddress) == ["h:2", "h:3", "h:1"])
            #expect(cluster[n].configuration[id(2)]?.httpAddress == "[::1]:2")
        }
        #expect(cluster.refusal(1, moves[0], moves[1]) == .nothingToDo)
        #expect(cluster.problems == [])
    }

    @Test("A key is changed in two steps, between which both are known")
    func keys() throws {
        var cluster = TestCluster(3)
        cluster.elect(1)
        let key = [UInt8](repeating: 77, count: 32)
        #expect(cluster.refusal(1, .adoptNextKey(id(2))) == .nothingToDo)
        try cluster.change(1, .setNextKey(id(2), key))
        cluster.settle()
        #expect(cluster[3].configuration[id(2)]?.publicKey == [UInt8](repeating: 2, count: 32))
        #expect(cluster[3].configuration[id(2)]?.nextPublicKey == key)
        #expect(cluster.refusal(1, .setNextKey(id(2), key)) == .nothingToDo)
        #expect(cluster.refusal(1, .setNextKey(id(3), key)) != nil)
        try cluster.change(1, .adoptNextKey(id(2)))
        cluster.settle()
        #expect(cluster[3].configuration[id(2)]?.publicKey == key)
        #expect(cluster[3].configuration[id(2)]?.nextPublicKey == nil)
        try cluster.change(1, .setNextKey(id(2), [UInt8](repeating: 78, count: 32)))
        cluster.settle()
        try cluster.change(1, .setNextKey(id(2), nil))
        #expect(cluster[1].configuration[id(2)]?.nextPublicKey == nil)
    }

    @Test("What is wrong is refused with the reason, and changes nothing")
    func refusals() throws {
        var cluster = TestCluster(3)
        #expect(cluster.refusal(1, .remove(2)) == .notLeader(known: nil))
        cluster.elect(1)
        #expect(cluster.refusal(2, .remove(3)) == .notLeader(known: id(1)))
        let last = cluster[1].lastIndex
        func named(_ name: String, _ n: Int = 4, address: String = "h:4") -> MemberChange {
            var member = TestCluster.member(n, role: .learner)
            member.name = name
            member.peerAddress = address
            return .add(member)
        }
        func with(_ change: (inout Member) -> Void) -> MemberChange {
            var member = TestCluster.member(4, role: .learner)
            change(&member)
            return .add(member)
        }
        var moved = TestCluster.member(2)
        moved.clientAddress = "c:9"
        let expected: [([MemberChange], ChangeRefused)] = [
            ([], .noChanges),
            ([.remove(9)], .nothingToDo),
            ([.remove(9), .add(4)], .unknownMember(id(9))),
            ([.setRole(id(9), .voter)], .unknownMember(id(9))),
            ([.setPromoteWhenCaughtUp(id(9), true)], .unknownMember(id(9))),
            ([.setAddresses(id(9), peer: "h:9", client: "", http: "")], .unknownMember(id(9))),
            ([.setNextKey(id(9), nil)], .unknownMember(id(9))),
            ([.adoptNextKey(id(9))], .unknownMember(id(9))),
            ([.add(moved)], .alreadyMember(id(2))),
            ([.add(2)], .nothingToDo),
            ([.setRole(id(2), .voter)], .nothingToDo),
            ([.add(4), .add(4)], .repeated(id(4))),
            ([.add(4), .remove(4)], .repeated(id(4))),
            ([.setRole(id(2), .learner), .setRole(id(2), .voter)], .repeated(id(2))),
            ([.setRole(id(2), .voter), .setPromoteWhenCaughtUp(id(2), true)], .repeated(id(2))),
            ([.setNextKey(id(2), nil), .adoptNextKey(id(2))], .repeated(id(2))),
            ([named("s2")], .nameTaken("s2")),
            ([named("s4", address: "h:2")], .addressTaken("h:2")),
            ([.setAddresses(id(1), peer: "h:3", client: "", http: "")], .addressTaken("h:3")),
            ([.remove(1), .remove(2), .remove(3)], .noVoterLeft),
            ([.remove(1), .remove(2), .setRole(id(3), .learner)], .noVoterLeft),
            ((4...8).map { .add($0) }, .tooMany(8, limit: 7)),
            ((4...8).map { .add($0, .learner, promoteWhenCaughtUp: true) }, .tooMany(8, limit: 7)),
            ((4...17).map { .add($0, .learner) }, .tooMany(17, limit: 16)),
        ]
        for (changes, reason) in expected {
            do throws(ChangeRefused) {
                try cluster.change(1, changes)
                Issue.record("\(changes) is not refused")
            } catch {
                #expect(error == reason)
            }
        }
        let invalid: [MemberChange] = [
            named(""), named("S4"), named("s_4"), named("sä"), named(String(repeating: "s", count: 64)),
            named("s4", address: ""), named("s4", address: "h"), named("s4", address: ":4"),
            named("s4", address: "h:"), named("s4", address: "h:0"), named("s4", address: "h:65536"),
            named("s4", address: "h h:4"), named("s4", address: "::1:4"), named("s4", address: "h:4x"),
            named("s4", address: String(repeating: "h", count: 300) + ":4"), named("s4", 0),
            with { $0.clientAddress = "nowhere" }, with { $0.httpAddress = "h:99999" }, with { $0.publicKey = [] },
            with { $0.publicKey = [1, 2, 3] }, with { $0.publicKey = [UInt8](repeating: 2, count: 32) },
            with { $0.nextPublicKey = [1] }, with { $0.role = .leaving },
            with {
                $0.role = .voter; $0.promoteWhenCaughtUp = true
            },
            .setRole(id(2), .leaving), .setNextKey(id(2), [1, 2]), .setNextKey(id(2), []),
            .setNextKey(id(2), [UInt8](repeating: 2, count: 32)), .setNextKey(id(2), [UInt8](repeating: 3, count: 32)),
        ]
        for change in invalid {
            let refusal = cluster.refusal(1, change)
            guard case .invalid(change.member, let reason)? = refusal, !reason.isEmpty else {
                Issue.record("\(change): \(refusal.map { "\($0)" } ?? "is not refused")")
                continue
            }
        }
        #expect(cluster[1].lastIndex == last)
        #expect(cluster.members(1) == [1, 2, 3])
        #expect(cluster.problems == [])
    }

    @Test("A new leader takes no change before it has committed an entry of its own")
    func notReady() throws {
        var cluster = TestCluster(3)
        cluster.appoint(1, dropping: { $0.isAppend(to: 2) || $0.isAppend(to: 3) })
        #expect(cluster.leaders == [1])
        #expect(cluster.refusal(1, .remove(3)) == .notReady)
        cluster.run(milliseconds: 100)
        #expect(cluster.refusal(1, .remove(3)) == nil)
    }

    @Test("A configuration with a repeated, absurd or missing member is not taken from a leader")
    func absurdConfigurations() {
        func member(_ n: Int, _ change: (inout Member) -> Void = { _ in }) -> Member {
            var member = TestCluster.member(n)
            change(&member)
            return member
        }
        let absurd: [Configuration] = [
            Configuration(members: []),
            Configuration(members: [member(1) { $0.role = .learner }]),
            Configuration(members: [member(0), member(1)]),
            Configuration(members: [member(1), member(2) { $0.name = "s1" }]),
            Configuration(members: [member(1) { $0.name = "" }]),
            Configuration(members: [member(1) { $0.publicKey = [1] }]),
            Configuration(members: [member(1) { $0.nextPublicKey = [1] }]),
            Configuration(members: [member(1), member(2) { $0.role = .leaving }]),
            Configuration(members: [member(1)], outgoingVoters: [NodeID(2)]),
            Configuration(members: [member(1), member(2) { $0.role = .leaving }], outgoingVoters: [NodeID(1)]),
            Configuration(members: (1...24).map { member($0) }),
            Configuration(members: [member(1) { $0.peerAddress = String(repeating: "h", count: 301) }]),
        ]
        for configuration in absurd {
            var bench = Bench(term: 1)
            let entry = Entry(
                index: LogIndex(1), term: Term(1), kind: .configuration,
                payload: Configuration.encoded(configuration))
            let request = AppendRequest(
                previousIndex: .zero, previousTerm: .zero, commit: .zero, entries: [entry], readRound: 0, sentAt: 1)
            bench.hear(.appendRequest(request), from: 2, term: 1)
            #expect(bench.node.lastIndex == .zero, "\(configuration)")
            #expect(bench.node.configuration.voters.count == 3)
            bench.step(
                .snapshotReceived(
                    SnapshotMetadata(
                        index: LogIndex(5), term: Term(1), configuration: configuration, configurationIndex: .zero),
                    from: NodeID(2)))
            #expect(bench.node.lastIndex == .zero)
            bench.hear(
                .preVoteResponse(
                    VoteResponse(
                        granted: false,
                        newerConfiguration: PlacedConfiguration(index: LogIndex(9), configuration: configuration))),
                from: 2, term: 1)
            #expect(bench.node.reachableMembers.count == 3)
            #expect(!bench.node.isRemoved)
        }
    }
}
