import Raft
import Testing
import TupleSpace

@testable import Replica

@Suite("Commands")
struct CommandTests {
    @Test("A command at a follower is answered by that follower, once, when it has applied it")
    func forwarded() {
        var world = World(3)
        world.elect()
        let follower = world.followers[0]
        world.open(follower)
        let token = world.command(follower, write(5), 1)
        #expect(world.reply(follower, token) == nil)
        world.settle()
        #expect(world.written(follower, token) != nil)
        #expect(world.replyCount(follower, token) == 1)
        #expect(world.servers[follower].replica.pendingCommandCount == 0)
        let seen = world.query(follower, count(), .local)
        #expect(world.reply(follower, seen) == .count(1), "a client reads its own writes where it wrote them")
    }

    @Test("What a leader took and lost with its leadership is sent to the next, and done once")
    func leaderChange() {
        var world = World(3)
        let old = world.elect()
        let follower = world.followers[0]
        world.open(follower)
        world.isolate(old)
        let atOld = world.command(old, write(1), 1)
        let atFollower = world.command(follower, write(2), 2)
        world.run(milliseconds: 1_500)
        #expect(world.servers[follower].replica.leader != NodeID(UInt64(old + 1)))
        #expect(world.written(follower, atFollower) != nil)
        #expect(world.reply(old, atOld) == nil, "nothing is acknowledged by a leader that nobody hears")
        world.heal()
        world.run(milliseconds: 1_500)
        #expect(world.written(old, atOld) != nil)
        #expect(world.replyCount(old, atOld) == 1 && world.replyCount(follower, atFollower) == 1)
        for server in world.servers { #expect(server.replica.machine.tupleCount == 2) }
    }

    @Test("A forwarded command whose forwarding is lost is sent again")
    func lostForwarding() {
        var world = World(3)
        world.elect()
        let follower = world.followers[0]
        world.open(follower)
        world.loses = { if case .forward? = $0.message { true } else { false } }
        let token = world.command(follower, write(1), 1)
        world.run(milliseconds: 300)
        world.heal()
        world.run(milliseconds: 1_000)
        #expect(world.written(follower, token) != nil)
        #expect(world.servers[follower].replica.machine.tupleCount == 1)
    }

    @Test("A retry at another server attaches to the same command, and both get its one outcome")
    func retryElsewhere() {
        var world = World(3)
        let leader = world.elect()
        let (a, b) = (world.followers[0], world.followers[1])
        world.open(a)
        let waiting = world.command(a, take(), 1)
        world.settle()
        let again = world.command(b, take(), 1)
        world.settle()
        #expect(world.reply(a, waiting) == nil && world.reply(b, again) == nil)
        #expect(world.servers[leader].replica.machine.waiterCount == 1)
        world.command(leader, write(7), 2)
        world.settle()
        #expect(world.found(a, waiting) == 7 && world.found(b, again) == 7)
        let later = world.command(b, take(), 1)
        world.settle()
        #expect(world.found(b, later) == 7, "and whoever asks later gets the same reply")
        #expect(world.servers[leader].replica.machine.heldCount == 1)
    }

    @Test("Without any leader a command fails as certainly not done, when its patience ends")
    func noLeader() {
        var world = World(3)
        world.crash(1)
        world.crash(2)
        let token = world.command(0, write(1), 1)
        world.run(milliseconds: 3_900)
        #expect(world.reply(0, token) == nil)
        world.run(milliseconds: 200)
        #expect(world.failure(0, token) == .noLeader)
        #expect(world.servers[0].replica.failedCommands == 1)
    }

    @Test("A command that was sent and never confirmed fails with its outcome unknown")
    func outcomeUnknown() {
        var world = World(3)
        let leader = world.elect()
        world.open(leader)
        for follower in world.followers { world.crash(follower) }
        let token = world.command(leader, write(1), 1)
        world.run(milliseconds: 4_200)
        #expect(world.failure(leader, token) == .outcomeUnknown)
    }

    @Test("A leader whose batch is full answers busy, to its own clients and to those of others")
    func busy() {
        var world = World(3) {
            $0.maximumBatchBytes = 200
            $0.batchBytes = 1 << 20
        }
        let leader = world.elect()
        let follower = world.followers[0]
        world.open(leader)
        world.servers[leader].diskIsStuck = true
        var tokens: [RequestToken] = []
        for sequence in 1...20 { tokens.append(world.command(leader, write(1), UInt64(sequence))) }
        #expect(tokens.contains { world.failure(leader, $0) == .busy })
        let refused = world.command(follower, write(1), 100)
        world.settle()
        #expect(world.failure(follower, refused) == .busy)
        #expect(world.servers[follower].replica.pendingCommandCount == 0)
    }

    @Test("What may be in the log already is never answered busy, however full the leader is")
    func neverBusyAfterProposal() {
        var world = World(1) {
            $0.maximumBatchBytes = 100
            $0.batchBytes = 1 << 20
            $0.resendMilliseconds = 100
        }
        world.elect()
        world.open(0)
        world.servers[0].diskIsStuck = true
        // The first is proposed and waits for the disk; the others fill the next batch.
        let first = world.command(0, write(1), 1)
        for sequence in 2...20 { world.command(0, write(2), UInt64(sequence)) }
        world.run(milliseconds: 400)
        #expect(world.reply(0, first) == nil)
        world.servers[0].diskIsStuck = false
        world.run(milliseconds: 500)
        #expect(world.written(0, first) != nil)
    }

    @Test("Commands and their bytes are bounded, and a refusal says what the limit is")
    func bounds() {
        var world = World(3) {
            $0.maximumPendingCommands = 3
            $0.maximumPendingBytes = 4_000
        }
        world.elect()
        world.crash(world.leader ?? 0)
        let up = world.servers.indices.filter { !world.servers[$0].isDown }
        for sequence in 1...3 { world.command(up[0], write(1), UInt64(sequence)) }
        let fourth = world.command(up[0], write(1), 4)
        #expect(world.failure(up[0], fourth) == .busy)
        let big = Operation.write(space: "s", tuple: Tuple([.bytes([UInt8](repeating: 0, count: 5_000))]))
        world.command(up[1], big, 1)
        let next = world.command(up[1], write(1), 2)
        #expect(world.failure(up[1], next) == .busy)
        let tooBig = Operation.write(space: "s", tuple: Tuple([.bytes([UInt8](repeating: 0, count: 2 << 20))]))
        let refused = world.command(up[1], tooBig, 3)
        #expect(world.failure(up[1], refused) == .tupleTooLarge)
    }

    @Test("Many big commands are forwarded in several messages, each of which a transport can take")
    func bigForwarding() {
        var world = World(3) { $0.forwardedBytes = 3_000 }
        world.elect()
        let follower = world.followers[0]
        world.open(follower)
        let big = Operation.write(space: "s", tuple: Tuple([.bytes([UInt8](repeating: 0, count: 1_000))]))
        var tokens: [RequestToken] = []
        let encoded = bytes(of: big)
        world.pass(follower) { replica in
            for sequence in 1...10 {
                let token = RequestToken(UInt64(1_000 + sequence))
                tokens.append(token)
                encoded.withUnsafeBytes {
                    replica.command(
                        token, header: CommandHeader(session: SessionID(1), sequence: UInt64(sequence)), operation: $0)
                }
            }
        }
        let sizes = world.network.compactMap { letter in
            if case .forward? = letter.message { letter.bytes.count } else { nil }
        }
        #expect(sizes.count >= 4 && sizes.allSatisfy { $0 <= 3_100 })
        world.settle()
        #expect(tokens.allSatisfy { world.written(follower, $0) != nil })
    }
}
