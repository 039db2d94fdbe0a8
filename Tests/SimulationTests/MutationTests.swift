import Foundation
import Testing

@testable import Simulation

/// A simulator that finds nothing proves nothing: with each defence switched off it must find what that lets through.
/// docs/mutations.md has the whole table.
@Suite("Mutations")
struct MutationTests {
    static let atRandom = KnownMutation.all.filter { $0.proof == .seeds }
    static let scripted = KnownMutation.all.filter { if case .script = $0.proof { true } else { false } }

    /// Where a seed is known that finds it, if the first ones do not: a little before it.
    static let starts: [String: UInt64] = [
        "removedLeadsOn": 8, "gapAccepted": 75, "tornTailIncluded": 45,
        "keepConflictingTailAfterSnapshot": 50, "leaseTimeFromWallClock": 10,
        "levelRaisedUnheard": 70, "nothingReserved": 68, "newsAskedAsCandidate": 120,
        "waitersAreNotChecked": 130, "watchersSeeAll": 130, "replacementsForgetTheLease": 90, "absenceIsNotChecked": 45,
    ]
    /// From there on.
    static let bound: UInt64 = 40

    @Test("A defence switched off is found at random, by a seed that holds with the defence", arguments: atRandom)
    func random(_ mutation: KnownMutation) async {
        let start = Self.starts[mutation.name] ?? 1
        let finding = await Simulator.hunt(mutation, from: start, seeds: Self.bound, threads: 2)
        #expect(finding.seeds != nil, "not found by \(Self.bound) seeds from \(start)")
        #expect(finding.defendedFailures.isEmpty, "\(finding.defendedFailures)")
    }

    @Test("A defence switched off is found by its script, which holds with the defence", arguments: scripted)
    func script(_ mutation: KnownMutation) throws {
        guard case .script(let name) = mutation.proof else { return }
        let script = try #require(Scripts.all.first { $0.name == name })
        #expect(script.isCaught(mutation.huntOptions()))
        for seed in 1...script.seeds {
            let failure = script.failure(seed, mutation.huntOptions(mutated: false))
            #expect(failure == nil, "with the defence, seed \(seed): \(failure ?? "")")
        }
    }

    @Test("Every defence that can be switched off is in the catalogue, once, and has a proof")
    func complete() throws {
        let names = KnownMutation.all.map(\.name)
        #expect(Set(names).count == names.count)
        let sources = [
            ("Raft/Mutations.swift", KnownMutation.Layer.consensus), ("Replica/ReplicaSettings.swift", .replica),
            ("WriteAheadLog/StorageMutations.swift", .storage), ("TupleSpace/Store/TupleMutations.swift", .tuples),
        ]
        for (file, layer) in sources {
            let text = try String(contentsOf: root.appending(path: "Sources/" + file), encoding: .utf8)
            let declared = text.matches(of: /public static let (\w+) = \w*Mutations\(/).map { String($0.1) }
            #expect(declared.count >= 5)
            #expect(Set(declared) == Set(KnownMutation.all.filter { $0.layer == layer }.map(\.name)))
        }
        for mutation in KnownMutation.all where mutation.proof == .directedTest {
            #expect(mutation.directedTest != nil, "nothing shows that \(mutation.name) matters")
        }
        #expect(Set(KnownMutation.directedTests.keys).isSubset(of: names))
    }

    @Test("The directed tests exist under their titles, and switch the defence off")
    func directed() throws {
        for (name, test) in KnownMutation.directedTests {
            let text = try String(contentsOf: root.appending(path: "Tests/" + test.file), encoding: .utf8)
            #expect(text.contains("\"" + test.title + "\""), "\(test.file) has no test \"\(test.title)\"")
            #expect(text.contains("." + name), "\(test.file) does not switch off \(name)")
        }
    }

    /// Of the package.
    private var root: URL {
        URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    }

    @Test("A failing seed shrinks to what it needs, and tells of it in readable lines")
    func shrinks() throws {
        let mutation = try #require(KnownMutation.named("voteTwice")?.first)
        let options = mutation.huntOptions()
        let seeds = 1...80 as ClosedRange<UInt64>
        let failures = seeds.lazy.compactMap { Simulator.run(seed: $0, options: options).failure }
        let found = try #require(failures.first)
        let seed = found.seed
        let shrunk = try #require(Simulator.shrink(seed: seed, options: options, traceLines: 40, runs: 200))
        #expect(shrunk.invariant == found.invariant)
        #expect(shrunk.options.onlyMisfortunes.map { $0.count <= 4 } ?? false, "\(shrunk)")
        #expect(shrunk.options.faultMilliseconds <= options.faultMilliseconds)
        #expect(!shrunk.trace.isEmpty && shrunk.trace.count <= 40)
        #expect(shrunk.schedule.count <= 12)
        let isReadable = (shrunk.trace + shrunk.schedule).allSatisfy { $0.count <= 300 && $0.contains(" ms ") }
        #expect(isReadable, "\(shrunk)")
        #expect(shrunk.description.contains("starling simulate --seed \(seed)"))
        #expect(shrunk.description.contains("--without voteTwice"))
    }

    @Test("What needs no fault shrinks to none")
    func shrinksToNothing() throws {
        let mutation = try #require(KnownMutation.named("commitWithoutMajority")?.first)
        let shrunk = try #require(Simulator.shrink(seed: 1, options: mutation.huntOptions()))
        #expect(shrunk.options.allowedFaults.isEmpty)
        #expect(shrunk.options.onlyMisfortunes?.isEmpty ?? false)
    }
}

extension KnownMutation: CustomTestStringConvertible {
    public var testDescription: String { name }
}
