import ByteCoding
import Raft
import Testing
import TupleSpace

@testable import Replica

@Suite("Snapshots")
struct SnapshotTests {
    /// A cluster in which server `away` has missed more than the log keeps.
    private func behind(_ change: (inout ReplicaSettings) -> Void = { _ in }) -> (world: World, leader: Int, away: Int)
    {
        var world = World(3) {
            $0.snapshotEntries = 20
            $0.trailingEntries = 2
            $0.snapshotChunkBytes = 600
            change(&$0)
        }
        let leader = world.elect()
        world.open(leader, timeout: 3_600_000)
        let away = world.followers[0]
        world.crash(away)
        for number in 1...60 {
            world.command(leader, write(Int64(number)), UInt64(number))
            world.settle()
        }
        #expect(world.servers[leader].replica.newestSnapshotIndex > .zero)
        return (world, leader, away)
    }

    @Test("Servers take them by policy, not all at once, and none while nothing happens")
    func policy() {
        var world = World(3) { $0.snapshotEntries = 20 }
        let leader = world.elect()
        world.open(leader)
        for number in 1...60 {
            world.command(leader, write(Int64(number)), UInt64(number))
            world.settle()
        }
        let firsts = world.servers.map { $0.snapshotsToTake.first?.metadata.index }
        #expect(firsts.allSatisfy { $0 != nil } && Set(firsts).count == 3)
        let counts = world.servers.map(\.snapshotsToTake.count)
        world.run(milliseconds: 5_000)
        #expect(world.servers.map(\.snapshotsToTake.count) == counts)
    }

    @Test("One that could not be written is tried again, and not at once")
    func retry() {
        var world = World(1) {
            $0.snapshotEntries = 10
            $0.snapshotRetryMilliseconds = 2_000
        }
        world.elect()
        world.open(0)
        world.servers[0].snapshotDiskFails = true
        for number in 1...30 {
            world.command(0, write(Int64(number)), UInt64(number))
            world.settle()
        }
        #expect(world.servers[0].snapshotsToTake.count == 1)
        world.servers[0].snapshotDiskFails = false
        world.run(milliseconds: 2_100)
        #expect(world.servers[0].snapshotsToTake.count == 2)
        #expect(world.servers[0].replica.newestSnapshotIndex > .zero)
    }

    @Test("A server that is too far behind is sent one, and has the same state then")
    func catchesUp() {
        var (world, leader, away) = behind()
        world.restart(away)
        world.run(milliseconds: 3_000)
        #expect(world.servers[away].notices.contains { if case .snapshotInstalled = $0 { true } else { false } })
        #expect(world.servers[away].replica.machine.digest == world.servers[leader].replica.machine.digest)
        #expect(world.servers[away].replica.machine.tupleCount == 60)
        #expect(world.servers[leader].replica.snapshotExchange.outgoing.isEmpty)
    }

    @Test("Lost pieces are sent again")
    func lostPieces() {
        var (world, leader, away) = behind { $0.snapshotPatienceMilliseconds = 1_000 }
        world.restart(away)
        let loss = LossEvery(3)
        world.loses = { letter in
            switch letter.message {
            case .snapshotChunk?, .snapshotPiece?, .snapshotProgress?: loss.isNext()
            default: false
            }
        }
        world.run(milliseconds: 10_000)
        #expect(loss.count > 1)
        #expect(world.servers[away].replica.machine.digest == world.servers[leader].replica.machine.digest)
    }

    @Test("A receiver that restarts in the middle begins anew (scenario 22)")
    func restartsInTheMiddle() {
        var (world, leader, away) = behind { $0.snapshotPatienceMilliseconds = 1_000 }
        world.restart(away)
        let id = NodeID(UInt64(away + 1))
        let loss = LossAfter(2)
        world.loses = { letter in
            letter.to == id && letter.isPiece && loss.isNext()
        }
        for _ in 0..<300 where world.servers[away].receiving == nil { world.run(milliseconds: 10) }
        #expect((world.servers[away].receiving?.bytes.count ?? 0) > 0)
        world.crash(away)
        world.run(milliseconds: 300)
        world.heal()
        world.restart(away)
        world.run(milliseconds: 4_000)
        #expect(world.servers[away].replica.machine.digest == world.servers[leader].replica.machine.digest)
    }

    @Test("A receiver whose part survived its restart goes on from there (scenario 22, offset > 0)")
    func goesOnAfterRestart() {
        var (world, leader, away) = behind { $0.snapshotPatienceMilliseconds = 1_000 }
        world.servers[away].keepsPartialSnapshots = true
        world.restart(away)
        let id = NodeID(UInt64(away + 1))
        let loss = LossAfter(2)
        world.loses = { $0.to == id && $0.isPiece && loss.isNext() }
        for _ in 0..<300 where (world.servers[away].receiving?.bytes.count ?? 0) < 1_200 { world.run(milliseconds: 10) }
        #expect(world.servers[away].receiving?.bytes.count == 1_200)
        world.crash(away)
        world.run(milliseconds: 2_000)
        let offsets = Offsets()
        world.loses = { letter in
            if letter.to == id, let piece = letter.piece { offsets.seen.append(piece.offset) }
            return false
        }
        world.restart(away)
        world.run(milliseconds: 4_000)
        #expect(world.servers[away].replica.machine.digest == world.servers[leader].replica.machine.digest)
        // One piece asks where the receiver stands; then it goes on from what it has.
        #expect(offsets.seen.filter { $0 == 600 }.isEmpty)
        #expect(offsets.seen.filter { $0 < 1_200 }.count <= 2 && offsets.seen.contains { $0 >= 1_200 })
    }

    @Test("A newer snapshot at the sender does not begin a broken stream anew")
    func newerSnapshot() {
        var (world, leader, away) = behind {
            $0.snapshotPatienceMilliseconds = 1_000
            $0.trailingEntries = 30
        }
        world.servers[away].keepsPartialSnapshots = true
        world.restart(away)
        let id = NodeID(UInt64(away + 1))
        let loss = LossAfter(2)
        world.loses = { $0.to == id && $0.isPiece && loss.isNext() }
        for _ in 0..<300 where (world.servers[away].receiving?.bytes.count ?? 0) < 1_200 { world.run(milliseconds: 10) }
        let begun = world.servers[leader].replica.newestSnapshotIndex
        world.crash(away)
        var number: Int64 = 100
        while world.servers[leader].replica.newestSnapshotIndex == begun {
            world.command(leader, write(number), UInt64(number))
            world.settle()
            number += 1
        }
        world.run(milliseconds: 2_000)
        let indices = Offsets()
        world.loses = { letter in
            if letter.to == id, let piece = letter.piece { indices.seen.append(piece.index.rawValue) }
            return false
        }
        world.restart(away)
        world.run(milliseconds: 4_000)
        #expect(Set(indices.seen) == [begun.rawValue])
        #expect(world.servers[away].replica.machine.digest == world.servers[leader].replica.machine.digest)
    }

    @Test("One that was begun before a stream and is finished during it leaves in the log what the receiver needs then")
    func finishedDuringStream() {
        var (world, leader, away) = behind { $0.snapshotBytesPerSecond = 1_200 }
        let sent = world.servers[leader].replica.newestSnapshotIndex
        world.servers[leader].snapshotDiskIsSlow = true
        let takenBefore = world.servers[leader].snapshotsToTake.count
        var number: Int64 = 100
        while world.servers[leader].snapshotsToTake.count == takenBefore {
            world.command(leader, write(number), UInt64(number))
            world.settle()
            number += 1
        }
        world.restart(away)
        for _ in 0..<300 where world.servers[leader].replica.snapshotBytesSent == 0 { world.run(milliseconds: 10) }
        world.finishSnapshot(leader)
        #expect(world.servers[leader].replica.newestSnapshotIndex > sent)
        #expect(world.servers[leader].replica.status.first <= sent.next)
        world.servers[leader].snapshotDiskIsSlow = false
        for _ in 0..<60 where world.servers[away].replica.appliedIndex != world.servers[leader].replica.appliedIndex {
            world.run(milliseconds: 1_000)
        }
        let installed = world.servers[away].notices.filter { if case .snapshotInstalled = $0 { true } else { false } }
        #expect(installed.count == 1)
        #expect(world.servers[away].replica.machine.digest == world.servers[leader].replica.machine.digest)
    }

    private func catchesUp(_ world: inout World, _ leader: Int, _ away: Int, from rotten: LogIndex) {
        world.restart(away)
        world.run(milliseconds: 8_000)
        let notices = world.servers[leader].notices
        #expect(notices.filter { $0 == .snapshotDamaged(rotten) }.count == 1)
        #expect(world.servers[away].notices.contains { if case .snapshotInstalled = $0 { true } else { false } })
        #expect(world.servers[away].replica.machine.digest == world.servers[leader].replica.machine.digest)
        #expect(!world.servers[leader].replica.isNewestDamaged)
        #expect(world.servers[leader].replica.snapshotExchange.outgoing.isEmpty)
    }

    @Test("A leader whose newest snapshot has rotted takes another one at once, and sends that")
    func rotted() {
        var (world, leader, away) = behind()
        let rotten = world.servers[leader].replica.newestSnapshotIndex
        world.servers[leader].rotten.insert(rotten)
        catchesUp(&world, leader, away, from: rotten)
        #expect(world.servers[leader].replica.newestSnapshotIndex > rotten)
        #expect(world.servers[leader].replica.previousSnapshot == nil, "it is never sent again")
    }

    @Test("A damaged snapshot is written again if nothing was applied since, and later again if the disk fails")
    func rottedWhileIdle() {
        var (world, leader, away) = behind { $0.snapshotRetryMilliseconds = 1_000 }
        // Nothing in between: a snapshot at what was applied last.
        world.pass(leader) { $0.takeSnapshot() }
        world.settle()
        let rotten = world.servers[leader].replica.newestSnapshotIndex
        #expect(rotten == world.servers[leader].replica.appliedIndex)
        world.servers[leader].rotten.insert(rotten)
        world.servers[leader].snapshotDiskFails = true
        let takenBefore = world.servers[leader].snapshotsToTake.count
        world.restart(away)
        world.run(milliseconds: 900)
        #expect(world.servers[leader].snapshotsToTake.count == takenBefore + 1)
        world.servers[leader].snapshotDiskFails = false
        catchesUp(&world, leader, away, from: rotten)
        #expect(world.servers[leader].snapshotsToTake.count == takenBefore + 2)
    }

    @Test("Damage that only the receiver of all of it finds is told to the sender, which then checks its own file")
    func rottedAtTheEnd() {
        var (world, leader, away) = behind()
        let rotten = world.servers[leader].replica.newestSnapshotIndex
        world.servers[leader].rottenAtTheEnd.insert(rotten)
        catchesUp(&world, leader, away, from: rotten)
        let told = Notice.snapshotRefused(rotten, by: NodeID(UInt64(away + 1)), "the checksum does not hold")
        #expect(world.servers[leader].notices.filter { $0 == told }.count == 1)
    }

    @Test("The others go on while a slow stream runs")
    func othersGoOn() {
        var (world, leader, away) = behind {
            $0.snapshotBytesPerSecond = 600
            $0.snapshotPatienceMilliseconds = 2_000
        }
        world.restart(away)
        for number in 100..<200 {
            let token = world.command(leader, write(Int64(number)), UInt64(number))
            world.run(milliseconds: 20)
            #expect(world.written(leader, token) != nil)
        }
        let isInstalled = { (world: World) in
            world.servers[away].notices.contains { if case .snapshotInstalled = $0 { true } else { false } }
        }
        #expect(!isInstalled(world))
        let sent = world.servers[leader].replica.snapshotBytesSent
        #expect(sent > 0 && sent < 2_400)
        let isEqual = { (world: World) in
            world.servers[away].replica.appliedIndex == world.servers[leader].replica.appliedIndex
        }
        for _ in 0..<120 where !isEqual(world) { world.run(milliseconds: 1_000) }
        #expect(isInstalled(world))
        #expect(world.servers[away].replica.machine.digest == world.servers[leader].replica.machine.digest)
    }

    @Test("A piece from a server that does not lead is refused with the reason")
    func otherSender() {
        var world = World(3)
        let leader = world.elect()
        let (target, other) = (world.followers[0], world.followers[1])
        let chunk = SnapshotChunk(index: LogIndex(900), term: Term(1), offset: 0, total: 100, bytes: [1])
        for sender in [other, leader] {
            let bytes = ClusterRequestCodingTests.encoded(.snapshotPiece(chunk))
            world.deliver(.init(from: NodeID(UInt64(sender + 1)), to: NodeID(UInt64(target + 1)), bytes: bytes))
        }
        #expect(world.servers[target].receiving?.bytes == [1])
        #expect(world.servers[target].replica.refusedMessages == 1)
        let notice = world.servers[target].notices.last
        guard case .refused(let from, let reason)? = notice else {
            Issue.record("\(String(describing: notice))")
            return
        }
        #expect(from == NodeID(UInt64(other + 1)) && reason.contains("900, offset 0: s\(other + 1)"))
    }

    @Test("A stream without progress is given up, and begun again later")
    func givenUp() {
        var (world, leader, away) = behind { $0.snapshotPatienceMilliseconds = 500 }
        world.restart(away)
        world.loses = { $0.isPiece }
        world.run(milliseconds: 5_000)
        let begun = world.servers[leader].notices.filter { if case .sendingSnapshot = $0 { true } else { false } }
        #expect(begun.count > 1)
        world.heal()
        world.run(milliseconds: 3_000)
        #expect(world.servers[away].replica.machine.digest == world.servers[leader].replica.machine.digest)
    }

    @Test("Commands, reads and subscriptions that wait are answered from an installed snapshot")
    func waitersSurvive() {
        var world = World(3) {
            $0.snapshotEntries = 20
            $0.trailingEntries = 2
        }
        let leader = world.elect()
        let away = world.followers[0]
        world.open(leader, timeout: 3_600_000)
        world.command(leader, write(1_000), 1)
        world.settle()
        let position = world.servers[away].replica.position
        let taker = world.command(away, take(.forever, 7), 2)
        let otherTaker = world.command(away, take(.forever, 8), 3)
        let reader = world.query(away, read(9), timeout: .forever)
        let stream = world.token()
        world.pass(away) { $0.subscribe(stream, space: "s", template: nil, after: position) }
        world.run(milliseconds: 1_500)
        world.isolate(away)
        for number in 1...60 {
            world.command(leader, write(Int64(number)), UInt64(number + 10))
            world.settle()
        }
        world.heal()
        world.run(milliseconds: 4_000)
        #expect(world.servers[away].notices.contains { if case .snapshotInstalled = $0 { true } else { false } })
        #expect(world.found(away, taker) == 7 && world.found(away, otherTaker) == 8)
        #expect(world.found(away, reader) == 9)
        // Writes, and the two takes behind the writes they consumed.
        var expected: [Int64] = []
        for number: Int64 in 1...60 {
            expected += [Int64](repeating: number, count: number == 7 || number == 8 ? 2 : 1)
        }
        #expect(world.events(away, stream) == expected)
        #expect(world.servers[away].replica.pendingCommandCount == 0)
    }
}

private final class Offsets {
    var seen: [UInt64] = []
}

/// Loses every so-manieth letter.
private final class LossEvery {
    private let every: Int
    private(set) var count = 0

    init(_ every: Int) { self.every = every }

    func isNext() -> Bool {
        count += 1
        return count % every == 0
    }
}

/// Loses all letters but the first few.
private final class LossAfter {
    private var rest: Int

    init(_ rest: Int) { self.rest = rest }

    func isNext() -> Bool {
        rest -= 1
        return rest < 0
    }
}
