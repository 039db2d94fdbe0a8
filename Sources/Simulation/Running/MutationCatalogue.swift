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

    init(_ name: String, _ scenario: Int, _ mutation: Mutations) {
        self.name = name
        self.scenario = scenario
        layer = .consensus
        apply = { $0.mutations.insert(mutation) }
    }

    init(_ name: String, _ scenario: Int, _ mutation: ReplicaMutations) {
        self.name = name
        self.scenario = scenario
        layer = .replica
        apply = { $0.replicaMutations.insert(mutation) }
    }

    init(_ name: String, _ scenario: Int, _ mutation: StorageMutations) {
        self.name = name
        self.scenario = scenario
        layer = .storage
        apply = { $0.storageMutations.insert(mutation) }
    }

    public static let all = consensus + members + leadership + replica + storage

    static let consensus: [KnownMutation] = [
        .init("ackBeforeDurable", 1, .ackBeforeDurable),
        .init("leaderCountsItselfBeforeDurable", 1, .leaderCountsItselfBeforeDurable),
        .init("truncateOnOverlap", 4, .truncateOnOverlap),
        .init("countOlderTermCommit", 5, .countOlderTermCommit),
        .init("termNotSaved", 6, .termNotSaved),
        .init("phantomDurability", 7, .phantomDurability),
        .init("readBeforeOwnTermCommit", 8, .readBeforeOwnTermCommit),
        .init("confirmReadWithoutRound", 9, .confirmReadWithoutRound),
        .init("logComparedByLengthFirst", 10, .logComparedByLengthFirst),
        .init("commitWithoutMajority", 11, .commitWithoutMajority),
        .init("readQuorumMinusOne", 12, .readQuorumMinusOne),
        .init("preVoteTeachesNoTerm", 13, .preVoteTeachesNoTerm),
        .init("noCheckQuorum", 14, .noCheckQuorum),
        .init("voteBeforeDurable", 16, .voteBeforeDurable),
        .init("voteNotSaved", 16, .voteNotSaved),
        .init("voteTwice", 16, .voteTwice),
        .init("keepConflictingTailAfterSnapshot", 21, .keepConflictingTailAfterSnapshot),
        .init("staleConfigurationFromSnapshot", 24, .staleConfigurationFromSnapshot),
        .init("skipOversizedEntry", 25, .skipOversizedEntry),
        .init("commitBeyondMatch", 0, .commitBeyondMatch),
        .init("damagedVotes", 0, .damagedVotes),
    ]

    static let members: [KnownMutation] = [
        .init("staleVoters", 11, .staleVoters),
        .init("learnersRefuseVotes", 15, .learnersRefuseVotes),
        .init("changeBeforeOwnTermCommit", 17, .changeBeforeOwnTermCommit),
        .init("onlyBeginnerLeaves", 18, .onlyBeginnerLeaves),
        .init("configurationInForceWhenCommitted", 19, .configurationInForceWhenCommitted),
        .init("removedLeadsOn", 20, .removedLeadsOn),
        .init("compactionLosesMembers", 23, .compactionLosesMembers),
        .init("changesOverlap", 0, .changesOverlap),
        .init("jointCountsNewVotersOnly", 0, .jointCountsNewVotersOnly),
        .init("nonVoterCountsItself", 0, .nonVoterCountsItself),
        .init("oneStepChanges", 0, .oneStepChanges),
        .init("learnersCount", 0, .learnersCount),
        .init("departingNotTold", 20, .departingNotTold),
        .init("removedCampaigns", 20, .removedCampaigns),
        .init("levelRaisedUnheard", 0, .levelRaisedUnheard),
        .init("promotedBehind", 0, .promotedBehind),
    ]

    static let leadership: [KnownMutation] = [
        .init("leaseSurvivesTransfer", 31, .leaseSurvivesTransfer),
        .init("votesBreakLease", 0, .votesBreakLease),
        .init("leaseFromArrival", 0, .leaseFromArrival),
        .init("leaseTrustsOldTime", 9, .leaseTrustsOldTime),
        .init("pledgeForgottenInCrash", 0, .pledgeForgottenInCrash),
        .init("anyoneHandsOver", 0, .anyoneHandsOver),
        .init("transferNeverGivenUp", 31, .transferNeverGivenUp),
        .init("proposalsDuringTransfer", 0, .proposalsDuringTransfer),
        .init("lateAnswersAreLost", 0, .lateAnswersAreLost),
        .init("paceGrowsAtOnce", 0, .paceGrowsAtOnce),
        .init("roundTripsIncludeDisk", 0, .roundTripsIncludeDisk),
        .init("leaderStaysLost", 0, .leaderStaysLost),
        .init("hangingDiskStands", 0, .hangingDiskStands),
    ]

    static let replica: [KnownMutation] = [
        .init("readsWithoutBarrier", 9, .readsWithoutBarrier),
        .init("readsBeforeApply", 0, .readsBeforeApply),
        .init("answersBeforeCommit", 1, .answersBeforeCommit),
        .init("forgetsSequenceNumbers", 33, .forgetsSequenceNumbers),
        .init("leaseTimeFromWallClock", 32, .leaseTimeFromWallClock),
    ]

    static let storage: [KnownMutation] = [
        .init("snapshotNotSynced", 2, .snapshotNotSynced),
        .init("directoryNotSynced", 3, .directoryNotSynced),
        .init("hardStateNotRestated", 16, .hardStateNotRestated),
        .init("syncRetried", 26, .syncRetried),
        .init("lastBatchNotRewritten", 26, .lastBatchNotRewritten),
        .init("nothingReserved", 27, .nothingReserved),
        .init("tornTailIncluded", 28, .tornTailIncluded),
        .init("tornSegmentReused", 28, .tornSegmentReused),
        .init("gapAccepted", 29, .gapAccepted),
        .init("damageIsCut", 0, .damageIsCut),
        .init("termOfDamageForgotten", 0, .termOfDamageForgotten),
        .init("partialSnapshotBelieved", 22, .partialSnapshotBelieved),
    ]
}

/// How the simulator found a defence switched off.
public struct MutationFinding: Sendable {
    public let mutation: KnownMutation
    /// Seeds run until one failed; nil if none did.
    public let seeds: Int?
    public let seedsTried: Int
    /// The script that fails, if no seed did.
    public let script: String?
    /// The invariant that was broken; empty if nothing was found.
    public let invariant: String

    public var isCaught: Bool { seeds != nil || script != nil }
}

extension Simulator {
    /// Runs seeds from 1 on with a defence switched off until one fails, and if none does, the scripts.
    /// - Parameter seeds: at most so many.
    public static func hunt(
        _ mutation: KnownMutation, seeds: UInt64, options: SimulationOptions = SimulationOptions(), threads: Int
    ) async -> MutationFinding {
        var options = options
        mutation.apply(&options)
        let result = await runMany(seeds: 1..<seeds + 1, options: options, threads: threads, stopsAtFirst: true)
        if let failure = result.failures.first {
            return MutationFinding(
                mutation: mutation, seeds: Int(failure.seed), seedsTried: result.seeds, script: nil,
                invariant: failure.invariant)
        }
        let script = Scripts.all.first { $0.isCaught(options) }
        return MutationFinding(
            mutation: mutation, seeds: nil, seedsTried: result.seeds, script: script?.name,
            invariant: script?.claim ?? "")
    }

    /// A Markdown table of findings.
    public static func table(_ findings: [MutationFinding]) -> String {
        var lines = [
            "| scenario | defence switched off | in | seeds until caught | what is broken then |",
            "| ---: | --- | --- | ---: | --- |",
        ]
        for finding in findings {
            let scenario = finding.mutation.scenario == 0 ? "" : "\(finding.mutation.scenario)"
            let caught =
                if let seeds = finding.seeds {
                    "\(seeds)"
                } else {
                    "more than \(finding.seedsTried)" + (finding.script.map { "; script \"\($0)\"" } ?? "; **not caught**")
                }
            lines.append(
                "| \(scenario) | `\(finding.mutation.name)` | \(finding.mutation.layer.rawValue) | \(caught) | "
                    + "\(finding.invariant) |")
        }
        return lines.joined(separator: "\n")
    }
}
