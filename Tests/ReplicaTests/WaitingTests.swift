import Raft
import Testing
import TupleSpace

@testable import Replica

@Suite("Takes that wait")
struct WaitingTests {
    @Test("A waiting take is not sent again and again, and is answered when a tuple comes")
    func waits() {
        var world = World(3)
        world.elect()
        let follower = world.followers[0]
        world.open(follower)
        let token = world.command(follower, take(), 1)
        world.run(milliseconds: 3_000)
        let last = world.servers[follower].replica.status.last
        world.run(milliseconds: 10_000)
        #expect(world.servers[follower].replica.status.last == last, "an idle cluster writes nothing")
        world.command(follower, write(3), 2)
        world.settle()
        #expect(world.found(follower, token) == 3)
    }

    @Test("A take's time-out ends it by the log, on time")
    func timesOut() {
        var world = World(3)
        world.elect()
        let follower = world.followers[0]
        world.open(follower)
        let token = world.command(follower, take(.milliseconds(2_000)), 1)
        world.run(milliseconds: 1_900)
        #expect(world.reply(follower, token) == nil)
        world.run(milliseconds: 300)
        #expect(world.reply(follower, token) == .noMatch)
        #expect(world.servers.allSatisfy { $0.replica.machine.waiterCount == 0 })
    }

    @Test(
        "Without a leader a waiting take fails a second after its time-out, its outcome unknown",
        arguments: [600, 6_000])
    func timesOutAlone(_ timeout: UInt64) {
        var world = World(3)
        let leader = world.elect()
        let follower = world.followers[0]
        world.open(follower)
        let token = world.command(follower, take(.milliseconds(timeout)), 1)
        world.settle()
        for other in world.servers.indices where other != follower { world.crash(other) }
        world.run(milliseconds: timeout + 700)
        #expect(world.reply(follower, token) == nil)
        world.run(milliseconds: 700)
        #expect(world.failure(follower, token) == .outcomeUnknown)
        #expect(leader != follower)
    }

    @Test("The takes of a session that ends are answered, and nothing is kept of them")
    func endOfSession() {
        var world = World(3)
        let leader = world.elect()
        let follower = world.followers[0]
        world.open(follower, session: 1, timeout: 5_000)
        let short = world.command(follower, take(), session: 1, 1)
        world.run(milliseconds: 3_000)
        let late = world.command(follower, take(), session: 1, 2)
        // The client is silent from here on.
        world.run(milliseconds: 12_000)
        #expect(world.servers[leader].replica.machine.sessionCount == 0)
        #expect(world.failure(follower, short) == .sessionExpired)
        #expect(world.failure(follower, late) == .sessionExpired)
        #expect(world.servers[follower].replica.pendingCommandCount == 0)
    }

    @Test("A take that was acknowledged while it waited is not kept for ever")
    func acknowledgedWhileWaiting() {
        var world = World(1)
        world.elect()
        world.open(0)
        let token = world.command(0, take(), 1)
        world.run(milliseconds: 6_000)
        world.command(0, write(1), 2, acknowledged: 2)
        world.run(milliseconds: 2_000)
        #expect(world.failure(0, token) == .alreadyAcknowledged)
        #expect(world.servers[0].replica.pendingCommandCount == 0)
        #expect(world.servers[0].replica.machine.tupleCount == 1, "the tuple went to nobody")
    }

    @Test("Deadlines go on where they were after all servers have restarted and replayed a long log")
    func leaseTimeAfterReplay() {
        var world = World(1)
        world.elect()
        world.open(0, timeout: 3_600_000)
        world.run(milliseconds: 600_000, step: 500)
        world.command(0, write(1), 1)
        world.settle()
        #expect(world.servers[0].replica.machine.leaseTime >= 599_000)
        world.crash(0)
        world.restart(0)
        world.elect()
        let token = world.command(0, take(.milliseconds(1_000), 99), 2)
        world.settle()
        world.run(milliseconds: 1_500)
        #expect(
            world.reply(0, token) == .noMatch, "time does not stand still until it reaches the log's last stamp again")
    }

    @Test("No wall clock, not the leader's either, moves a deadline or the end of a session")
    func wallClock() {
        var world = World(3)
        let leader = world.elect()
        world.open(leader, timeout: 10_000)
        let token = world.command(leader, take(.milliseconds(5_000)), 1)
        world.settle()
        for offset: UInt64 in [1_700_003_600_000, 1_699_000_000_000, 1_700_000_000_000] {
            for i in world.servers.indices { world.servers[i].wallOffset = offset }
            world.run(milliseconds: 1_000)
            #expect(world.reply(leader, token) == nil)
            #expect(world.servers[leader].replica.machine.sessionCount == 1)
        }
        world.run(milliseconds: 2_500)
        #expect(world.reply(leader, token) == .noMatch)
    }

    @Test("Lease time stands still while there is no leader")
    func standsStill() {
        var world = World(3)
        let leader = world.elect()
        world.open(leader)
        world.command(leader, take(.milliseconds(5_000)), 1)
        world.settle()
        for follower in world.followers { world.crash(follower) }
        world.run(milliseconds: 60_000, step: 50)
        for i in world.servers.indices where world.servers[i].isDown { world.restart(i) }
        world.elect()
        #expect(world.servers[leader].replica.machine.waiterCount == 1, "a minute without leader does not count")
        world.run(milliseconds: 6_000)
        #expect(world.servers[leader].replica.machine.waiterCount == 0)
    }
}

@Suite("Sessions")
struct SessionTests {
    @Test("A session ends after its time-out in silence, and not while its client says that it lives, at any server")
    func keepAlive() {
        var world = World(3)
        let leader = world.elect()
        let follower = world.followers[0]
        world.open(follower, session: 1, timeout: 2_000)
        world.open(follower, session: 2, timeout: 2_000)
        world.command(follower, write(1), session: 2, 1)
        let held = world.command(follower, take(), session: 2, 2)
        world.settle()
        #expect(world.found(follower, held) == 1)
        for _ in 0..<10 {
            world.pass(follower) { $0.keepAlive(SessionID(1)) }
            world.run(milliseconds: 500)
        }
        let sessions = world.servers[leader].replica.machine.sessions.map(\.id)
        #expect(sessions == [SessionID(1)])
        #expect(world.servers[leader].replica.machine.tupleCount == 1, "what the other held is back")
        let after = world.command(follower, write(1), session: 2, 3)
        world.settle()
        #expect(world.failure(follower, after) == .sessionExpired)
    }

    @Test("A new leader grants every session its full time-out")
    func newLeader() {
        var world = World(3)
        let leader = world.elect()
        world.open(leader, session: 1, timeout: 4_000)
        world.run(milliseconds: 3_000)
        world.crash(leader)
        world.elect()
        let next = world.leader ?? 0
        world.run(milliseconds: 3_000)
        #expect(world.servers[next].replica.machine.sessionCount == 1)
        world.run(milliseconds: 2_000)
        #expect(world.servers[next].replica.machine.sessionCount == 0)
    }

    @Test("Signs of life that nobody can be told of are bounded")
    func boundedKeepAlives() {
        var world = World(3)
        world.crash(1)
        world.crash(2)
        world.pass(0) { replica in
            for _ in 0..<3 { for id in 1...UInt64(Limits.sessions) { replica.keepAlive(SessionID(id)) } }
        }
        #expect(world.servers[0].replica.keepAlives.count <= Limits.sessions)
    }
}
