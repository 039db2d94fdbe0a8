import Raft
import Replica
import Testing

@testable import Simulation

/// A simulator that finds nothing proves nothing: with each defence switched off it must find what that lets through.
@Suite("Mutations")
struct MutationTests {
    static let ofConsensus: [(name: String, mutation: Mutations)] = [
        ("acknowledges before it is durable", .ackBeforeDurable),
        ("the leader counts itself before it is durable", .leaderCountsItselfBeforeDurable),
        ("overlapping requests truncate", .truncateOnOverlap),
        ("an older term is committed by counting", .countOlderTermCommit),
        ("a term is not saved", .termNotSaved),
        ("phantom durability", .phantomDurability),
        ("reads before a commit of the own term", .readBeforeOwnTermCommit),
        ("commits without a majority", .commitWithoutMajority),
        ("votes before it is durable", .voteBeforeDurable),
        ("a vote is not saved", .voteNotSaved),
        ("votes twice", .voteTwice),
        ("skips an oversized entry", .skipOversizedEntry),
        ("commits beyond what the leader confirmed", .commitBeyondMatch),
    ]

    static let ofReplica: [(name: String, mutation: ReplicaMutations)] = [
        ("reads without a barrier", .readsWithoutBarrier),
        ("reads before it has applied", .readsBeforeApply),
        ("answers before commit", .answersBeforeCommit),
        ("forgets sequence numbers", .forgetsSequenceNumbers),
        ("lease time from the wall clock", .leaseTimeFromWallClock),
    ]

    static func options() -> SimulationOptions {
        var options = SimulationOptions()
        options.faultMilliseconds = 1_500
        options.healingMilliseconds = 10_000
        return options
    }

    @Test("Consensus without one defence is caught", arguments: 0..<13)
    func consensus(_ index: Int) async {
        var options = Self.options()
        options.mutations = Self.ofConsensus[index].mutation
        let result = await Simulator.runMany(seeds: 1..<200, options: options, threads: 2, stopsAtFirst: true)
        #expect(!result.failures.isEmpty, "\(Self.ofConsensus[index].name): not found in \(result.seeds) seeds")
    }

    @Test("A replica without one defence is caught", arguments: 0..<5)
    func replica(_ index: Int) async {
        var options = Self.options()
        options.replicaMutations = Self.ofReplica[index].mutation
        let result = await Simulator.runMany(seeds: 1..<200, options: options, threads: 2, stopsAtFirst: true)
        #expect(!result.failures.isEmpty, "\(Self.ofReplica[index].name): not found in \(result.seeds) seeds")
    }

    @Test("A failing seed shrinks to one that still fails, with its trace")
    func shrinks() throws {
        var options = Self.options()
        options.mutations = .commitWithoutMajority
        let shrunk = try #require(Simulator.shrink(seed: 1, options: options))
        #expect(shrunk.options.faultMilliseconds <= options.faultMilliseconds)
        #expect(shrunk.options.allowedFaults.isEmpty, "it needs no fault at all")
        #expect(!shrunk.trace.isEmpty)
        #expect(shrunk.description.contains("seed 1"))
    }
}
