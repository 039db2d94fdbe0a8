import Raft
import Testing
import TupleSpace

@testable import Replica

@Suite("Snapshots of a server that joins")
struct JoiningSnapshotTests {
    /// Seed 11052 of the simulator. The cluster's first configuration stands in no log, so a server that joins and gets the log from its
    /// beginning knows no members until it has its first configuration. A snapshot that it took before named none, and nobody accepted it.
    @Test("It takes none before it knows who the members are, and one when it does")
    func namesMembers() {
        var world = World(1, spares: 1) {
            $0.snapshotEntries = 5
            $0.trailingEntries = 1_000
            $0.raft.maximumRequestBytes = 1
            $0.raft.maximumInflightRequests = 1
        }
        world.elect()
        world.open(0)
        for number in 1...30 {
            world.command(0, write(Int64(number)), UInt64(number))
            world.settle()
        }
        world.restart(1)
        var newcomer = World.member(2)
        newcomer.role = .learner
        _ = world.ask(0, .change([.add(newcomer)]))
        world.run(milliseconds: 2_000)
        // Before its first configuration it got more entries, one at a time, than make a snapshot.
        let taken = world.servers[1].snapshotsToTake
        #expect(!taken.isEmpty)
        for snapshot in taken {
            #expect(snapshot.metadata.configurationIndex > LogIndex(20))
            #expect(snapshot.metadata.configuration[NodeID(2)] != nil)
        }
    }

    /// Seed 293 of the simulator, members forced. Which entries of a log are committed is forgotten in a crash; without a snapshot that
    /// says that it was a member, a server that was removed while it was away took itself for one that has yet to join, and asked for ever.
    @Test("It notes with a snapshot that it is a member; so it learns of its removal even if it was away for long")
    func removedWhileAway() {
        var world = World(1, spares: 1)
        world.elect()
        world.restart(1)
        _ = world.ask(0, .change([.add(World.member(2))]))
        world.run(milliseconds: 1_000)
        #expect(world.servers[1].snapshotsToTake.count == 1)
        #expect(world.servers[1].snapshotsToTake.first?.metadata.configuration[NodeID(2)] != nil)
        #expect(world.servers[0].snapshotsToTake.isEmpty, "the others knew it before")
        world.crash(1)
        // Alone the first one has no majority: the second votes for its own removal, and is gone before it is told.
        world.restart(1)
        world.elect()
        _ = world.ask(0, .change([.remove(NodeID(2))]))
        world.loses = { letter in
            guard letter.to == NodeID(2), case .raft(let raft) = letter.message,
                case .appendRequest(let request) = raft.body
            else { return false }
            return request.commit >= request.previousIndex + request.entries.count
        }
        world.run(milliseconds: 500)
        #expect(world.servers[0].replica.configuration[NodeID(2)] == nil)
        world.crash(1)
        world.run(milliseconds: 31_000, step: 100)
        world.loses = { _ in false }
        world.restart(1)
        #expect(!world.servers[1].replica.isRemoved)
        world.run(milliseconds: 3_000)
        #expect(world.servers[1].replica.isRemoved)
        #expect(world.servers[0].replica.isLeader)
    }
}
