import ArgumentParser
import StarlingClient

struct BenchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench", abstract: "Put load on a cluster and measure it.",
        discussion: """
            Every session has one request outstanding; sessions share connections, which are spread over the servers. \
            Reads are \
            linearizable; takes find what was written before; posts go to space blog. Of a queue, half the sessions write jobs and \
            half take them, waiting if need be; a request is a job, its latency that of the take.

              starling bench write --sessions 64 --requests 100000
              starling bench read --sessions 512 --connections 32 --seconds 5 --json
            """)

    enum Operation: String, ExpressibleByArgument, CaseIterable {
        case write, read, take, post, queue

        var plan: LoadPlan.Operation {
            switch self {
            case .write: .write
            case .read: .read
            case .take: .take
            case .post: .post
            case .queue: .queue
            }
        }
    }

    @OptionGroup var connection: ConnectionOptions
    @Argument(help: "write, read, take, post or queue.")
    var operation: Operation
    @Option(help: ArgumentHelp("Clients with one request outstanding each.", valueName: "count"))
    var sessions = 64
    @Option(help: ArgumentHelp("Requests in all. Else 10,000, or as many as --seconds allow.", valueName: "count"))
    var requests: Int?
    @Option(help: ArgumentHelp("How long to measure; not for takes and queues.", valueName: "seconds"))
    var seconds: Double?
    @Option(help: ArgumentHelp("Payload of a tuple.", valueName: "bytes"))
    var size = 256
    @Option(
        help: ArgumentHelp(
            "Write a tuple of its own each time, numbered from here, instead of the same one for each session.",
            valueName: "number"))
    var numberFrom: Int?
    @Option(
        help: ArgumentHelp(
            "Write when each request was done and its latency into a file, once a second: 64-bit numbers of nanoseconds in this "
                + "machine's byte order, by the clock CLOCK_MONOTONIC.", valueName: "file"))
    var samples: String?
    @Option(help: ArgumentHelp("Connections; else one for 8 sessions, and at least one a server.", valueName: "count"))
    var connections: Int?
    @Flag(help: "Print JSON: operation, sessions, requests, errors, rate, p50_ms, p99_ms.")
    var json = false

    func validate() throws {
        guard (1...60_000).contains(sessions) else {
            throw ValidationError("--sessions is 1 to 60000, and not \(sessions)")
        }
        if let requests, requests < 1 { throw ValidationError("--requests is at least 1, and not \(requests)") }
        if let seconds, !(seconds > 0) { throw ValidationError("--seconds is above 0, and not \(seconds)") }
        if requests != nil, seconds != nil { throw ValidationError("say --requests or --seconds, not both") }
        if operation == .take || operation == .queue, seconds != nil {
            throw ValidationError("a \(operation.rawValue) is measured by --requests, not --seconds")
        }
        if operation == .queue, sessions % 2 == 1 {
            throw ValidationError("a queue has an even number of --sessions, and not \(sessions)")
        }
        guard (0...1_000_000).contains(size) else {
            throw ValidationError("--size is 0 to 1000000 bytes, and not \(size)")
        }
        if let numberFrom {
            guard operation == .write else { throw ValidationError("--number-from is for writes") }
            guard NumberedPayload.numbers.contains(numberFrom) else {
                throw ValidationError(
                    "--number-from is \(NumberedPayload.numbers.lowerBound) to \(NumberedPayload.numbers.upperBound - 1), and not "
                        + "\(numberFrom)")
            }
        }
        if let connections, !(1...1_000).contains(connections) {
            throw ValidationError("--connections is 1 to 1000, and not \(connections)")
        }
    }

    func run() async throws {
        let address = try ClusterAddress(try connection.settings())
        let extent: LoadPlan.Extent = seconds.map { .seconds($0) } ?? .requests(requests ?? 10_000)
        var plan = LoadPlan(
            operation.plan, sessions: sessions, connections: connections.map { min($0, sessions) }, extent: extent,
            payloadBytes: size, servers: address.endpoints)
        plan.cluster = address.cluster
        plan.numbersFrom = numberFrom
        plan.keepsSamples = samples != nil
        let showsProgress = !json && Terminal.isWatched
        let file = try samples.map { try SampleFile($0) }
        let report = try await blocking { [plan] () throws(LoadFailure) in
            let driver = try LoadDriver(plan)
            let report = try driver.run { done, seconds in
                file?.append(driver.takeSamples())
                guard showsProgress else { return }
                Terminal.progress("\r\(Figures.decimal(seconds)) s: \(Figures.grouped(done)) requests")
            }
            file?.append(driver.takeSamples())
            return report
        }
        try file?.check()
        if showsProgress { Terminal.progress("\r\u{1b}[K") }
        if json { return Terminal.line(report.json) }
        Terminal.line(
            """
            \(report.operation): \(Figures.grouped(Int(report.rate.rounded()))) a second with \(report.sessions) \
            sessions
            p50 \(Figures.decimal(report.p50, 2)) ms, p99 \(Figures.decimal(report.p99, 2)) ms; \
            \(Figures.grouped(report.requests)) requests in \(Figures.decimal(report.seconds)) s, \(report.errors) \
            attempts failed and were repeated
            """)
    }
}
