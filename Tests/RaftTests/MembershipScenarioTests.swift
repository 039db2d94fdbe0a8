import Raft
import Testing

/// The scenarios of the documentation of consensus that are about changes of members.
@Suite("Scenarios of members")
struct MembershipScenarioTests {
    @Test("Scenario 11: after a change the majority is counted among the new voters")
    func majorityOfTheNewVoters() throws {
        func run(_ mutations: Mutations) throws -> TestCluster {
            var cluster = TestCluster(1, settings: .with(mutations))
            cluster.elect(1)
            cluster.join()
            cluster.join()
            try cluster.change(1, .add(2), .add(3))
            cluster.settle()
            cluster.partition([[1], [2, 3]])
            _ = try? cluster.propose(1, "alone")
            cluster.settle()
            cluster.appoint(2)
            _ = try? cluster.propose(2, "together")
            cluster.settle()
            return cluster
        }
        let sound = try run([])
        #expect(sound.leaders.contains(2))
        #expect(sound.disagreements == [])
        #expect(sound.problems == [])
        #expect(try run(.staleVoters).disagreements != [])
    }

    @Test("Scenario 15: a learner that does not know yet that it was promoted votes")
    func promotedLearnerVotes() throws {
        func run(_ mutations: Mutations) throws -> TestCluster {
            var cluster = TestCluster(3, settings: .with(mutations))
            cluster.elect(1)
            cluster.join()
            try cluster.change(1, .add(4, .learner))
            cluster.run(milliseconds: 100)
            try cluster.change(1, .setRole(NodeID(4), .voter))
            cluster.settle(dropping: { $0.to == NodeID(4) })
            #expect(cluster.voters(2) == [1, 2, 3, 4])
            #expect(cluster.voters(4) == [1, 2, 3])
            cluster.crash(1)
            cluster.appoint(2)
            return cluster
        }
        let sound = try run([])
        #expect(sound.leaders == [2])
        #expect(sound.problems == [])
        #expect(try run(.learnersRefuseVotes).leaders == [])
    }

    @Test("Scenario 16: a new voter's vote survives its crash")
    func newVoterRemembersItsVote() {
        func run(_ mutations: Mutations) -> (first: [Bool], second: [Bool]) {
            let empty = SnapshotMetadata(
                index: .zero, term: .zero, configuration: Configuration(members: []), configurationIndex: .zero)
            var recovered = RecoveredLog(hardState: HardState(), snapshot: empty, entries: [])
            var joiner = Bench(id: 9, recovered: recovered, mutations: mutations)
            joiner.hear(.voteRequest(lastIndex: .zero, lastTerm: .zero), from: 2, term: 1)
            #expect(joiner.votes == [])
            if let write = joiner.last.write { recovered.apply(write) }
            joiner.storeLast()
            var reborn = Bench(id: 9, recovered: recovered, mutations: mutations)
            reborn.hear(.voteRequest(lastIndex: .zero, lastTerm: .zero), from: 3, term: 1)
            reborn.storeLast()
            return (joiner.votes, reborn.votes)
        }
        #expect(run([]) == ([true], [false]))
        #expect(run(.voteNotSaved) == ([true], [true]))
    }

    /// The story of the error in the dissertation's single-server changes, as its author told it on raft-dev in 2015.
    @Test("Scenario 17: no change before the leader has committed an entry of its own term")
    func noChangeBeforeOwnTermCommit() throws {
        func run(_ mutations: Mutations) throws -> (cluster: TestCluster, refusal: ChangeRefused?) {
            var cluster = TestCluster(4, settings: .with(mutations))
            cluster.elect(1)
            cluster.join()
            cluster.partition([[1, 5], [2, 3, 4]])
            try cluster.change(1, .add(5))  // reaches 1 and 5
            cluster.settle()
            cluster.appoint(2, dropping: { $0.isAppend(to: 4) })
            let refusal = cluster.refusal(2, .remove(1))  // if taken, it reaches 2 and 3
            cluster.settle(dropping: { $0.isAppend(to: 4) })
            cluster.partition([[1, 4, 5], [2, 3]])
            cluster.wait(1, milliseconds: 400)  // nobody answers: it steps down
            #expect(cluster[1].role != .leader)
            cluster.appoint(1)
            _ = try? cluster.propose(1, "x")
            cluster.settle()
            return (cluster, refusal)
        }
        let sound = try run([])
        #expect(sound.refusal == .notReady)
        #expect(sound.cluster.disagreements == [])
        let careless = try run([.changeBeforeOwnTermCommit, .oneStepChanges, .changesOutOfReach])
        #expect(careless.refusal == nil)
        #expect(careless.cluster.disagreements != [])
        // Joint consensus bears it: the old voters' majority is asked as well.
        #expect(try run([.changeBeforeOwnTermCommit, .changesOutOfReach]).cluster.disagreements == [])
    }

    @Test("Scenario 18: a later leader leaves the joint configuration that another began")
    func anotherLeaderLeavesJoint() throws {
        func run(_ mutations: Mutations) throws -> TestCluster {
            var cluster = TestCluster(3, settings: .with(mutations))
            cluster.elect(1)
            cluster.join()
            try cluster.change(1, .add(4))
            cluster.deliver()
            cluster.crash(1)
            #expect(cluster[2].configuration.isJoint)
            cluster.drop()
            cluster.appoint(2)
            cluster.run(milliseconds: 200)
            return cluster
        }
        let sound = try run([])
        #expect(sound.leaders == [2])
        #expect((2...4).allSatisfy { !sound[$0].configuration.isJoint && sound.voters($0) == [1, 2, 3, 4] })
        #expect(sound.problems == [])
        let stuck = try run(.onlyBeginnerLeaves)
        #expect(stuck.leaders == [2])
        #expect(stuck[2].configuration.isJoint)
    }

    @Test("Scenario 19: a configuration is in force from when it is appended, so the rest can go on without the leader")
    func inForceWhenAppended() throws {
        func run(_ mutations: Mutations) throws -> TestCluster {
            var cluster = TestCluster(4, settings: .with(mutations))
            cluster.elect(1)
            let joint = try cluster.change(1, .remove(4))
            for _ in 0..<10 where cluster[1].commit <= joint { cluster.deliver() }
            #expect(cluster[1].commit == joint.next)
            #expect(cluster[2].commit == joint)
            cluster.crash(1)
            cluster.crash(4)
            cluster.run(milliseconds: 3000)
            return cluster
        }
        let sound = try run([])
        #expect(sound.leaders.count == 1)
        #expect(sound.voters(2) == [1, 2, 3])
        #expect(sound.problems == [])
        #expect(try run(.configurationInForceWhenCommitted).leaders == [])
    }

    @Test("Scenario 20: a leader removes itself, hands over, and is quiet from then on")
    func leaderRemovesItself() throws {
        func run(_ mutations: Mutations) throws -> TestCluster {
            var cluster = TestCluster(3, settings: .with(mutations))
            cluster.elect(1)
            try cluster.change(1, .remove(1))
            cluster.run(milliseconds: 2000)
            return cluster
        }
        var sound = try run([])
        var other = TestCluster(3)
        other.elect(1)
        try other.change(1, .remove(1))
        other.settle()
        #expect(other.leaders.count == 1 && other.leaders != [1], "nobody waits for an election timeout")
        let leader = try #require(sound.leaders.first)
        #expect(sound.leaders.count == 1 && leader != 1)
        #expect(sound[1].isRemoved && !sound[2].isRemoved && !sound[3].isRemoved)
        #expect(sound.voters(leader) == [2, 3])
        let term = sound[leader].term
        sound.run(milliseconds: 3000)
        #expect(sound[leader].term == term)
        #expect(sound[1].term == term)
        let place = try sound.propose(leader, "x")
        sound.settle()
        #expect(sound[leader].commit == place.index)
        #expect(sound.problems == [])
        #expect(try run(.removedLeadsOn).leaders == [1])
    }

    @Test("Scenario 20: a leader that is no voter any more does not count itself")
    func leavingLeaderDoesNotCountItself() throws {
        func run(_ mutations: Mutations) throws -> TestCluster {
            var cluster = TestCluster(3, settings: .with(mutations))
            cluster.elect(1)
            try cluster.change(1, .remove(1))
            cluster.deliver()
            // Both have the joint configuration. Of the final one only 2 hears: that is one of two.
            for _ in 0..<6 {
                let isJoint = cluster.isJoint(1)
                cluster.deliver(where: { $0.from != NodeID(3) && $0.to != NodeID(3) || isJoint })
            }
            return cluster
        }
        let sound = try run([])
        let final = sound[1].lastIndex
        #expect(sound[1].configuration.members.count == 2)
        #expect(sound[1].commit < final)
        #expect(sound[1].role == .leader)
        #expect(try run(.nonVoterCountsItself)[1].commit == final)
    }

    @Test("Scenario 20: a removed follower is told, asks nobody for votes, and disturbs nobody")
    func removedFollowerIsQuiet() throws {
        func run(_ mutations: Mutations) throws -> (cluster: TestCluster, asked: Int) {
            var cluster = TestCluster(4, settings: .with(mutations))
            cluster.elect(1)
            try cluster.change(1, .remove(4))
            cluster.run(milliseconds: 200)
            #expect(cluster[4].isRemoved)
            let term = cluster[1].term
            var asked = 0
            for _ in 0..<300 {
                cluster.wait(milliseconds: 10)
                asked += cluster.network.filter { $0.from == NodeID(4) }.count
                cluster.settle()
            }
            #expect(cluster.leaders == [1])
            #expect(cluster[1].term == term)
            return (cluster, asked)
        }
        let sound = try run([])
        #expect(sound.asked == 0)
        #expect(sound.cluster.problems == [])
        #expect(try run(.removedCampaigns).asked > 0)
    }

    @Test("Scenario 23: compacting twice keeps the changed members, also over a restart")
    func compactingTwiceKeepsMembers() throws {
        func run(_ mutations: Mutations) throws -> TestCluster {
            var cluster = TestCluster(3, settings: .with(mutations))
            cluster.elect(1)
            try cluster.change(1, .remove(3))
            cluster.run(milliseconds: 100)
            for text in ["x", "y"] {
                try cluster.propose(1, text)
                cluster.settle()
                cluster.compact(1)
            }
            return cluster
        }
        var sound = try run([])
        #expect(sound.voters(1) == [1, 2])
        sound.crash(1)
        sound.restart(1)
        #expect(sound.voters(1) == [1, 2])
        #expect(sound.members(1) == [1, 2])
        #expect(sound.problems == [])
        #expect(try run(.compactionLosesMembers).voters(1) != [1, 2])
    }

    @Test("Scenario 24: a snapshot of the time of a joint configuration carries it, and brings back no older one")
    func snapshotWhileJoint() throws {
        var cluster = TestCluster(3)
        cluster.elect(1)
        cluster.join()
        let joint = try cluster.change(1, .add(4), .remove(3))
        cluster.settle()
        let metadata = cluster[1].snapshotMetadata(at: joint)
        #expect(metadata.configuration.isJoint)
        #expect(metadata.configurationIndex == joint)
        #expect(metadata.configuration.outgoingVoters.map(\.rawValue) == [1, 2, 3])
        // One that has the final configuration already keeps it.
        #expect(!cluster[2].configuration.isJoint)
        cluster.crash(2)
        cluster.servers[1].disk.change {
            $0.entries.removeAll { $0.index <= joint }; $0.snapshot = metadata
        }
        cluster.restart(2)
        #expect(cluster.voters(2) == [1, 2, 4])
        #expect(!cluster[2].configuration.isJoint)
        // One that has nothing is in the joint one, and goes on from there.
        let fifth = cluster.join()
        cluster.step(fifth, .snapshotReceived(metadata, from: NodeID(1)))
        #expect(cluster[fifth].configuration == metadata.configuration)
        #expect(cluster[fifth].snapshotMetadata(at: joint) == metadata)
        #expect(!cluster[fifth].isRemoved)
        cluster.run(milliseconds: 200)
        #expect(cluster[1].commit == cluster[2].commit)
        #expect(cluster.problems == [])
    }
}
