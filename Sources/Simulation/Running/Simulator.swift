import ByteCoding
import Raft
import Replica
import TupleSpace

/// Runs whole clusters from seeds, and says what went wrong.
public enum Simulator {
    /// Runs one seed: a phase with faults, in which safety is checked at every step, and a phase without, in which the
    /// cluster must become whole again. The same seed and options give the same run, in any process.
    public static func run(seed: UInt64, options: SimulationOptions = SimulationOptions()) -> RunResult {
        let clock = ContinuousClock()
        let began = clock.now
        let cluster = SimulatedCluster(seed: seed, options: options)
        cluster.addClients()
        cluster.beginFaults()
        if cluster.run(milliseconds: options.faultMilliseconds) { heal(cluster, options) }
        if cluster.violation == nil { judge(cluster, options) }
        return result(cluster, options, seconds: (clock.now - began).inSeconds)
    }

    private static func heal(_ cluster: SimulatedCluster, _ options: SimulationOptions) {
        cluster.beginHealing()
        let end = cluster.now + options.healingMilliseconds * 1_000_000
        while cluster.now < end {
            guard cluster.run(milliseconds: 25) else { return }
            if cluster.unhealed() == nil { return }
        }
        if let reason = cluster.unhealed() {
            cluster.checker.report(
                SimulationFailure.unrecovered, "\(options.healingMilliseconds) ms after the last fault: \(reason)")
        }
    }

    private static func judge(_ cluster: SimulatedCluster, _ options: SimulationOptions) {
        cluster.checkFinalStates()
        for name in cluster.history.refused {
            guard let answer = cluster.checker.reference.model.answers[name] else { continue }
            if case .failed(_) = answer.reply { continue }
            cluster.checker.report(
                "what was refused is not done",
                "command \(name.sequence) of session \(name.session) was refused as certainly not done: \(answer.reply)"
            )
        }
        guard options.isSmallHistory else { return }
        let operations = cluster.history.operations()
        if LinearizabilityChecker.check(operations, from: SequentialSpace()) == .notLinearizable {
            cluster.checker.report("linearizable (Wing & Gong)", "\(operations.count) operations: \(operations)")
        }
    }

    private static func result(
        _ cluster: SimulatedCluster, _ options: SimulationOptions, seconds: Double
    ) -> RunResult {
        var statistics = cluster.statistics
        statistics.committedEntries = cluster.commit.rawValue
        let model = cluster.checker.reference.model
        statistics.statementsDone = UInt64(model.answers.values.count(where: \.reply.isStatement))
        statistics.reserved = UInt64(model.answers.values.count(where: \.reply.isReserved))
        statistics.failureTuples = UInt64(model.deposited)
        statistics.refusedByPolicy = UInt64(model.answers.values.count(where: \.reply.isRefused))
        statistics.leasesEnded = UInt64(model.events.count { $0.kind == .expire })
        statistics.configurations = UInt64(cluster.checker.configurations.count - 1)
        var result = RunResult(
            seed: cluster.seed, events: cluster.step, virtualMilliseconds: cluster.now / 1_000_000, seconds: seconds,
            traceHash: cluster.trace.hash.value, statistics: statistics, misfortunes: cluster.misfortunes,
            servers: cluster.configuration.members.count, clients: cluster.clients.count, trace: cluster.trace.latest)
        if let violation = cluster.violation {
            result.failure = SimulationFailure(
                seed: cluster.seed, step: cluster.step, virtualMilliseconds: cluster.now / 1_000_000,
                invariant: violation.invariant, details: violation.details, schedule: cluster.trace.schedule,
                trace: result.trace, options: options)
        }
        return result
    }

    // MARK: - Many

    /// Runs seeds side by side.
    /// - Parameters:
    ///   - threads: runs at a time, at least 1.
    ///   - stopsAtFirst: no further seeds are begun once one has failed.
    ///   - progress: called after each seed, on any thread.
    public static func runMany(
        seeds: Range<UInt64>, options: SimulationOptions = SimulationOptions(), threads: Int,
        stopsAtFirst: Bool = false,
        progress: (@Sendable (RunResult) -> Void)? = nil
    ) async -> ManyRunsResult {
        let clock = ContinuousClock()
        let began = clock.now
        var total = ManyRunsResult(seeds: 0, events: 0, seconds: 0, statistics: RunStatistics(), failures: [])
        await withTaskGroup(of: RunResult.self) { group in
            var next = seeds.lowerBound
            func begin() {
                guard next < seeds.upperBound, !(stopsAtFirst && !total.failures.isEmpty) else { return }
                let seed = next
                next += 1
                group.addTask { run(seed: seed, options: options) }
            }
            for _ in 0..<max(1, threads) { begin() }
            while let result = await group.next() {
                total.seeds += 1
                total.events += result.events
                total.statistics = total.statistics + result.statistics
                if let failure = result.failure { total.failures.append(failure) }
                progress?(result)
                begin()
            }
        }
        total.seconds = (clock.now - began).inSeconds
        total.failures.sort { $0.seed < $1.seed }
        return total
    }
}

extension Duration {
    var inSeconds: Double {
        Double(components.seconds) + Double(components.attoseconds) / 1e18
    }
}

extension SimulatedCluster {
    /// As many as the options or the seed say.
    func addClients() {
        let count = options.clients ?? (options.isSmallHistory ? 3 : random.within(1...6))
        for _ in 0..<count {
            let client = SimulatedClient(
                number: clients.count, random: random.fork(), options: options, drawsRights: drawsRights)
            clients.append(client)
            plan(.clientWakes(client.number), after: random.within(0...300_000_000))
            client.beginSubscription(in: self)
        }
    }
}
