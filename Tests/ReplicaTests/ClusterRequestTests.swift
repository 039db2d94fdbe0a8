import ByteCoding
import Raft
import Testing
import TupleSpace

@testable import Replica

@Suite("Changes of members, asked for anywhere")
struct ClusterRequestTests {
    private func moved(_ number: UInt64, to host: String) -> MemberChange {
        .setAddresses(NodeID(number), peer: "\(host):1", client: "\(host):2", http: "\(host):3")
    }

    private func index(_ outcome: ClusterOutcome?) -> LogIndex? {
        if case .changed(let index)? = outcome { index } else { nil }
    }

    private func code(_ outcome: ClusterOutcome?) -> String? {
        if case .refused(let code, _)? = outcome { code } else { nil }
    }

    private func isUnknown(_ outcome: ClusterOutcome?) -> Bool {
        if case .unknown? = outcome { true } else { false }
    }

    /// Configuration entries in a server's log, joint ones included.
    private func configurations(_ world: World, _ i: Int) -> Int {
        world.servers[i].entries.filter { $0.kind == .configuration }.count
    }

    @Test("Any server takes a request, and tells the index when the change is committed", arguments: [true, false])
    func anyServer(_ atLeader: Bool) {
        var world = World(3)
        let leader = world.elect()
        let i = atLeader ? leader : world.followers[0]
        let token = world.ask(i, .change([moved(2, to: "new")]))
        #expect(world.outcome(i, token) == nil)
        world.run(milliseconds: 200)
        let at = index(world.outcome(i, token))
        #expect(at != nil && world.servers[i].outcomes[token]?.count == 1)
        #expect((at ?? .zero) <= world.servers[leader].replica.status.commit)
        for server in world.servers {
            #expect(server.replica.configuration[NodeID(2)]?.peerAddress == "new:1")
        }
        #expect(world.servers.allSatisfy { $0.replica.desk.isIdle })
    }

    @Test("A change of voters is told when the joint configuration is over")
    func jointIsOver() {
        var world = World(3)
        world.elect()
        let i = world.followers[0]
        let token = world.ask(i, .change([.remove(NodeID(UInt64(world.followers[1] + 1)))]))
        world.run(milliseconds: 500)
        #expect(index(world.outcome(i, token)) != nil)
        #expect(world.servers[i].replica.configuration.members.count == 2)
        #expect(world.servers[i].replica.configuration.isJoint == false)
    }

    @Test("A lost question is asked again; a lost answer is given again, and nothing is done twice")
    func loss() {
        for losesAnswer in [false, true] {
            var world = World(4)
            let leader = world.elect()
            let (i, gone) = (world.followers[0], world.followers[1])
            let once = Once()
            world.loses = { letter in
                switch letter.message {
                case .clusterQuestion?: !losesAnswer && once.isFirst()
                case .clusterAnswer?: losesAnswer && once.isFirst()
                default: false
                }
            }
            let token = world.ask(i, .change([.remove(NodeID(UInt64(gone + 1)))]))
            world.run(milliseconds: 500)
            #expect(world.outcome(i, token) == nil)
            world.run(milliseconds: 1_500)
            #expect(index(world.outcome(i, token)) != nil)
            #expect(configurations(world, leader) == 2, "into the joint configuration and out of it")
        }
    }

    @Test("A leader that dies after it began a change leaves it to the next, who is asked again")
    func leaderDies() {
        var world = World(5)
        let leader = world.elect()
        let i = world.followers[0]
        world.loses = { if case .clusterAnswer? = $0.message { true } else { false } }
        let token = world.ask(i, .change([.remove(NodeID(UInt64(world.followers[1] + 1)))]))
        world.run(milliseconds: 100)
        world.crash(leader)
        world.heal()
        world.run(milliseconds: 5_000)
        #expect(index(world.outcome(i, token)) != nil, "\(String(describing: world.outcome(i, token)))")
        #expect(world.servers[i].replica.configuration.members.count == 4)
    }

    @Test("What cannot be done is refused with a code and a sentence, also at a follower")
    func refused() {
        var world = World(3)
        world.elect()
        let i = world.followers[0]
        let requests: [(ClusterRequest, String)] = [
            (.change([]), "no-changes"),
            (.change([MemberChange](repeating: .remove(NodeID(1)), count: 65)), "too-many-changes"),
            (.change([.remove(NodeID(1)), .remove(NodeID(2)), .remove(NodeID(3))]), "no-voter-left"),
            (.change([.setPromoteWhenCaughtUp(NodeID(77), true)]), "unknown-member"),
            (.change([.setRole(NodeID(1), .learner), .remove(NodeID(1))]), "contradiction"),
            (.change([.setNextKey(NodeID(1), [1, 2, 3])]), "invalid-member"),
            (.change([.add(renamed(World.member(9), "s1"))]), "name-taken"),
            (.transfer(to: NodeID(99)), "unknown-member"),
        ]
        for (request, expected) in requests {
            let token = world.ask(i, request)
            world.run(milliseconds: 50)
            #expect(code(world.outcome(i, token)) == expected, "\(String(describing: world.outcome(i, token)))")
        }
        #expect(world.servers[i].replica.configuration.members.count == 3)
    }

    private func renamed(_ member: Member, _ name: String) -> Member {
        var member = member
        member.name = name
        return member
    }

    @Test("What is so already is done")
    func nothingToDo() {
        var world = World(3)
        let leader = world.elect()
        let i = world.followers[0]
        let before = configurations(world, leader)
        for request in [ClusterRequest.change([.remove(NodeID(88))]), .change([.setNextKey(NodeID(1), nil)])] {
            let token = world.ask(i, request)
            world.run(milliseconds: 50)
            #expect(index(world.outcome(i, token)) != nil, "\(String(describing: world.outcome(i, token)))")
        }
        #expect(configurations(world, leader) == before)
    }

    @Test(
        "Of two changes at once the second waits for a second, is refused then, and can be made when the first is complete"
    )
    func twoAtOnce() {
        var world = World(3)
        let leader = world.elect()
        for i in world.followers { world.servers[i].diskIsStuck = true }
        let first = world.ask(leader, .change([moved(1, to: "x")]))
        let second = world.ask(leader, .change([moved(2, to: "y")]))
        world.run(milliseconds: 900)
        #expect(world.outcome(leader, first) == nil && world.outcome(leader, second) == nil)
        world.run(milliseconds: 200)
        #expect(world.outcome(leader, first) == nil)
        #expect(code(world.outcome(leader, second)) == "change-under-way")
        for i in world.servers.indices { world.servers[i].diskIsStuck = false }
        world.run(milliseconds: 100)
        #expect(index(world.outcome(leader, first)) != nil)
        let third = world.ask(leader, .change([moved(2, to: "y")]))
        world.run(milliseconds: 100)
        #expect(index(world.outcome(leader, third)) != nil)
    }

    @Test("In a new cluster a change waits for a second until all have been heard, and is refused then")
    func newCluster() {
        for returns in [true, false] {
            var world = World(3, featureLevel: 1)
            world.crash(0)
            let leader = world.elect()
            let gone = NodeID(UInt64(world.followers.first { $0 != 0 } ?? 0) + 1)
            let token = world.ask(leader, .change([.remove(gone)]))
            world.run(milliseconds: 300)
            #expect(world.outcome(leader, token) == nil)
            if returns { world.restart(0) }
            world.run(milliseconds: 600)
            if returns {
                #expect(
                    index(world.outcome(leader, token)) != nil, "\(String(describing: world.outcome(leader, token)))")
            } else {
                #expect(world.outcome(leader, token) == nil)
                world.run(milliseconds: 200)
                #expect(code(world.outcome(leader, token)) == "unsupported")
            }
            #expect(world.servers[leader].replica.configuration.members.count == (returns ? 2 : 3))
        }
    }

    @Test("Without a leader nothing was done; with one that does not answer nobody knows; both within the patience")
    func patience() {
        var world = World(3) { $0.clusterPatienceMilliseconds = 3_000 }
        let leader = world.elect()
        let i = world.followers[0]
        world.isolate(i)
        let sent = world.ask(i, .change([moved(1, to: "x")]))
        world.run(milliseconds: 2_000)
        let unsent = world.ask(i, .change([moved(1, to: "x")]))
        world.run(milliseconds: 3_500)
        #expect(isUnknown(world.outcome(i, sent)))
        #expect(code(world.outcome(i, unsent)) == "no-leader")
        #expect(world.servers[leader].replica.configuration[NodeID(1)]?.peerAddress == "h1:1")
    }

    @Test("More than the table holds are refused at once")
    func bounded() {
        var world = World(3)
        world.elect()
        let i = world.followers[0]
        world.isolate(i)
        var tokens: [RequestToken] = []
        for _ in 0..<70 { tokens.append(world.ask(i, .transfer(to: nil))) }
        #expect(tokens.filter { code(world.outcome(i, $0)) == "busy" }.count == 70 - ClusterDesk.maximumAsked)
    }

    @Test("Whoever is no member is refused, counted, and told why")
    func notMember() {
        var world = World(3, spares: 1)
        let leader = world.elect()
        let question = ClusterQuestion(
            id: 5, isRepeat: false, term: Term(1), request: .change([.remove(NodeID(1)), .remove(NodeID(2))]))
        let bytes = ClusterRequestCodingTests.encoded(.clusterQuestion(question))
        let before = world.servers[leader].replica.refusedMessages
        world.deliver(.init(from: NodeID(4), to: NodeID(UInt64(leader + 1)), bytes: bytes))
        #expect(world.servers[leader].replica.refusedMessages == before + 1)
        let answers = world.network.compactMap { letter -> ClusterOutcome? in
            if letter.to == NodeID(4), case .clusterAnswer(5, let outcome)? = letter.message { outcome } else { nil }
        }
        #expect(answers.map { code($0) } == ["not-a-member"])
        world.run(milliseconds: 500)
        #expect(world.servers[leader].replica.configuration.members.count == 3)
    }

    @Test("A learner is added, catches up and is promoted; a removed server knows that it is")
    func growsAndShrinks() {
        var world = World(3, spares: 1)
        let leader = world.elect()
        world.restart(3)
        var newcomer = World.member(4)
        (newcomer.role, newcomer.promoteWhenCaughtUp) = (.learner, true)
        let added = world.ask(world.followers[0], .change([.add(newcomer)]))
        world.run(milliseconds: 3_000)
        #expect(index(world.outcome(world.followers[0], added)) != nil)
        #expect(world.servers[3].replica.configuration.voters.count == 4)
        #expect(!world.servers[3].replica.isRemoved)
        let gone = world.followers.first { $0 != 3 } ?? 0
        let removed = world.ask(leader, .change([.remove(NodeID(UInt64(gone + 1)))]))
        world.run(milliseconds: 3_000)
        #expect(index(world.outcome(leader, removed)) != nil)
        #expect(world.servers[gone].replica.isRemoved)
        #expect(world.servers[gone].replica.removedAt != nil)
        #expect(world.servers[gone].notices.contains { if case .removed(.some) = $0 { true } else { false } })
        #expect(!world.servers[leader].replica.reachableMembers.contains { $0.id == NodeID(UInt64(gone + 1)) })
    }

    @Test("A leader that removes itself answers before it goes")
    func leaderRemovesItself() {
        var world = World(3)
        let leader = world.elect()
        let (own, others) = (NodeID(UInt64(leader + 1)), world.followers)
        let atLeader = world.ask(leader, .change([.remove(own)]))
        let atFollower = world.ask(others[0], .change([.remove(own)]))
        world.run(milliseconds: 3_000)
        #expect(index(world.outcome(leader, atLeader)) != nil)
        let outcome = world.outcome(others[0], atFollower)
        #expect(index(outcome) != nil || code(outcome) == "change-under-way", "\(String(describing: outcome))")
        #expect(world.servers[leader].replica.isRemoved)
        #expect(others.contains { world.servers[$0].replica.isLeader })
    }
}

final class Once {
    private var isOver = false

    func isFirst() -> Bool {
        defer { isOver = true }
        return !isOver
    }
}
