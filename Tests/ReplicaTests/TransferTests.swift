import Raft
import Testing
import TupleSpace

@testable import Replica

@Suite("Handing over leadership")
struct TransferTests {
    private func target(_ outcome: ClusterOutcome?) -> NodeID? {
        if case .transferred(let id, _)? = outcome { id } else { nil }
    }

    private func id(_ i: Int) -> NodeID { NodeID(UInt64(i + 1)) }

    /// Lets everybody be heard lately.
    private func settled(_ count: Int) -> (world: World, leader: Int) {
        var world = World(count)
        let leader = world.elect()
        world.run(milliseconds: 500)
        return (world, leader)
    }

    @Test("To a named server or to any, asked for anywhere, and told in which term")
    func outcomes() {
        for asksLeader in [true, false] {
            for isNamed in [true, false] {
                var (world, leader) = settled(3)
                let term = world.servers[leader].replica.status.term
                let (i, other) = (asksLeader ? leader : world.followers[0], world.followers[1])
                let token = world.ask(i, .transfer(to: isNamed ? id(other) : nil))
                world.run(milliseconds: 1_500)
                let outcome = world.outcome(i, token)
                let now = world.leader ?? leader
                #expect(now != leader)
                #expect(target(outcome) == id(now), "\(String(describing: outcome))")
                if isNamed { #expect(now == other) }
                #expect(world.servers[now].replica.status.term == Term(term.rawValue + 1))
            }
        }
    }

    @Test("To the leader itself there is nothing to do")
    func toItself() {
        var (world, leader) = settled(3)
        let i = world.followers[0]
        let token = world.ask(i, .transfer(to: id(leader)))
        world.run(milliseconds: 100)
        #expect(target(world.outcome(i, token)) == id(leader) && world.leader == leader)
    }

    @Test("Lost answers and a question that is asked again of the new leader do not move it twice")
    func lostAnswer() {
        var (world, leader) = settled(3)
        let i = world.followers[0]
        let once = Once()
        world.loses = { if case .clusterAnswer? = $0.message { once.isFirst() } else { false } }
        let token = world.ask(i, .transfer(to: nil))
        world.run(milliseconds: 3_000)
        let now = world.leader ?? leader
        #expect(target(world.outcome(i, token)) == id(now) && now != leader)
        #expect(world.servers.map(\.replica.transfersBegun).reduce(0, +) == 1)
    }

    @Test("One that does not come about is told as such, and the leader leads on")
    func failed() {
        var (world, leader) = settled(3)
        let other = world.followers[0]
        world.loses = { letter in
            if case .raft(let message)? = letter.message, case .timeoutNow = message.body { true } else { false }
        }
        let token = world.ask(leader, .transfer(to: id(other)))
        #expect(world.servers[leader].replica.transferee == id(other))
        world.run(milliseconds: 3_000)
        guard case .refused("transfer-failed", let sentence)? = world.outcome(leader, token) else {
            Issue.record("\(String(describing: world.outcome(leader, token)))")
            return
        }
        #expect(sentence.contains("s\(other + 1)") && world.leader == leader)
        #expect(world.servers[leader].replica.transfersFailed == 1)
    }

    @Test("No command fails that comes during a transfer, at the old leader or elsewhere, and each is done once")
    func commandsWait() {
        var (world, leader) = settled(3)
        world.open(leader, timeout: 60_000)
        let other = world.followers[0]
        // The hand-over takes a while: its target's answers come late.
        var tokens: [(Int, RequestToken)] = []
        var sequence: UInt64 = 0
        func write(_ i: Int) {
            sequence += 1
            tokens.append((i, world.command(i, ReplicaTests.write(Int64(sequence)), sequence)))
        }
        for i in world.servers.indices { write(i) }
        _ = world.ask(leader, .transfer(to: nil))
        for _ in 0..<20 {
            for i in world.servers.indices { write(i) }
            world.milliseconds += 1
        }
        #expect(world.servers[leader].replica.transferee != nil || !world.servers[leader].replica.isLeader)
        world.run(milliseconds: 3_000)
        #expect(world.leader != leader)
        for (i, token) in tokens { #expect(world.written(i, token) != nil) }
        let count = world.query(other, count())
        world.run(milliseconds: 100)
        #expect(world.reply(other, count) == .count(UInt64(tokens.count)))
        for server in world.servers { #expect(server.replica.failedCommands == 0) }
    }

    @Test("A voter whose log was damaged asks for another leader when it has everything again, and then votes")
    func repairedServerAsks() {
        func run(_ mutations: ReplicaMutations) -> World {
            var world = World(3) { $0.mutations = mutations }
            let leader = world.elect()
            let other = world.followers[0]
            world.crash(other)
            world.restart(other, mayVote: false)
            world.run(milliseconds: 4_000)
            #expect(world.leader == leader && !world.servers[other].replica.mayVote)
            world.run(milliseconds: 8_000)
            #expect(world.servers[other].replica.mayVote == (world.leader != leader))
            return world
        }
        var world = run([])
        guard let leader = world.leader, let other = world.followers.first else {
            Issue.record("nobody leads")
            return
        }
        #expect(world.servers.allSatisfy { $0.replica.mayVote })
        #expect(world.servers.contains { $0.notices.contains { if case .asksForLeader = $0 { true } else { false } } })
        // Once: who leads now stays.
        world.run(milliseconds: 30_000, step: 20)
        #expect(world.leader == leader)
        // And the next one may fail.
        world.crash(leader)
        #expect(world.elect() != leader)
        #expect(!world.servers[other].isDown)
        #expect(run(.repairedStaysMute).servers.contains { !$0.replica.mayVote })
    }

    @Test("A server that is elected while it loads a snapshot ends the sessions that stand in it")
    func electedWhileLoading() {
        var world = World(3) {
            $0.snapshotEntries = 10
            $0.trailingEntries = 1
        }
        let first = world.elect()
        let other = world.followers[0]
        world.crash(other)
        world.open(first, session: 1, timeout: 3_000)
        for number in 1...40 as ClosedRange<UInt64> {
            world.command(first, write(Int64(number)), number)
            world.settle()
        }
        world.servers[other].loadingIsSlow = true
        world.restart(other)
        world.run(milliseconds: 500)
        #expect(world.servers[other].toLoad != nil && world.servers[other].replica.machine.sessionCount == 0)
        _ = world.ask(first, .transfer(to: NodeID(UInt64(other + 1))))
        world.run(milliseconds: 500)
        #expect(world.leader == other)
        world.finishLoading(other)
        world.settle()
        #expect(world.servers[other].replica.machine.sessionCount == 1)
        world.run(milliseconds: 2_000)
        #expect(world.servers[other].replica.machine.sessionCount == 1, "it has its full time-out under each leader")
        world.run(milliseconds: 2_000)
        #expect(world.leader == other && world.servers[other].replica.machine.sessionCount == 0)
    }

    @Test("A learner whose log was damaged is sound again when the only voter has begun a later term")
    func repairedLearnerAsks() {
        var world = World(2)
        let leader = world.elect()
        let other = world.followers[0]
        _ = world.ask(leader, .change([.setRole(NodeID(UInt64(other + 1)), .learner)]))
        world.run(milliseconds: 500)
        let term = world.servers[leader].replica.status.term
        world.crash(other)
        world.restart(other, mayVote: false)
        world.run(milliseconds: 12_000)
        #expect(world.servers[other].replica.mayVote)
        #expect(world.leader == leader && world.servers[leader].replica.status.term == term.next)
        // For itself it has no reason to, and nobody else can make it.
        _ = world.ask(leader, .transfer(to: NodeID(UInt64(leader + 1))))
        world.run(milliseconds: 500)
        #expect(world.servers[leader].replica.status.term == term.next)
    }
}
