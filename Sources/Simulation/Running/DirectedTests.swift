/// A test that was written for one defence: it does what needs it, and asserts what happens without.
public struct DirectedTest: Sendable {
    /// Below `Tests`.
    public let file: String
    public let title: String

    init(_ file: String, _ title: String) {
        self.file = file
        self.title = title
    }
}

extension KnownMutation {
    /// The directed test of this defence, if it has one beside the simulator's.
    public var directedTest: DirectedTest? { KnownMutation.directedTests[name] }

    /// By the names of mutations.
    static let directedTests: [String: DirectedTest] = [
        "changesOutOfReach": .init(
            "RaftTests/MemberChangeTests.swift",
            "A change that leaves no majority of those who are there is refused: it could not be completed, nor taken back"
        ),
        "newsAskedAsCandidate": .init(
            "RaftTests/ElectionScenarioTests.swift",
            "A damaged server asks for news, and nobody makes way for it, however long its log"),
        "oldSnapshotInstalled": .init(
            "RaftTests/SnapshotScenarioTests.swift", "Scenario 30: a snapshot that is no news undoes nothing"),
        "foreignMessagesTaken": .init(
            "RaftTests/ElectionScenarioTests.swift",
            "Scenario 35: a message to another node or of another cluster changes nothing"),
        "pledgedStands": .init(
            "RaftTests/LeaseScenarioTests.swift",
            "Nor does it stand itself, though its election timeout, counted from before it stood still, is over"),
        "repairedStaysMute": .init(
            "ReplicaTests/TransferTests.swift",
            "A voter whose log was damaged asks for another leader when it has everything again, and then votes"),
        "ackBeforeDurable": .init(
            "RaftTests/LogScenarioTests.swift",
            "Scenario 1: a follower acknowledges nothing before its disk has it"),
        "leaderCountsItselfBeforeDurable": .init(
            "RaftTests/LogScenarioTests.swift",
            "Scenario 1: a server alone commits nothing before its own disk has it"),
        "truncateOnOverlap": .init(
            "RaftTests/LogScenarioTests.swift",
            "Scenario 4: an old append request and a heartbeat delete nothing"),
        "countOlderTermCommit": .init(
            "RaftTests/LogScenarioTests.swift",
            "Scenario 5: an entry of an older term is not committed by counting (figure 8)"),
        "termNotSaved": .init("RaftTests/LogScenarioTests.swift", "Scenario 6: no entry is written before its term"),
        "phantomDurability": .init(
            "RaftTests/LogScenarioTests.swift",
            "Scenario 7: the completion of an overwritten write makes nothing durable"),
        "readBeforeOwnTermCommit": .init(
            "RaftTests/ReadScenarioTests.swift",
            "Scenario 8: a new leader confirms no read before it has committed an entry of its own term"),
        "confirmReadWithoutRound": .init(
            "RaftTests/ReadScenarioTests.swift",
            "Scenario 9: a leader that slept through its successor's election confirms nothing"),
        "logComparedByLengthFirst": .init(
            "RaftTests/ElectionScenarioTests.swift",
            "Scenario 10: the later last term wins, not the longer log"),
        "readQuorumMinusOne": .init(
            "RaftTests/ReadScenarioTests.swift",
            "Scenario 12: a majority confirms a read, not one less"),
        "preVoteTeachesNoTerm": .init(
            "RaftTests/ElectionScenarioTests.swift",
            "Scenario 13: a longer log in an older term and a shorter one in a newer term still elect a leader"),
        "noCheckQuorum": .init(
            "RaftTests/ElectionScenarioTests.swift",
            "Scenario 14: a leader that no majority answers steps down, and whoever heard it helps to elect another"),
        "voteNotSaved": .init(
            "RaftTests/ElectionScenarioTests.swift",
            "Scenario 16: a vote is told when it is durable, and no second one is given after a crash"),
        "keepConflictingTailAfterSnapshot": .init(
            "RaftTests/SnapshotScenarioTests.swift",
            "Scenario 21: a snapshot that conflicts with the log takes all its place"),
        "staleConfigurationFromSnapshot": .init(
            "RaftTests/SnapshotScenarioTests.swift",
            "Scenario 24: a snapshot does not bring back an older membership"),
        "skipOversizedEntry": .init(
            "RaftTests/LogScenarioTests.swift",
            "Scenario 25: a request holds at least one entry, however big, and never a hole"),
        "staleVoters": .init(
            "RaftTests/MembershipScenarioTests.swift",
            "Scenario 11: after a change the majority is counted among the new voters"),
        "learnersRefuseVotes": .init(
            "RaftTests/MembershipScenarioTests.swift",
            "Scenario 15: a learner that does not know yet that it was promoted votes"),
        "changeBeforeOwnTermCommit": .init(
            "RaftTests/MembershipScenarioTests.swift",
            "Scenario 17: no change before the leader has committed an entry of its own term"),
        "onlyBeginnerLeaves": .init(
            "RaftTests/MembershipScenarioTests.swift",
            "Scenario 18: a later leader leaves the joint configuration that another began"),
        "configurationInForceWhenCommitted": .init(
            "RaftTests/MembershipScenarioTests.swift",
            "Scenario 19: a configuration is in force from when it is appended, "
                + "so the rest can go on without the leader"),
        "removedLeadsOn": .init(
            "RaftTests/MembershipScenarioTests.swift",
            "Scenario 20: a leader removes itself, hands over, and is quiet from then on"),
        "compactionLosesMembers": .init(
            "RaftTests/MembershipScenarioTests.swift",
            "Scenario 23: compacting twice keeps the changed members, also over a restart"),
        "changesOverlap": .init("RaftTests/MemberChangeTests.swift", "A second change waits for the first"),
        "jointCountsNewVotersOnly": .init(
            "RaftTests/MemberChangeTests.swift",
            "In a joint configuration neither the old voters nor the new decide alone"),
        "nonVoterCountsItself": .init(
            "RaftTests/MembershipScenarioTests.swift",
            "Scenario 20: a leader that is no voter any more does not count itself"),
        "oneStepChanges": .init(
            "RaftTests/MemberChangeTests.swift",
            "In a joint configuration neither the old voters nor the new decide alone"),
        "learnersCount": .init("RaftTests/LearnerTests.swift", "A learner receives everything and counts for nothing"),
        "departingNotTold": .init("RaftTests/LearnerTests.swift", "A removed member is told before it is cut off"),
        "removedCampaigns": .init(
            "RaftTests/MembershipScenarioTests.swift",
            "Scenario 20: a removed follower is told, asks nobody for votes, and disturbs nobody"),
        "levelRaisedUnheard": .init(
            "RaftTests/LearnerTests.swift",
            "A member that was not heard in this leadership keeps the feature level down"),
        "promotedBehind": .init(
            "RaftTests/LearnerTests.swift",
            "A learner is promoted when a round is shorter than an election timeout, and not before"),
        "leaseSurvivesTransfer": .init(
            "RaftTests/TransferScenarioTests.swift",
            "Scenario 31: a reply is lost during the transfer, two servers think they lead, and clients see but one"),
        "votesBreakLease": .init(
            "RaftTests/LeaseScenarioTests.swift",
            "Whoever heard a leader just now votes for nobody, and learns no term of a candidate"),
        "leaseFromArrival": .init(
            "RaftTests/LeaseScenarioTests.swift",
            "A lease is no older than the question: a late answer does not renew it"),
        "leaseTrustsOldTime": .init(
            "RaftTests/LeaseScenarioTests.swift",
            "A process that was stopped does not read by the lease that it had before"),
        "pledgeForgottenInCrash": .init(
            "RaftTests/LeaseScenarioTests.swift",
            "Nor does it right after a crash, in which it forgot whom it heard"),
        "anyoneHandsOver": .init(
            "RaftTests/TransferScenarioTests.swift",
            "Only the present leader of the present term is obeyed, and only by a voter that has what it needs"),
        "transferNeverGivenUp": .init(
            "RaftTests/TransferScenarioTests.swift",
            "While it lasts proposals are refused; it is given up after an election timeout, and the leader goes on"),
        "proposalsDuringTransfer": .init(
            "RaftTests/TransferScenarioTests.swift",
            "While it lasts proposals are refused; it is given up after an election timeout, and the leader goes on"),
        "lateAnswersAreLost": .init(
            "RaftTests/TimingTests.swift",
            "The answer to a question that was asked again counts"),
        "paceGrowsAtOnce": .init(
            "RaftTests/TimingTests.swift",
            "The leader tells a longer timeout at once, and slows its heartbeats when all have been told"),
        "roundTripsIncludeDisk": .init(
            "RaftTests/TimingTests.swift",
            "Answers that waited for the disk say nothing about the network"),
        "leaderStaysLost": .init(
            "RaftTests/TimingTests.swift",
            "A broken connection shortens the wait for a dead leader; anything that it says undoes that"),
        "hangingDiskStands": .init("RaftTests/TimingTests.swift", "A server does not stand while its disk hangs"),
        "leaseTimeFromWallClock": .init(
            "SimulationTests/MemberScenarioTests.swift",
            "Scenario 32: wall clocks jump an hour forward and back, and no session or lease ends early or late"),
        "snapshotNotSynced": .init(
            "WriteAheadLogTests/MutationTests.swift",
            "Scenario 2: a snapshot is durable before it is marked"),
        "directoryNotSynced": .init(
            "WriteAheadLogTests/MutationTests.swift",
            "Scenario 3: a segment's name is durable before an entry counts"),
        "hardStateNotRestated": .init(
            "WriteAheadLogTests/MutationTests.swift",
            "Scenario 16: term and vote outlive the segments they stood in"),
        "syncRetried": .init("WriteAheadLogTests/MutationTests.swift", "Scenario 26: a failed sync is final"),
        "lastBatchNotRewritten": .init(
            "WriteAheadLogTests/MutationTests.swift",
            "Scenario 26: the page cache is not believed"),
        "nothingReserved": .init(
            "WriteAheadLogTests/MutationTests.swift",
            "Scenario 27: votes have room on a full disk"),
        "tornTailIncluded": .init(
            "WriteAheadLogTests/MutationTests.swift",
            "Scenario 28: a torn batch is not part of the log"),
        "tornSegmentReused": .init(
            "WriteAheadLogTests/MutationTests.swift",
            "Scenario 28: a truncated segment is not written again"),
        "gapAccepted": .init(
            "WriteAheadLogTests/MutationTests.swift",
            "Scenario 29: a gap between snapshot and log is not bridged"),
        "damageIsCut": .init("WriteAheadLogTests/MutationTests.swift", "damage in the middle is not cut"),
        "termOfDamageForgotten": .init(
            "WriteAheadLogTests/MutationTests.swift",
            "the terms behind damage are not forgotten"),
        "partialSnapshotBelieved": .init(
            "WriteAheadLogTests/MutationTests.swift",
            "Scenario 22: a part of a snapshot is checked before it is resumed"),
    ]
}
