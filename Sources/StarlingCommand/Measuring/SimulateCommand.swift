import ArgumentParser
import Foundation
import Gateways
import Simulation

struct SimulateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulate", abstract: "Run whole clusters in virtual time with faults, and check every step.",
        discussion: """
            The real core and the real log over a simulated network, disk and clock. A seed decides everything: the \
            same seed is \
            the same run, in any process. A seed that fails is shrunk to the faults it needs, prints its trace, and \
            exits 1.

              starling simulate --seeds 1000
              starling simulate --seeds 1000 --start 5000 --json
              starling simulate --seed 4711 --trace 50          replays one, with its last steps
              starling simulate --day --link-milliseconds 150   a quiet day; then leaders die
              starling simulate --mutations --seeds 300         with each defence switched off
            """)

    @Option(help: ArgumentHelp("Run this seed alone.", valueName: "number"))
    var seed: UInt64?
    @Option(help: ArgumentHelp("Run so many seeds, from --start on. With --mutations, at most.", valueName: "count"))
    var seeds: UInt64?
    @Option(help: ArgumentHelp("The first seed. Else 1.", valueName: "number"))
    var start: UInt64?
    @Option(help: ArgumentHelp("Seeds run side by side. Else one a core.", valueName: "count"))
    var threads: Int?
    @Option(
        help: ArgumentHelp(
            "With --seed: print so many of the last steps of this very run, whether it holds or not; nothing is shrunk.",
            valueName: "lines"))
    var trace = 0
    @Flag(
        help: """
            Switch off one defence after another, or those of --without, and look how soon that is found, in at most \
            --seeds runs that need it. Prints docs/mutations.md.
            """)
    var mutations = false
    @Flag(help: "One quiet day with adaptive timeouts, on links that lose two messages of a hundred.")
    var day = false
    @Option(help: ArgumentHelp("With --day: how long it is.", valueName: "hours"))
    var hours = 24.0
    @OptionGroup(title: "What a run consists of")
    var shape: SimulationShape
    @Flag(help: "Print JSON: seeds, events, events_per_second, failures.")
    var json = false

    private var threadCount: Int { threads ?? ProcessInfo.processInfo.activeProcessorCount }

    func validate() throws {
        guard [seed != nil || seeds != nil && !mutations, mutations, day].count(where: { $0 }) == 1,
            seed == nil || seeds == nil
        else { throw ValidationError("say --seed NUMBER or --seeds COUNT, or --mutations, or --day") }
        if let seeds, seeds < 1 { throw ValidationError("--seeds is at least 1") }
        if seed != nil, start != nil { throw ValidationError("--start goes with --seeds") }
        if let seeds, (start ?? 1).addingReportingOverflow(seeds).overflow {
            throw ValidationError("--start \(start ?? 1) leaves no room for \(seeds) seeds below 2^64")
        }
        guard (0...1_000_000).contains(trace) else {
            throw ValidationError("--trace is 0 to 1000000, and not \(trace)")
        }
        if let threads, !(1...1_024).contains(threads) {
            throw ValidationError("--threads is 1 to 1024, and not \(threads)")
        }
        guard (0.01...1_000).contains(hours) else { throw ValidationError("--hours is 0.01 to 1000, and not \(hours)") }
    }

    func run() async throws {
        if mutations { return try await runMutations() }
        if day { return try runDay() }
        if let seed { try runOne(seed) } else { try await runMany(count: seeds ?? 1) }
    }

    private func runOne(_ seed: UInt64) throws {
        var options = try shape.options()
        options.traceLines = trace
        let result = Simulator.run(seed: seed, options: options)
        if json {
            Terminal.line(
                Self.json(
                    seeds: 1, events: result.events, rate: result.eventsPerSecond, result.failure.map { [$0] } ?? [],
                    more: [.init("trace_hash", .string(String(result.traceHash, radix: 16)))]))
        } else {
            Terminal.line(
                "seed \(seed): \(Figures.grouped(Int(clamping: result.events))) events, \(result.virtualMilliseconds) "
                    + "virtual ms, trace \(String(result.traceHash, radix: 16))"
            )
            Terminal.line(Self.text(result.statistics))
        }
        guard let failure = result.failure else {
            if !json { Terminal.line((result.trace + ["everything held"]).joined(separator: "\n")) }
            return
        }
        throw trace > 0 ? Complaint(.failed, failure.description) : try failed([failure])
    }

    private func runMany(count: UInt64) async throws {
        let first = start ?? 1
        let bar = ProgressBar("simulating", total: Int(clamping: count))
        let done = Counter()
        let result = await Simulator.runMany(
            seeds: first..<(first + count), options: try shape.options(), threads: threadCount
        ) { _ in
            let number = done.next()
            bar.show(number)
        }
        bar.end()
        if json {
            Terminal.line(
                Self.json(seeds: result.seeds, events: result.events, rate: result.eventsPerSecond, result.failures))
        } else {
            Terminal.line(
                "\(result.seeds) seeds from \(first), \(Figures.grouped(Int(clamping: result.events))) events, "
                    + "\(Figures.grouped(Int(result.eventsPerSecond))) a second"
            )
            Terminal.line(Self.text(result.statistics))
        }
        if !result.failures.isEmpty { throw try failed(result.failures) }
        if !json { Terminal.line("everything held") }
    }

    // MARK: - Mutations and days

    /// At most so many seeds for each, unless --seeds says otherwise.
    private static let seedsOfAHunt: UInt64 = 300

    private func runMutations() async throws {
        let chosen = shape.without.flatMap(KnownMutation.named) ?? KnownMutation.all
        // What is to be switched off is switched off by the hunt, in every other run.
        var unchanged = shape
        unchanged.without = nil
        let base = try unchanged.options()
        let count = seeds ?? Self.seedsOfAHunt
        let bar = ProgressBar("switching off", total: chosen.count)
        var findings: [MutationFinding] = []
        for mutation in chosen {
            findings.append(await Simulator.hunt(mutation, seeds: count, options: base, threads: threadCount))
            bar.show(findings.count)
        }
        bar.end()
        Terminal.line(json ? JSON.array(findings.map(Self.json)).text : MutationPage(findings, seeds: count).text)
        let missed = findings.filter { !$0.isProven }.map(\.mutation.name)
        if !missed.isEmpty {
            throw Complaint(.failed, "not caught, not even by a test: \(missed.joined(separator: ", "))")
        }
        let wrong = findings.flatMap { finding in finding.defendedFailures.map { "\(finding.mutation.name) \($0.seed)" }
        }
        if !wrong.isEmpty { throw Complaint(.failed, "fail with the defence too: \(wrong.joined(separator: ", "))") }
    }

    private func runDay() throws {
        let result = Simulator.day(linkMilliseconds: shape.linkMilliseconds ?? 0.1, hours: hours)
        if json {
            Terminal.line(Self.json(result).text)
        } else {
            Terminal.line(
                "\(result.hours) hours on links of \(result.linkMilliseconds) ms with 2 % loss: "
                    + "\(result.needlessElections) needless elections, least timeout \(result.timeoutMilliseconds) ms, "
                    + "\(Figures.grouped(Int(clamping: result.events))) events in \(Int(result.seconds)) s")
            Terminal.line(
                "failovers took \(result.failoverMilliseconds.map { "\($0)" }.joined(separator: ", ")) ms; "
                    + "the bound is \(result.failoverBound) ms")
        }
        if !result.holds {
            throw Complaint(.failed, result.violation ?? "a needless election, or a failover that took too long")
        }
    }

    /// Tells of all failures, and of the first at length.
    private func failed(_ failures: [SimulationFailure]) throws -> Complaint {
        let numbers = failures.map { String($0.seed) }.joined(separator: ", ")
        var text = "\(failures.count == 1 ? "a seed fails" : "\(failures.count) seeds fail"): \(numbers)"
        if let first = failures.first {
            let options = try shape.options()
            let shrunk = Simulator.shrink(seed: first.seed, options: options) ?? first
            text += "\n\(shrunk.description)\nas it was found: "
            text += "starling simulate --seed \(first.seed)\(options.arguments) --trace 200"
        }
        return Complaint(.failed, text)
    }

    // MARK: - Figures

    private static func text(_ statistics: RunStatistics) -> String {
        """
        \(statistics.committedEntries) entries committed, \(statistics.commandsAnswered) commands and \
        \(statistics.readsAnswered) reads \
        answered, \(statistics.statementsDone) statements done, \(statistics.leasesEnded) leases ended, \
        \(statistics.reserved) reservations, \(statistics.failureTuples) failure tuples, \
        \(statistics.refusedByPolicy) commands forbidden, \
        \(statistics.eventsTold) events told, \(statistics.elections) elections, \
        \(statistics.configurations) configurations, \(statistics.transfers) transfers, \(statistics.crashes) crashes, \
        \(statistics.repairs) repairs, \(statistics.snapshotsInstalled) \
        snapshots sent, \
        \(statistics.messagesLost) of \(statistics.messages) messages lost
        """
    }

    private static func json(_ finding: MutationFinding) -> JSON {
        .object([
            .init("mutation", .string(finding.mutation.name)),
            .init("layer", .string(finding.mutation.layer.rawValue)),
            .init("scenario", .int(Int64(finding.mutation.scenario))),
            .init("seeds_until_caught", finding.seeds.map { .int(Int64($0)) } ?? .null),
            .init("seeds_tried", .int(Int64(finding.seedsTried))),
            .init("script", finding.script.map { .string($0) } ?? .null),
            .init("test", finding.mutation.directedTest.map { .string("\($0.file): \($0.title)") } ?? .null),
            .init("invariant", finding.failure.map { .string($0.invariant) } ?? .null),
            .init("defended_failures", .array(finding.defendedFailures.map { .string(String($0.seed)) })),
        ])
    }

    private static func json(_ day: DayResult) -> JSON {
        .object([
            .init("hours", .double(day.hours)), .init("link_milliseconds", .double(day.linkMilliseconds)),
            .init("needless_elections", .int(Int64(day.needlessElections))),
            .init("timeout_milliseconds", .int(Int64(clamping: day.timeoutMilliseconds))),
            .init("failover_milliseconds", .array(day.failoverMilliseconds.map { .int(Int64(clamping: $0)) })),
            .init("events", .int(Int64(clamping: day.events))), .init("seconds", .double(day.seconds.rounded())),
        ])
    }

    private static func json(
        seeds: Int, events: UInt64, rate: Double, _ failures: [SimulationFailure], more: [JSON.Member] = []
    ) -> String {
        let failed = failures.map { failure in
            JSON.object([
                .init("seed", .string(String(failure.seed))), .init("step", .int(Int64(clamping: failure.step))),
                .init("invariant", .string(failure.invariant)), .init("details", .string(failure.details)),
            ])
        }
        return JSON.object(
            [
                .init("seeds", .int(Int64(seeds))), .init("events", .int(Int64(clamping: events))),
                .init("events_per_second", .double(rate.rounded())), .init("failures", .array(failed)),
            ] + more
        ).text
    }
}
