/// Deliberate faults, for tests only: each switches off one defence, and the simulator must then find a violation.
/// The numbers are those of the scenarios in the documentation of consensus.
public struct Mutations: OptionSet, Sendable {
    public let rawValue: UInt64

    public init(rawValue: UInt64) { self.rawValue = rawValue }

    /// 1: a follower acknowledges entries before they are durable.
    public static let ackBeforeDurable = Mutations(rawValue: 1 << 0)
    /// 1: the leader counts its own copy before it is durable.
    public static let leaderCountsItselfBeforeDurable = Mutations(rawValue: 1 << 1)
    /// 4: an append request deletes everything behind its previous index.
    public static let truncateOnOverlap = Mutations(rawValue: 1 << 2)
    /// 5: an entry of an older term is committed by counting.
    public static let countOlderTermCommit = Mutations(rawValue: 1 << 3)
    /// 6: a term learnt from others is not written.
    public static let termNotSaved = Mutations(rawValue: 1 << 4)
    /// 7: a truncation does not lower what counts as durable.
    public static let phantomDurability = Mutations(rawValue: 1 << 5)
    /// 8: a new leader confirms reads before it committed an entry of its own term.
    public static let readBeforeOwnTermCommit = Mutations(rawValue: 1 << 6)
    /// 9: a read is confirmed without asking whether this is still the leader.
    public static let confirmReadWithoutRound = Mutations(rawValue: 1 << 7)
    /// 10: votes compare the logs' lengths before their terms.
    public static let logComparedByLengthFirst = Mutations(rawValue: 1 << 8)
    /// 11: one fewer than a majority commits.
    public static let commitWithoutMajority = Mutations(rawValue: 1 << 9)
    /// 12: one fewer than a majority confirms a read.
    public static let readQuorumMinusOne = Mutations(rawValue: 1 << 10)
    /// 13: a refused pre-vote does not tell the candidate the newer term (nobody may ever be elected).
    public static let preVoteTeachesNoTerm = Mutations(rawValue: 1 << 11)
    /// 14: a leader without a majority stays leader (nobody else may ever be elected).
    public static let noCheckQuorum = Mutations(rawValue: 1 << 12)
    /// 16: votes are counted and told before they are durable.
    public static let voteBeforeDurable = Mutations(rawValue: 1 << 13)
    /// 16: votes are not written at all.
    public static let voteNotSaved = Mutations(rawValue: 1 << 14)
    /// 16: a server votes for whoever asks, also twice in a term.
    public static let voteTwice = Mutations(rawValue: 1 << 15)
    /// 21: a snapshot that conflicts with the log keeps the tail behind it.
    public static let keepConflictingTailAfterSnapshot = Mutations(rawValue: 1 << 16)
    /// 24: an installed snapshot's configuration is taken for the newest even if the log has a newer one.
    public static let staleConfigurationFromSnapshot = Mutations(rawValue: 1 << 17)
    /// 25: a request skips an entry that is too big for it.
    public static let skipOversizedEntry = Mutations(rawValue: 1 << 18)
    /// A follower commits up to its last index although the leader has confirmed less of it.
    public static let commitBeyondMatch = Mutations(rawValue: 1 << 19)
    /// A server whose log was damaged votes at once.
    public static let damagedVotes = Mutations(rawValue: 1 << 20)

    // MARK: Members

    /// 11: a leader goes on counting the voters of before its change.
    public static let staleVoters = Mutations(rawValue: 1 << 21)
    /// 15: a learner that does not know yet that it was promoted refuses to vote.
    public static let learnersRefuseVotes = Mutations(rawValue: 1 << 22)
    /// 17: a leader changes members before it has committed an entry of its own term. Joint consensus alone bears
    /// that: it does harm together with `oneStepChanges`, when every change is of one voter.
    public static let changeBeforeOwnTermCommit = Mutations(rawValue: 1 << 23)
    /// 18: only the leader that began a joint configuration leaves it.
    public static let onlyBeginnerLeaves = Mutations(rawValue: 1 << 24)
    /// 19: a configuration is in force when it is committed, not when it is appended.
    public static let configurationInForceWhenCommitted = Mutations(rawValue: 1 << 25)
    /// 20: a leader that was removed leads on.
    public static let removedLeadsOn = Mutations(rawValue: 1 << 26)
    /// 23: compacting the log twice loses the configuration.
    public static let compactionLosesMembers = Mutations(rawValue: 1 << 27)
    /// Two changes may be under way at a time.
    public static let changesOverlap = Mutations(rawValue: 1 << 28)
    /// In a joint configuration a majority of the new voters is enough.
    public static let jointCountsNewVotersOnly = Mutations(rawValue: 1 << 29)
    /// A leader counts itself although it is no voter.
    public static let nonVoterCountsItself = Mutations(rawValue: 1 << 30)

    /// Any change of voters, also of many, is made in one step, without a joint configuration.
    public static let oneStepChanges = Mutations(rawValue: 1 << 31)
    /// Learners count in every majority.
    public static let learnersCount = Mutations(rawValue: 1 << 32)
    /// 20: members that were removed are cut off at once, without a word.
    public static let departingNotTold = Mutations(rawValue: 1 << 33)
    /// 20: a server that is no voter, or knows that it was removed, stands for election.
    public static let removedCampaigns = Mutations(rawValue: 1 << 34)
    /// The feature level is raised before every member has been heard to support it.
    public static let levelRaisedUnheard = Mutations(rawValue: 1 << 35)
    /// A learner is promoted at once, however far behind.
    public static let promotedBehind = Mutations(rawValue: 1 << 36)

    // MARK: Leadership

    /// 31: a leader that has told another to stand for election keeps its lease.
    public static let leaseSurvivesTransfer = Mutations(rawValue: 1 << 40)
    /// Votes are given though a leader was heard within the time of a lease.
    public static let votesBreakLease = Mutations(rawValue: 1 << 41)
    /// A lease is counted from the answer's arrival, not from when the question was sent.
    public static let leaseFromArrival = Mutations(rawValue: 1 << 42)
    /// A lease is judged by a time that was known before the read came.
    public static let leaseTrustsOldTime = Mutations(rawValue: 1 << 43)
    /// A server votes right after a start, though it may have heard a leader just before its crash.
    public static let pledgeForgottenInCrash = Mutations(rawValue: 1 << 44)
    /// A server stands for election whoever tells it to, and whatever it is.
    public static let anyoneHandsOver = Mutations(rawValue: 1 << 45)
    /// A transfer of leadership that does not come about is waited for for ever (nothing may ever be written again).
    public static let transferNeverGivenUp = Mutations(rawValue: 1 << 46)
    /// Proposals are taken while leadership is handed over (the other may never be up to date).
    public static let proposalsDuringTransfer = Mutations(rawValue: 1 << 47)
    /// A pre-vote that is asked again forgets the answers to the first question (with slow links nobody is ever
    /// elected).
    public static let lateAnswersAreLost = Mutations(rawValue: 1 << 48)
    /// Heartbeats become rarer before the followers know (needless elections).
    public static let paceGrowsAtOnce = Mutations(rawValue: 1 << 49)
    /// Answers that waited for the disk are taken for round trips of the network (failover takes needlessly long).
    public static let roundTripsIncludeDisk = Mutations(rawValue: 1 << 50)
    /// A leader whose connection broke counts as lost though it is heard again (needless elections).
    public static let leaderStaysLost = Mutations(rawValue: 1 << 51)
    /// A server whose disk hangs stands for election.
    public static let hangingDiskStands = Mutations(rawValue: 1 << 52)
    /// A server stands for election within the time of a lease in which it heard a leader.
    public static let pledgedStands = Mutations(rawValue: 1 << 53)
    /// Members are changed though too many of those who would decide then are away (nothing may ever be written again).
    public static let changesOutOfReach = Mutations(rawValue: 1 << 54)

    /// A server that cannot lead asks for news like one that can (others make way for it, again and again).
    public static let newsAskedAsCandidate = Mutations(rawValue: 1 << 55)

    // MARK: What comes from outside

    /// 35: messages to other nodes, and of other clusters, are taken.
    public static let foreignMessagesTaken = Mutations(rawValue: 1 << 56)
    /// 30: a snapshot is installed though this server has committed as much.
    public static let oldSnapshotInstalled = Mutations(rawValue: 1 << 57)
}
