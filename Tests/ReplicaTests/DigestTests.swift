import Raft
import Testing
import TupleSpace

@testable import Replica

@Suite("Diverged replicas")
struct DigestTests {
    private func history(_ digest: UInt64) -> DigestHistory {
        var history = DigestHistory()
        for index in 1...200 { history.applied(LogIndex(UInt64(index)), digest: digest) }
        return history
    }

    private let at = LogIndex(128)

    @Test("The odd one of three stops, leader or not, and the others do not")
    func three() {
        var follower = history(1)
        #expect(follower.compare(NodeID(2), at: at, digest: 9, leads: false) == .differs)
        #expect(follower.compare(NodeID(3), at: at, digest: 9, leads: false) == .weAreOdd)
        var leader = history(1)
        #expect(leader.compare(NodeID(2), at: at, digest: 9, leads: true) == .differs)
        #expect(leader.compare(NodeID(3), at: at, digest: 9, leads: true) == .weAreOdd)
        // A right follower hears the odd leader first.
        var right = history(9)
        #expect(right.compare(NodeID(1), at: at, digest: 1, leads: false) == .differs)
        for _ in 0..<100 {
            #expect(right.compare(NodeID(3), at: at, digest: 9, leads: false) == .agrees)
            #expect(right.compare(NodeID(1), at: at, digest: 1, leads: false) == .differs)
        }
    }

    @Test("Of two, the follower stops after a while, and the leader goes on")
    func two() {
        var follower = history(1)
        var leader = history(9)
        var verdicts: [DigestHistory.Verdict] = []
        for _ in 0..<20 {
            verdicts.append(follower.compare(NodeID(2), at: at, digest: 9, leads: false))
            #expect(leader.compare(NodeID(1), at: at, digest: 1, leads: true) == .differs)
        }
        #expect(verdicts.first == .differs && verdicts.last == .weAreOdd)
    }

    @Test("What is not known here is not judged")
    func unknown() {
        var one = history(1)
        #expect(one.compare(NodeID(2), at: LogIndex(1_000_000), digest: 9, leads: false) == .unknown)
        #expect(one.compare(NodeID(2), at: LogIndex(127), digest: 9, leads: false) == .unknown)
        one.restart()
        #expect(one.compare(NodeID(2), at: at, digest: 9, leads: false) == .unknown)
    }

    @Test("A replica whose state was changed behind the log's back stops and says so")
    func stops() {
        var world = World(3)
        let leader = world.elect()
        world.open(leader)
        let odd = world.followers[0]
        var applied = Applied()
        var batch = BatchWriter()
        bytes(of: write(666)).withUnsafeBytes {
            batch.append(CommandHeader(session: SessionID(1), sequence: 900), operation: $0)
        }
        let payload = batch.finish(leaseTime: 0, wallStamp: 0)
        let next = world.servers[odd].replica.machine.appliedIndex
        payload.withUnsafeBytes { world.servers[odd].replica.machine.apply($0, at: next + 1, into: &applied) }
        for number in 1...70 {
            world.command(leader, write(Int64(number)), UInt64(number))
            world.settle()
        }
        world.run(milliseconds: 3_000)
        #expect(world.servers[odd].fatal?.contains("differs") == true)
        for i in world.servers.indices where i != odd { #expect(world.servers[i].fatal == nil) }
    }

    @Test("Who is no member any more has no say")
    func departed() {
        var right = history(9)
        #expect(right.compare(NodeID(2), at: at, digest: 1, leads: false) == .differs)
        right.keep([NodeID(3), NodeID(4)])
        #expect(right.compare(NodeID(4), at: at, digest: 9, leads: false) == .agrees)
        // With the departed one it would be two against two.
        for _ in 0..<20 { #expect(right.compare(NodeID(3), at: at, digest: 1, leads: false) == .differs) }
    }
}
