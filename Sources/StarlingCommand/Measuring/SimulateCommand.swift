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
              starling simulate --seed 4711 --trace 50     replays one, with its last steps
            """)

    @Option(help: ArgumentHelp("Run this seed alone.", valueName: "number"))
    var seed: UInt64?
    @Option(help: ArgumentHelp("Run so many seeds, from --start on.", valueName: "count"))
    var seeds: UInt64?
    @Option(help: ArgumentHelp("The first seed. Else 1.", valueName: "number"))
    var start: UInt64?
    @Option(help: ArgumentHelp("Seeds run side by side. Else one a core.", valueName: "count"))
    var threads: Int?
    @Option(
        help: ArgumentHelp(
            "With --seed: print so many of the last steps, also of a run that holds.", valueName: "lines"))
    var trace = 0
    @Flag(help: "Print JSON: seeds, events, events_per_second, failures.")
    var json = false

    func validate() throws {
        guard (seed == nil) != (seeds == nil) else { throw ValidationError("say --seed NUMBER or --seeds COUNT") }
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
    }

    func run() async throws {
        if let seed { try runOne(seed) } else { try await runMany(count: seeds ?? 1) }
    }

    private func runOne(_ seed: UInt64) throws {
        var options = SimulationOptions()
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
        if let failure = result.failure { throw failed([failure]) }
        if !json { Terminal.line("everything held") }
    }

    private func runMany(count: UInt64) async throws {
        let first = start ?? 1
        let bar = json ? nil : ProgressBar("simulating", total: Int(clamping: count))
        let done = Counter()
        let result = await Simulator.runMany(
            seeds: first..<(first + count), threads: threads ?? ProcessInfo.processInfo.activeProcessorCount
        ) { _ in
            let number = done.next()
            bar?.show(number)
        }
        bar?.end()
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
        if !result.failures.isEmpty { throw failed(result.failures) }
        if !json { Terminal.line("everything held") }
    }

    /// Tells of all failures, and of the first at length.
    private func failed(_ failures: [SimulationFailure]) -> Complaint {
        let numbers = failures.map { String($0.seed) }.joined(separator: ", ")
        var text = "\(failures.count == 1 ? "a seed fails" : "\(failures.count) seeds fail"): \(numbers)"
        if let first = failures.first {
            let shrunk = Simulator.shrink(seed: first.seed, options: SimulationOptions()) ?? first
            text += "\n\(shrunk.description)\nreplay: starling simulate --seed \(first.seed) --trace 200"
        }
        return Complaint(.failed, text)
    }

    private static func text(_ statistics: RunStatistics) -> String {
        """
        \(statistics.committedEntries) entries committed, \(statistics.commandsAnswered) commands and \
        \(statistics.readsAnswered) reads \
        answered, \(statistics.elections) elections, \(statistics.crashes) crashes, \(statistics.snapshotsInstalled) \
        snapshots sent, \
        \(statistics.messagesLost) of \(statistics.messages) messages lost
        """
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
