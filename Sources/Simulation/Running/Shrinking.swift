/// Makes a failing run small enough to be read.
extension Simulator {
    /// Looks for a run of the same seed that breaks the same invariant with fewer kinds of faults, servers, clients and operations, in less
    /// time, and with fewer single misfortunes; and runs that with a readable trace.
    /// - Parameter runs: how many runs may be spent on it.
    /// - Returns: nil if the seed does not fail.
    public static func shrink(
        seed: UInt64, options: SimulationOptions, traceLines: Int = 80, runs: Int = 400
    ) -> SimulationFailure? {
        let first = run(seed: seed, options: options)
        guard let failure = first.failure else { return nil }
        var search = Shrinking(seed: seed, options: options, best: first, signature: failure.signature, runsLeft: runs)
        search.shorten()
        search.forbidFaults()
        search.takeAway()
        search.dropMisfortunes()
        search.forbidFaults()
        search.takeAway()
        search.shorten()
        var final = search.options
        final.traceLines = traceLines
        return run(seed: seed, options: final).failure ?? search.best.failure
    }
}

extension SimulationFailure {
    /// The same for failures that look alike: who fails to recover may be another server, but not why.
    fileprivate var signature: String {
        guard invariant == SimulationFailure.unrecovered else { return invariant }
        return details.split(separator: " ").suffix(3).filter { !$0.contains(where: \.isNumber) }.joined(separator: " ")
    }
}

private struct Shrinking {
    let seed: UInt64
    /// Of the smallest failing run so far, and what it came to.
    var options: SimulationOptions
    var best: RunResult
    let signature: String
    var runsLeft: Int

    /// Keeps the candidate if it fails in the same way.
    @discardableResult
    mutating func keeps(_ change: (inout SimulationOptions) -> Void) -> Bool {
        guard runsLeft > 0 else { return false }
        runsLeft -= 1
        var candidate = options
        change(&candidate)
        let result = Simulator.run(seed: seed, options: candidate)
        guard result.failure?.signature == signature else { return false }
        options = candidate
        best = result
        return true
    }

    mutating func forbidFaults() {
        for (fault, _) in Faults.names where options.allowedFaults.contains(fault) {
            keeps { $0.allowedFaults.remove(fault) }
        }
    }

    /// The run need not go on behind the failure, and perhaps the faults may end earlier.
    mutating func shorten() {
        if best.virtualMilliseconds < options.faultMilliseconds {
            let end = best.virtualMilliseconds + 1
            keeps { $0.faultMilliseconds = end }
        } else {
            for healing in [12_000, 25_000, 40_000] as [UInt64] where healing < options.healingMilliseconds {
                if keeps({ $0.healingMilliseconds = healing }) { break }
            }
        }
        while options.faultMilliseconds >= 100 {
            let half = options.faultMilliseconds / 2
            guard keeps({ $0.faultMilliseconds = half }) else { break }
        }
    }

    mutating func takeAway() {
        for count in 0..<min(best.clients, 4) { if keeps({ $0.clients = count }) { break } }
        for count in [1, 3, 10] where count < options.operations ?? .max {
            if keeps({ $0.operations = count }) { break }
        }
        for count in 1..<max(best.servers, 2) where count < best.servers { if keeps({ $0.servers = count }) { break } }
        guard options.allowedFaults.contains(.members) else { return }
        for count in 0..<(options.spares ?? 3) { if keeps({ $0.spares = count }) { break } }
    }

    /// Zeller's ddmin: leaves out ever smaller parts of what is left, as long as it still fails.
    mutating func dropMisfortunes() {
        var left = (options.onlyMisfortunes ?? Set(0..<best.misfortunes)).sorted()
        var parts = 2
        while !left.isEmpty, runsLeft > 0 {
            let size = (left.count + parts - 1) / parts
            var isSmaller = false
            for start in stride(from: 0, to: left.count, by: size) {
                let rest = Array(left[..<start] + left[min(start + size, left.count)...])
                guard keeps({ $0.onlyMisfortunes = Set(rest) }) else { continue }
                left = rest
                isSmaller = true
                break
            }
            if isSmaller {
                parts = max(2, parts - 1)
            } else if size == 1 {
                break
            } else {
                parts = min(left.count, parts * 2)
            }
        }
        if options.onlyMisfortunes == nil { keeps { $0.onlyMisfortunes = Set(left) } }
    }
}
