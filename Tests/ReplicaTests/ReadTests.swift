import ByteCoding
import Raft
import Testing
import TupleSpace

@testable import Replica

@Suite("Reads")
struct ReadTests {
    @Test("A linearizable read on a follower sees every write that was acknowledged anywhere before")
    func barrier() {
        var world = World(3)
        let leader = world.elect()
        let follower = world.followers[0]
        world.open(leader)
        let id = NodeID(UInt64(follower + 1))
        // The follower hears of no entry, but of everything else.
        world.loses = { letter in
            guard letter.to == id, case .raft(let message)? = letter.message else { return false }
            if case .appendRequest = message.body { return true }
            return false
        }
        let token = world.command(leader, write(1), 1)
        world.settle()
        #expect(world.written(leader, token) != nil)
        let local = world.query(follower, count(), .local)
        #expect(world.reply(follower, local) == .count(0))
        let read = world.query(follower, count())
        world.settle()
        #expect(world.reply(follower, read) == nil, "it must not answer from old data")
        world.heal()
        world.run(milliseconds: 1_000)
        #expect(world.reply(follower, read) == .count(1))
    }

    @Test("A read under a lease asks for another pass at once, and is answered in it without a message")
    func lease() {
        var world = World(3) { $0.raft.leaseReads = true }
        let leader = world.elect()
        world.open(leader)
        world.command(leader, write(1), 1)
        world.settle()
        world.run(milliseconds: 200)
        #expect(!world.servers[leader].replica.needsAnotherPass)
        world.loses = { _ in true }
        let read = world.query(leader, count())
        #expect(world.reply(leader, read) == nil)
        #expect(world.servers[leader].replica.needsAnotherPass)
        world.pass(leader)
        #expect(world.reply(leader, read) == .count(1))
        #expect(!world.servers[leader].replica.needsAnotherPass)
        // The lease runs out unheard: no read any more.
        world.run(milliseconds: 120)
        let late = world.query(leader, count())
        world.pass(leader)
        #expect(world.reply(leader, late) == nil)
    }

    @Test("A leader that nobody hears confirms no read")
    func isolatedLeader() {
        var world = World(3)
        let leader = world.elect()
        world.open(leader)
        world.isolate(leader)
        let read = world.query(leader, count())
        world.run(milliseconds: 3_900)
        #expect(world.reply(leader, read) == nil)
        world.run(milliseconds: 300)
        #expect(world.failure(leader, read) == .noLeader)
    }

    @Test("A read that its leader never confirms fails when its patience ends, though the leader is heard")
    func oneWay() {
        var world = World(3)
        world.elect()
        let follower = world.followers[0]
        let id = NodeID(UInt64(follower + 1))
        world.loses = { $0.from == id }
        let read = world.query(follower, count())
        world.run(milliseconds: 4_700, step: 7)
        #expect(world.failure(follower, read) == .noLeader)
        #expect(world.replyCount(follower, read) == 1)
    }

    @Test("A sequential read waits until its position is applied here")
    func sequential() {
        var world = World(3)
        let leader = world.elect()
        let follower = world.followers[0]
        world.open(leader)
        let id = NodeID(UInt64(follower + 1))
        world.loses = { $0.to == id }
        let token = world.command(leader, write(1), 1)
        world.settle()
        guard case .written(_, let position)? = world.reply(leader, token) else {
            Issue.record("not written")
            return
        }
        let read = world.query(follower, count(), .sequential(position))
        let old = world.query(follower, count(), .sequential(Position(index: 1, ordinal: 0)))
        #expect(world.reply(follower, old) == .count(0))
        #expect(world.reply(follower, read) == nil)
        world.heal()
        world.run(milliseconds: 1_000)
        #expect(world.reply(follower, read) == .count(1))
    }

    @Test("A waiting read sees a write even if a waiting take gets the tuple in the same entry")
    func sameEntry() {
        var world = World(3)
        let leader = world.elect()
        let follower = world.followers[0]
        world.open(leader)
        let taker = world.command(leader, take(.forever, 4), 1)
        world.settle()
        let reader = world.query(follower, read(4), timeout: .forever)
        let other = world.query(follower, read(5), timeout: .milliseconds(1_000))
        world.settle()
        world.command(leader, write(4), 2)
        world.settle()
        #expect(world.found(leader, taker) == 4)
        #expect(world.found(follower, reader) == 4)
        #expect(world.reply(follower, other) == nil)
        world.run(milliseconds: 1_200)
        #expect(world.reply(follower, other) == .noMatch)
        #expect(world.servers[follower].replica.watches.isEmpty)
    }

    @Test("A waiting read sees a held tuple that comes back")
    func comesBack() {
        var world = World(1)
        world.elect()
        world.open(0)
        world.command(0, write(1), 1)
        world.command(0, take(), 2)
        world.settle()
        let reader = world.query(0, read(1), timeout: .forever)
        world.settle()
        #expect(world.reply(0, reader) == nil)
        world.command(0, .release(sequence: 2), 3)
        world.settle()
        #expect(world.found(0, reader) == 1)
    }

    @Test("A read whose client has gone while the leader was asked does not begin to wait")
    func forgotten() {
        var world = World(3)
        world.elect()
        let follower = world.followers[0]
        let gone = world.query(follower, read(), timeout: .forever)
        let stays = world.query(follower, read(), timeout: .forever)
        world.pass(follower) { $0.forget(gone) }
        world.settle()
        #expect(world.servers[follower].replica.watches.count == 1)
        world.pass(follower) { $0.forget(stays) }
        #expect(world.servers[follower].replica.watches.isEmpty)
        #expect(world.servers[follower].replica.reads.count == 0)
    }

    @Test("Reads, their size and those that wait are bounded")
    func bounds() {
        var world = World(3) {
            $0.maximumPendingReads = 2
            $0.maximumWatches = 1
        }
        let first = world.query(0, read())
        let second = world.query(0, read())
        let third = world.query(0, read())
        #expect(world.failure(0, third) == .busy && world.reply(0, first) == nil && world.reply(0, second) == nil)
        let a = world.query(1, read(), .local, timeout: .forever)
        let b = world.query(1, read(), .local, timeout: .forever)
        #expect(world.reply(1, a) == nil && world.failure(1, b) == .busy)
        let huge = Query.read(space: "s", template: Template([.literal(.bytes([UInt8](repeating: 0, count: 2 << 20)))]))
        let refused = world.query(2, huge, .local)
        #expect(world.failure(2, refused) == .malformed)
    }

    @Test("What one pass answers is bounded: the rest comes in the next ones, in order, and not to those who have gone")
    func deferred() {
        var world = World(1) { $0.replyBytesPerPass = 3_000 }
        world.elect()
        world.open(0)
        let big = Operation.write(space: "s", tuple: Tuple([.bytes([UInt8](repeating: 1, count: 1_000))]))
        world.command(0, big, 1)
        world.settle()
        let token = { (number: Int) in RequestToken(UInt64(10_000 + number)) }
        var writer = ByteWriter()
        read().encode(into: &writer)
        world.pass(0) { replica in
            for number in 0..<20 {
                writer.bytes.withUnsafeBytes {
                    replica.query(token(number), query: $0, consistency: .local, timeout: .none)
                }
            }
            replica.forget(token(10))
        }
        let answered = { (world: World) in (0..<20).filter { world.reply(0, token($0)) != nil } }
        #expect(answered(world) == [0, 1, 2])
        #expect(world.servers[0].replica.needsAnotherPass)
        world.pass(0)
        #expect(answered(world) == [0, 1, 2, 3, 4, 5])
        for _ in 0..<10 { world.pass(0) }
        #expect(answered(world) == (0..<20).filter { $0 != 10 })
        #expect(!world.servers[0].replica.needsAnotherPass)
        // One write wakes many.
        let readers = (0..<20).map { _ in world.query(0, read(5), timeout: .forever) }
        world.settle()
        world.servers[0].replica.effects.replyBytes.reset()
        world.command(0, write(5), 2)
        for _ in 0..<5 { world.run(milliseconds: 10) }
        #expect(readers.allSatisfy { world.found(0, $0) == 5 })
    }

    @Test("A thousand readers that one write wakes are woken in order of arrival")
    func manyWoken() {
        var world = World(1)
        world.elect()
        world.open(0)
        var tokens: [RequestToken] = []
        for _ in 0..<1_000 { tokens.append(world.query(0, read(), .local, timeout: .forever)) }
        let order = tokens
        world.command(0, write(1), 1)
        world.sync(0)
        #expect(order.allSatisfy { world.found(0, $0) == 1 })
        #expect(world.servers[0].replica.watches.isEmpty)
    }

    @Test("A round that its leader never confirms and never gives up keeps no read beyond its time")
    func unconfirmedRound() {
        var reads = Reads()
        func read(_ token: UInt64, until milliseconds: UInt64) -> Reads.Read {
            Reads.Read(
                token: RequestToken(token), query: [], credential: .anonymous, timeout: .none,
                deadline: MonotonicTime(nanoseconds: milliseconds * 1_000_000))
        }
        func time(_ milliseconds: UInt64) -> MonotonicTime { MonotonicTime(nanoseconds: milliseconds * 1_000_000) }
        reads.gather(read(1, until: 10))
        reads.gather(read(2, until: 30))
        let round = reads.beginRound()
        #expect(reads.overdue(at: time(9)).isEmpty)
        #expect(reads.overdue(at: time(20)).map(\.token) == [RequestToken(1)])
        #expect(reads.overdue(at: time(20)).isEmpty && reads.count == 1)
        reads.confirmed([(round, LogIndex(5))])
        #expect(reads.ready(at: LogIndex(5)).map(\.token) == [RequestToken(2)] && reads.count == 0)
    }
}
