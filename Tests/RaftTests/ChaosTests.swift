import Foundation
import Raft
import Testing

/// Random events against a small cluster, and after each the promises of consensus. The simulator does this with the
/// whole server; this one needs nothing but the node, and finds what is wrong here within seconds.
@Suite("Chaos")
struct ChaosTests {
    /// More of them with `STARLING_CHAOS_SEEDS`.
    static let firstSeed = ProcessInfo.processInfo.environment["STARLING_CHAOS_FIRST"].flatMap { Int($0) } ?? 0
    static let seeds = ProcessInfo.processInfo.environment["STARLING_CHAOS_SEEDS"].flatMap { Int($0) } ?? 60

    @Test("Nothing committed is ever lost, whatever the network, the disks and the servers do", arguments: 0..<seeds)
    func safety(seed: Int) {
        var chaos = Chaos(servers: [1, 2, 3, 3, 5][seed % 5], seed: UInt64(seed))
        chaos.run(events: 3000)
        #expect(chaos.violations == [])
        chaos.heal()
        #expect(chaos.violations == [])
        let status = chaos.cluster.servers.map(\.inWords)
        let isLive = chaos.isLive
        #expect(isLive, "seed \(seed): \(status)")
        let count = chaos.committed.count
        #expect(count > 0)
    }

    @Test("Nor while members come and go, one or many at once", arguments: firstSeed..<firstSeed + seeds)
    func safetyOfMembers(seed: Int) {
        var chaos = Chaos(servers: [1, 2, 3, 3, 5][seed % 5], seed: UInt64(seed), changesMembers: true)
        chaos.run(events: 4000)
        #expect(chaos.violations == [])
        chaos.heal()
        #expect(chaos.violations == [])
        let status = chaos.cluster.servers.map(\.inWords)
        let isLive = chaos.isLive
        #expect(isLive, "seed \(seed): \(status)")
        let uninformed = chaos.uninformed
        #expect(uninformed == [], "seed \(seed)")
    }

    @Test("The same seed gives the same history")
    func determinism() {
        var first = Chaos(servers: 3, seed: 77)
        var second = Chaos(servers: 3, seed: 77)
        first.run(events: 2000)
        second.run(events: 2000)
        #expect(first.committed == second.committed)
        #expect(first.cluster.network == second.cluster.network)
    }

    static let harmful: [(name: String, mutation: Mutations)] = [
        ("leaderCountsItselfBeforeDurable", .leaderCountsItselfBeforeDurable),
        ("truncateOnOverlap", .truncateOnOverlap),
        ("phantomDurability", .phantomDurability),
        ("readBeforeOwnTermCommit", .readBeforeOwnTermCommit),
        ("confirmReadWithoutRound", .confirmReadWithoutRound),
        ("commitWithoutMajority", .commitWithoutMajority),
        ("readQuorumMinusOne", .readQuorumMinusOne),
        ("voteBeforeDurable", .voteBeforeDurable),
        ("voteTwice", .voteTwice),
        ("commitBeyondMatch", .commitBeyondMatch),
    ]

    @Test("A defence that is switched off is missed", arguments: harmful.indices)
    func mutations(_ i: Int) {
        let (name, mutation) = ChaosTests.harmful[i]
        for seed in 0..<200 {
            var chaos = Chaos(servers: 3 + 2 * (seed % 2), seed: UInt64(seed), mutations: mutation)
            chaos.run(events: 3000)
            if !chaos.violations.isEmpty { return }
        }
        Issue.record("200 seeds find nothing wrong with \(name)")
    }
}
