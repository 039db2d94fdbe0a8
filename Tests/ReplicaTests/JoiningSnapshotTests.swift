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
}
