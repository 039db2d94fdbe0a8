import ArgumentParser
import Foundation
import StarlingClient

/// For `script/chaos`: uses the cluster, and judges afterwards what was seen.
struct LoadCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "load",
        abstract: "Use the cluster in every way that can be judged, and work off jobs; then judge what was seen.")

    @OptionGroup var cluster: ClusterOptions
    @Option(help: "Seconds of load.")
    var seconds: Double
    @Option(help: "Where the history is written, a line of JSON an operation.")
    var history: String
    @Option(
        help: "Clients whose operations are judged in spaces of their own; those of jobs and of leases come on top.")
    var clients = 6

    private struct Result: Encodable {
        var verdict: Verdict
        var jobs: Int
    }

    func run() async throws {
        let began = ContinuousClock.now
        let load = Load(history: History(), began: began, end: began + .milliseconds(Int64(seconds * 1_000)))
        let queue = JobQueue()
        let leases = LeaseBook()
        let connected = try cluster.connect(clients + 6)
        await withTaskGroup(of: Void.self) { group in
            for number in 0..<clients { group.addTask { await load.run(connected[number], number: number) } }
            group.addTask { await queue.produce(connected[clients], until: load.end) }
            group.addTask { await queue.consume(connected[clients + 1], until: load.end) }
            for place in 2...3 {
                group.addTask { await queue.consumeReserving(connected[clients + place], until: load.end) }
            }
            group.addTask { await leases.run(connected[clients + 4], until: load.end) }
        }
        let end = (ContinuousClock.now - began).components.seconds
        let settled = await queue.settle(connected[clients + 5])
        let ended = await leases.settle(connected[clients + 5])
        for client in connected { await client.close() }
        let operations = load.history.all
        var verdict = Verdict(operations, until: UInt64(end) * 1_000_000_000)
        verdict.violations += settled.violations + ended
        try write(operations)
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        print(String(decoding: try encoder.encode(Result(verdict: verdict, jobs: settled.jobs)), as: UTF8.self))
    }

    private func write(_ operations: [History.Operation]) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        var text = Data()
        for operation in operations { text += try encoder.encode(operation) + Data("\n".utf8) }
        try text.write(to: URL(fileURLWithPath: history))
    }
}
