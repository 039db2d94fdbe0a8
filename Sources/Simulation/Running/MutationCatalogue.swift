import Raft
import Replica
import TupleSpace
import WriteAheadLog

/// A defence that can be switched off.
public struct KnownMutation: Sendable {
    public enum Layer: String, Sendable, CaseIterable { case consensus, replica, storage, tuples }

    /// As in the program.
    public let name: String
    /// Of the documentation of consensus; 0 for a defence that none of them is about.
    public let scenario: Int
    public let layer: Layer
    public let apply: @Sendable (inout SimulationOptions) -> Void
    /// Whether these options have it switched off.
    let isApplied: @Sendable (SimulationOptions) -> Bool
    let hunt: Hunt

    /// What shows that the defence is needed.
    public enum Proof: Sendable, Equatable {
        case seeds
        case script(String)
        /// The simulator does not find it.
        case directedTest
    }

    public var proof: Proof {
        if let script = hunt.script { return .script(script) }
        return hunt.note == nil ? .seeds : .directedTest
    }

    init(_ name: String, _ scenario: Int, _ mutation: Mutations, _ hunt: Hunt) {
        self.name = name
        self.scenario = scenario
        self.hunt = hunt
        layer = .consensus
        apply = { $0.mutations.insert(mutation) }
        isApplied = { $0.mutations.isSuperset(of: mutation) }
    }

    init(_ name: String, _ scenario: Int, _ mutation: ReplicaMutations, _ hunt: Hunt) {
        self.name = name
        self.scenario = scenario
        self.hunt = hunt
        layer = .replica
        apply = { $0.replicaMutations.insert(mutation) }
        isApplied = { $0.replicaMutations.isSuperset(of: mutation) }
    }

    init(_ name: String, _ scenario: Int, _ mutation: StorageMutations, _ hunt: Hunt) {
        self.name = name
        self.scenario = scenario
        self.hunt = hunt
        layer = .storage
        apply = { $0.storageMutations.insert(mutation) }
        isApplied = { $0.storageMutations.isSuperset(of: mutation) }
    }

    init(_ name: String, _ mutation: TupleMutations, _ hunt: Hunt) {
        self.name = name
        scenario = 0
        self.hunt = hunt
        layer = .tuples
        apply = { $0.tupleMutations.insert(mutation) }
        isApplied = { $0.tupleMutations.isSuperset(of: mutation) }
    }

    /// Those named, between commas; nil if one of them is unknown.
    public static func named(_ names: String) -> [KnownMutation]? {
        var found: [KnownMutation] = []
        for name in names.split(separator: ",") {
            guard let mutation = all.first(where: { $0.name == name }) else { return nil }
            found.append(mutation)
        }
        return found.isEmpty ? nil : found
    }

    public static let all = consensus + members + leadership + replica + storage + tuples + rights

    static let consensus: [KnownMutation] = [
        .init("ackBeforeDurable", 1, .ackBeforeDurable, .powerLoss),
        .init("leaderCountsItselfBeforeDurable", 1, .leaderCountsItselfBeforeDurable, .powerLoss),
        .init("truncateOnOverlap", 4, .truncateOnOverlap, .network),
        .init("countOlderTermCommit", 5, .countOlderTermCommit, .partitions),
        .init("termNotSaved", 6, .termNotSaved, .powerLoss),
        .init("phantomDurability", 7, .phantomDurability, .slowDisks),
        .init("readBeforeOwnTermCommit", 8, .readBeforeOwnTermCommit, .partitions),
        .init(
            "confirmReadWithoutRound", 9, .confirmReadWithoutRound,
            .partitions
                .scripted("a leader is deposed and does not know it")),
        .init(
            "logComparedByLengthFirst", 10, .logComparedByLengthFirst,
            .partitions
                .scripted("a longer log of an older term comes back")),
        .init("commitWithoutMajority", 11, .commitWithoutMajority, .partitions),
        .init(
            "readQuorumMinusOne", 12, .readQuorumMinusOne,
            .partitions
                .scripted("a leader is deposed and does not know it")),
        .init("preVoteTeachesNoTerm", 13, .preVoteTeachesNoTerm, .partitions.scripted("a longer log of an older term")),
        .init("noCheckQuorum", 14, .noCheckQuorum, .partitions.scripted("partial partition")),
        .init("voteBeforeDurable", 16, .voteBeforeDurable, .powerLoss),
        .init("voteNotSaved", 16, .voteNotSaved, .powerLoss),
        .init("voteTwice", 16, .voteTwice, .partitions),
        .init("keepConflictingTailAfterSnapshot", 21, .keepConflictingTailAfterSnapshot, .snapshots),
        .init(
            "staleConfigurationFromSnapshot", 24, .staleConfigurationFromSnapshot,
            .memberSnapshots.noting(
                "It needs a snapshot for a server whose log already goes beyond it.")),
        .init("skipOversizedEntry", 25, .skipOversizedEntry, .usual),
        .init(
            "oldSnapshotInstalled", 30, .oldSnapshotInstalled,
            .snapshots.noting("The replica asks for no snapshot that it does not need, which is a second defence.")),
        .init(
            "foreignMessagesTaken", 35, .foreignMessagesTaken,
            .usual.noting("The transport authenticates who speaks to whom, and so does the simulated network.")),
        .init("commitBeyondMatch", 0, .commitBeyondMatch, .partitions),
        .init("damagedVotes", 0, .damagedVotes, .rot),
    ]

    static let members: [KnownMutation] = [
        .init("staleVoters", 11, .staleVoters, .members),
        .init("learnersRefuseVotes", 15, .learnersRefuseVotes, .members),
        .init("changeBeforeOwnTermCommit", 17, .changeBeforeOwnTermCommit, .members),
        .init("onlyBeginnerLeaves", 18, .onlyBeginnerLeaves, .members),
        .init("configurationInForceWhenCommitted", 19, .configurationInForceWhenCommitted, .members),
        .init("removedLeadsOn", 20, .removedLeadsOn, .members),
        .init("compactionLosesMembers", 23, .compactionLosesMembers, .memberSnapshots),
        .init("changesOverlap", 0, .changesOverlap, .members),
        .init("jointCountsNewVotersOnly", 0, .jointCountsNewVotersOnly, .members),
        .init("nonVoterCountsItself", 0, .nonVoterCountsItself, .members),
        .init("oneStepChanges", 0, .oneStepChanges, .members),
        .init("learnersCount", 0, .learnersCount, .members),
        .init(
            "departingNotTold", 20, .departingNotTold,
            .members.noting("Whoever was removed asks in the end, and learns it from the answer; only later.")),
        .init("removedCampaigns", 20, .removedCampaigns, .members.scripted("a learner that hears no leader")),
        .init("levelRaisedUnheard", 0, .levelRaisedUnheard, .upgrades),
        .init("promotedBehind", 0, .promotedBehind, .members.scripted("a learner that gets nothing")),
        .init(
            "changesOutOfReach", 0, .changesOutOfReach,
            .members.noting("Whoever is away comes back before the cluster must have recovered.")),
    ]

    static let leadership: [KnownMutation] = [
        .init("leaseSurvivesTransfer", 31, .leaseSurvivesTransfer, .leases.scripted("a transfer within a lease")),
        .init("votesBreakLease", 0, .votesBreakLease, .leases.scripted("a vote within a lease")),
        .init("leaseFromArrival", 0, .leaseFromArrival, .leases.scripted("answers from long ago")),
        .init(
            "leaseTrustsOldTime", 9, .leaseTrustsOldTime,
            .leases.noting(
                "The shell looks at the clock before each pass, which is a second defence.")),
        .init(
            "pledgedStands", 0, .pledgedStands,
            .leases.noting("It needs messages that were taken with a time from before a pause.")),
        .init("pledgeForgottenInCrash", 0, .pledgeForgottenInCrash, .leases.scripted("a crash within a lease")),
        .init(
            "anyoneHandsOver", 0, .anyoneHandsOver,
            .transfers.noting(
                "Only leaders say the word; late ones lead to a needless election at worst.")),
        .init("transferNeverGivenUp", 31, .transferNeverGivenUp, .transfers.scripted("nobody obeys a transfer")),
        .init(
            "proposalsDuringTransfer", 0, .proposalsDuringTransfer,
            .transfers.noting(
                "It makes transfers late, and the transfer is given up after a timeout.")),
        .init(
            "lateAnswersAreLost", 0, .lateAnswersAreLost,
            .far.noting(
                "Elections over slow links come late, but they come: the timeouts grow.")),
        .init(
            "paceGrowsAtOnce", 0, .paceGrowsAtOnce,
            .far.noting(
                "A needless election is no violation, and a quiet hour at 150 ms sees none.")),
        .init(
            "roundTripsIncludeDisk", 0, .roundTripsIncludeDisk,
            .slowDisks
                .scripted("a slow disk on a quick network")),
        .init(
            "leaderStaysLost", 0, .leaderStaysLost,
            .usual.noting(
                "Those who hear the leader refuse the pre-vote, so that nothing is broken.")),
        .init("newsAskedAsCandidate", 0, .newsAskedAsCandidate, .rotFar),
        .init("hangingDiskStands", 0, .hangingDiskStands, .slowDisks.scripted("a hanging disk")),
    ]

    static let replica: [KnownMutation] = [
        .init("readsWithoutBarrier", 9, .readsWithoutBarrier, .usual),
        .init("readsBeforeApply", 0, .readsBeforeApply, .usual),
        .init("answersBeforeCommit", 1, .answersBeforeCommit, .partitions),
        .init("forgetsSequenceNumbers", 33, .forgetsSequenceNumbers, .network),
        .init("leaseTimeFromWallClock", 32, .leaseTimeFromWallClock, .clocks),
        .init("repairedStaysMute", 0, .repairedStaysMute, .rot),
        .init("levelNotAwaited", 0, .levelNotAwaited, .upgrades.drawingAll()),
    ]

    static let storage: [KnownMutation] = [
        .init("snapshotNotSynced", 2, .snapshotNotSynced, .snapshots),
        .init("directoryNotSynced", 3, .directoryNotSynced, .powerLoss),
        .init("hardStateNotRestated", 16, .hardStateNotRestated, .snapshots.scripted("the first segments are gone")),
        .init("syncRetried", 26, .syncRetried, .failingDisks),
        .init("lastBatchNotRewritten", 26, .lastBatchNotRewritten, .failingDisks),
        .init("nothingReserved", 27, .nothingReserved, .fullDisks),
        .init("tornTailIncluded", 28, .tornTailIncluded, .powerLoss),
        .init(
            "tornSegmentReused", 28, .tornSegmentReused,
            .powerLoss.noting(
                "It has no consequence that can be seen from outside; it makes files harder to judge.")),
        .init("gapAccepted", 29, .gapAccepted, .rotSnapshots),
        .init("damageIsCut", 0, .damageIsCut, .rot),
        .init(
            "termOfDamageForgotten", 0, .termOfDamageForgotten,
            .rot.noting(
                "It needs a term that stands only behind the damage, and a leader of an older one.")),
        .init(
            "partialSnapshotBelieved", 22, .partialSnapshotBelieved,
            .rotSnapshots.noting(
                "Nothing rots between two pieces of a snapshot, and the whole has a checksum of its own.")),
    ]

    static let tuples: [KnownMutation] = [
        .init("leasesNeverEnd", .leasesNeverEnd, .all),
        .init("renewalsKeepTheEnd", .renewalsKeepTheEnd, .all),
        .init("goneTuplesAreRenewed", .goneTuplesAreRenewed, .all),
        .init("heldTuplesEnd", .heldTuplesEnd, .all),
        .init("returnsIgnoreTheEnd", .returnsIgnoreTheEnd, .all),
        .init("snapshotsForgetLeases", .snapshotsForgetLeases, .allSnapshots),
        .init("replacementsForgetTheLease", .replacementsForgetTheLease, .all),
        .init("replacementsMove", .replacementsMove, .all),
        .init("takeAllLeavesOne", .takeAllLeavesOne, .all),
        .init("statementsDoHalf", .statementsDoHalf, .all),
        .init("alternativesBackwards", .alternativesBackwards, .all),
        .init("absenceIsNotChecked", .absenceIsNotChecked, .all),
        .init("formalsMatchAnything", .formalsMatchAnything, .all),
        .init("statementsFindTwice", .statementsFindTwice, .all),
        .init("statementsShowOne", .statementsShowOne, .all),
        .init("doneStatementsWait", .doneStatementsWait, .all),
        .init("snapshotsForgetStatements", .snapshotsForgetStatements, .allSnapshots),
    ]

    static let rights: [KnownMutation] = [
        .init("releasesMove", .releasesMove, .all),
        .init("completionsAreForgotten", .completionsAreForgotten, .all),
        .init("extensionsKeepTheEnd", .extensionsKeepTheEnd, .all),
        .init("reservationsAreAnybodys", .reservationsAreAnybodys, .all),
        .init("snapshotsForgetReservations", .snapshotsForgetReservations, .allSnapshots),
        .init("failureTuplesAreLost", .failureTuplesAreLost, .deaths),
        .init("failureTuplesComeTwice", .failureTuplesComeTwice, .deaths),
        .init("cleanEndsLeaveTuples", .cleanEndsLeaveTuples, .all),
        .init("snapshotsForgetFailureTuples", .snapshotsForgetFailureTuples, .deathsAndSnapshots),
        .init(
            "failureTuplesAreNotChecked", .failureTuplesAreNotChecked,
            .deaths.scripted("who may not write any more dies")),
        .init("writesAreNotChecked", .writesAreNotChecked, .all),
        .init("waitersAreNotChecked", .waitersAreNotChecked, .all),
        .init("removedTokensWait", .removedTokensWait, .all.scripted("a token goes while its user waits")),
        .init("watchersSeeAll", .watchersSeeAll, .all),
        .init("snapshotsForgetRights", .snapshotsForgetRights, .allSnapshots),
    ]
}
