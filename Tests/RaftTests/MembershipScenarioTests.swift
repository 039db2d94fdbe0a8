import Raft
import Testing

/// The scenarios of the documentation of consensus that are about changes of members.
@Suite("Scenarios of members")
struct MembershipScenarioTests {
    @Test("One grows to three and back to one, and serves all the while")
    func oneToThreeToOne() throws {
        var cluster = TestCluster(1)
        cluster.elect(1)
        try cluster.propose(1, "alone")
        cluster.join()
        cluster.join()
        try cluster.change(1, .add(2, .learner, promoteWhenCaughtUp: true), .add(3, .learner, promoteWhenCaughtUp: true))
        cluster.run(milliseconds: 300)
        #expect((1...3).map { cluster.voters($0) } == [[1, 2, 3], [1, 2, 3], [1, 2, 3]])
        #expect((1...3).allSatisfy { !cluster[$0].configuration.isJoint })
        let place = try cluster.propose(1, "together")
        cluster.settle()
        #expect((1...3).allSatisfy { cluster[$0].commit == place.index })
        #expect(cluster[3].isRemoved == false)
        try cluster.change(1, .remove(2), .remove(3))
        cluster.run(milliseconds: 300)
        #expect(cluster.voters(1) == [1])
        #expect(cluster.members(1) == [1])
        #expect(cluster[2].isRemoved && cluster[3].isRemoved)
        #expect(!cluster[1].isRemoved)
        #expect(cluster[1].reachableMembers.map(\.id) == [NodeID(1)])
        let last = try cluster.propose(1, "alone again")
        #expect(cluster[1].commit == last.index)
        cluster.run(milliseconds: 3000)
        #expect(cluster.leaders == [1])
        #expect(cluster.violations == [])
    }
}
