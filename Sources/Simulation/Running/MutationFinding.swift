/// How the simulator found a defence switched off.
public struct MutationFinding: Sendable {
    public let mutation: KnownMutation
    /// Seeds run until one failed that holds with the defence; nil if none did.
    public let seeds: Int?
    public let seedsTried: Int
    /// Seeds that fail with the defence too, even with all the time to heal that a usual run has: none may.
    public let defendedFailures: [SimulationFailure]
    /// The script that fails, if no seed did.
    public let script: String?
    /// What was broken; nil if nothing was found.
    public let failure: SimulationFailure?

    /// By the simulator: at random, or by a script.
    public var isCaught: Bool { seeds != nil || script != nil }
    /// By the simulator or by a directed test.
    public var isProven: Bool { isCaught || mutation.directedTest != nil }
}

extension KnownMutation {
    /// How runs are made that need this defence; switched off in them if `mutated`.
    public func huntOptions(
        _ base: SimulationOptions = SimulationOptions(), mutated: Bool = true
    ) -> SimulationOptions {
        var options = base
        hunt.apply(&options)
        if mutated { apply(&options) }
        return options
    }
}

extension Simulator {
    /// Runs seeds, from the first one on, with a defence switched off until one fails which holds with it, and if none
    /// does, its script.
    /// - Parameter seeds: at most so many.
    public static func hunt(
        _ mutation: KnownMutation, from first: UInt64 = 1, seeds: UInt64,
        options base: SimulationOptions = SimulationOptions(), threads: Int
    ) async -> MutationFinding {
        let options = mutation.huntOptions(base)
        let defended = mutation.huntOptions(base, mutated: false)
        var patient = defended
        patient.healingMilliseconds = max(defended.healingMilliseconds, SimulationOptions().healingMilliseconds)
        let end = first + seeds
        var next = first
        var both: [SimulationFailure] = []
        while next < end {
            let result = await runMany(
                seeds: next..<end, options: options, threads: threads, stopsAtFirst: true)
            guard let failure = result.failures.first else { break }
            guard run(seed: failure.seed, options: defended).failure != nil else {
                return MutationFinding(
                    mutation: mutation, seeds: Int(failure.seed - first + 1), seedsTried: Int(failure.seed - first + 1),
                    defendedFailures: both, script: nil, failure: failure)
            }
            // Too little time to heal, for a hunt's quick runs, proves nothing either way.
            if let other = run(seed: failure.seed, options: patient).failure { both.append(other) }
            next = failure.seed + 1
        }
        let script = Scripts.all.first {
            $0.name == mutation.hunt.script && $0.isCaught(options) && !$0.isCaught(defended)
        }
        return MutationFinding(
            mutation: mutation, seeds: nil, seedsTried: Int(seeds), defendedFailures: both, script: script?.name,
            failure: nil)
    }
}
