import Raft
import Replica
import WriteAheadLog

/// A defence that can be switched off.
public struct KnownMutation: Sendable {
    public enum Layer: String, Sendable, CaseIterable { case consensus, replica, storage }

    /// As in the program.
    public let name: String
    /// Of the documentation of consensus; 0 for a defence that none of them is about.
    public let scenario: Int
    public let layer: Layer
    public let apply: @Sendable (inout SimulationOptions) -> Void
    /// Whether these options have it switched off.
    let isApplied: @Sendable (SimulationOptions) -> Bool
    let hunt: Hunt

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

    /// Those named, between commas; nil if one of them is unknown.
    public static func named(_ names: String) -> [KnownMutation]? {
        var found: [KnownMutation] = []
        for name in names.split(separator: ",") {
            guard let mutation = all.first(where: { $0.name == name }) else { return nil }
            found.append(mutation)
        }
        return found.isEmpty ? nil : found
    }

    public static let all = consensus + members + leadership + replica + storage

    static let consensus: [KnownMutation] = [
        .init("ackBeforeDurable", 1, .ackBeforeDurable, .powerLoss),
        .init("leaderCountsItselfBeforeDurable", 1, .leaderCountsItselfBeforeDurable, .powerLoss),
        .init("truncateOnOverlap", 4, .truncateOnOverlap, .network),
        .init("countOlderTermCommit", 5, .countOlderTermCommit, .partitions),
        .init("termNotSaved", 6, .termNotSaved, .powerLoss),
        .init("phantomDurability", 7, .phantomDurability, .slowDisks),
        .init("readBeforeOwnTermCommit", 8, .readBeforeOwnTermCommit, .partitions),
        .init("confirmReadWithoutRound", 9, .confirmReadWithoutRound, .partitions),
        .init("logComparedByLengthFirst", 10, .logComparedByLengthFirst, .partitions),
        .init("commitWithoutMajority", 11, .commitWithoutMajority, .partitions),
        .init("readQuorumMinusOne", 12, .readQuorumMinusOne, .partitions),
        .init("preVoteTeachesNoTerm", 13, .preVoteTeachesNoTerm, .partitions),
        .init("noCheckQuorum", 14, .noCheckQuorum, .partitions),
        .init("voteBeforeDurable", 16, .voteBeforeDurable, .powerLoss),
        .init("voteNotSaved", 16, .voteNotSaved, .powerLoss),
        .init("voteTwice", 16, .voteTwice, .partitions),
        .init("keepConflictingTailAfterSnapshot", 21, .keepConflictingTailAfterSnapshot, .snapshots),
        .init("staleConfigurationFromSnapshot", 24, .staleConfigurationFromSnapshot, .memberSnapshots),
        .init("skipOversizedEntry", 25, .skipOversizedEntry, .usual),
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
        .init("departingNotTold", 20, .departingNotTold, .members),
        .init("removedCampaigns", 20, .removedCampaigns, .members),
        .init("levelRaisedUnheard", 0, .levelRaisedUnheard, .upgrades),
        .init("promotedBehind", 0, .promotedBehind, .members),
    ]

    static let leadership: [KnownMutation] = [
        .init("leaseSurvivesTransfer", 31, .leaseSurvivesTransfer, .leases),
        .init("votesBreakLease", 0, .votesBreakLease, .leases),
        .init("leaseFromArrival", 0, .leaseFromArrival, .leases),
        .init("leaseTrustsOldTime", 9, .leaseTrustsOldTime, .leases),
        .init("pledgeForgottenInCrash", 0, .pledgeForgottenInCrash, .leases),
        .init("anyoneHandsOver", 0, .anyoneHandsOver, .transfers),
        .init("transferNeverGivenUp", 31, .transferNeverGivenUp, .transfers),
        .init("proposalsDuringTransfer", 0, .proposalsDuringTransfer, .transfers),
        .init("lateAnswersAreLost", 0, .lateAnswersAreLost, .far),
        .init("paceGrowsAtOnce", 0, .paceGrowsAtOnce, .far),
        .init("roundTripsIncludeDisk", 0, .roundTripsIncludeDisk, .slowDisks),
        .init("leaderStaysLost", 0, .leaderStaysLost, .usual),
        .init("hangingDiskStands", 0, .hangingDiskStands, .slowDisks),
    ]

    static let replica: [KnownMutation] = [
        .init("readsWithoutBarrier", 9, .readsWithoutBarrier, .usual),
        .init("readsBeforeApply", 0, .readsBeforeApply, .usual),
        .init("answersBeforeCommit", 1, .answersBeforeCommit, .partitions),
        .init("forgetsSequenceNumbers", 33, .forgetsSequenceNumbers, .network),
        .init("leaseTimeFromWallClock", 32, .leaseTimeFromWallClock, .clocks),
    ]

    static let storage: [KnownMutation] = [
        .init("snapshotNotSynced", 2, .snapshotNotSynced, .snapshots),
        .init("directoryNotSynced", 3, .directoryNotSynced, .powerLoss),
        .init("hardStateNotRestated", 16, .hardStateNotRestated, .snapshots),
        .init("syncRetried", 26, .syncRetried, .failingDisks),
        .init("lastBatchNotRewritten", 26, .lastBatchNotRewritten, .failingDisks),
        .init("nothingReserved", 27, .nothingReserved, .fullDisks),
        .init("tornTailIncluded", 28, .tornTailIncluded, .powerLoss),
        .init("tornSegmentReused", 28, .tornSegmentReused, .powerLoss),
        .init("gapAccepted", 29, .gapAccepted, .rotSnapshots),
        .init("damageIsCut", 0, .damageIsCut, .rot),
        .init("termOfDamageForgotten", 0, .termOfDamageForgotten, .rot),
        .init("partialSnapshotBelieved", 22, .partialSnapshotBelieved, .rotSnapshots),
    ]
}
