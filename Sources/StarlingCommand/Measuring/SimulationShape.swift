import ArgumentParser
import Simulation

/// What a simulated run consists of, where its seed shall not choose: what a shrunken run is replayed with.
struct SimulationShape: ParsableArguments {
    @Option(help: ArgumentHelp("Kinds of faults that may happen, between commas, or none.", valueName: "names"))
    var faults: String?
    @Option(help: ArgumentHelp("Of these kinds, those that happen in every run.", valueName: "names"))
    var certain: String?
    @Option(help: ArgumentHelp("Longest time between two misfortunes.", valueName: "ms"))
    var calmMilliseconds: UInt64?
    @Flag(inversion: .prefixedNo, help: "Whether leaders answer reads under a lease.")
    var leaseReads: Bool?
    @Option(
        help: ArgumentHelp("Defences to switch off, between commas, as --mutations names them.", valueName: "names"))
    var without: String?
    @Option(help: ArgumentHelp("Of all misfortunes only these, by number, or none.", valueName: "numbers"))
    var only: String?
    @Option(help: ArgumentHelp("1 to 7.", valueName: "count"))
    var servers: Int?
    @Option(help: ArgumentHelp("Machines for new members.", valueName: "count"))
    var spares: Int?
    @Option(help: ArgumentHelp("Clients.", valueName: "count"))
    var clients: Int?
    @Option(help: ArgumentHelp("At most so many of each client.", valueName: "count"))
    var operations: Int?
    @Option(help: ArgumentHelp("Virtual time with faults. Else 4000.", valueName: "ms"))
    var milliseconds: UInt64?
    @Option(help: ArgumentHelp("Virtual time in which it must recover. Else 60000.", valueName: "ms"))
    var healingMilliseconds: UInt64?
    @Option(help: ArgumentHelp("How long every link takes in one direction.", valueName: "ms"))
    var linkMilliseconds: Double?
    @Flag(help: "Clients only write, take and read: no leases, ids, take-all and statements.")
    var plain = false
    @Flag(help: "Few operations, checked by Wing & Gong too.")
    var small = false

    func validate() throws {
        for (option, value) in [("--faults", faults), ("--certain", certain)] {
            guard let value, Faults(arguments: value) == nil else { continue }
            let names = Faults.names.map { Faults.argument($0.name) }.joined(separator: ", ")
            throw ValidationError("\(option) \(value): the names are \(names), or none")
        }
        if let without, KnownMutation.named(without) == nil {
            let names = KnownMutation.all.map(\.name).joined(separator: ", ")
            throw ValidationError("--without \(without): the names are \(names)")
        }
        if let calmMilliseconds, !(20...1_000_000).contains(calmMilliseconds) {
            throw ValidationError("--calm-milliseconds is 20 to 1000000, and not \(calmMilliseconds)")
        }
        if let only, SimulationShape.numbers(only) == nil {
            throw ValidationError("--only is numbers between commas, or none, and not \(only)")
        }
        let bounds: [(name: String, value: Int?, range: ClosedRange<Int>)] = [
            ("--servers", servers, 1...7), ("--spares", spares, 0...9), ("--clients", clients, 0...100),
            ("--operations", operations, 0...1_000_000),
        ]
        for bound in bounds {
            if let value = bound.value, !bound.range.contains(value) {
                throw ValidationError(
                    "\(bound.name) is \(bound.range.lowerBound) to \(bound.range.upperBound), and not \(value)")
            }
        }
        if let milliseconds, milliseconds > 10_000_000 { throw ValidationError("--milliseconds is at most 10000000") }
        if let healingMilliseconds, healingMilliseconds > 10_000_000 {
            throw ValidationError("--healing-milliseconds is at most 10000000")
        }
        if let linkMilliseconds, !(0...10_000).contains(linkMilliseconds) {
            throw ValidationError("--link-milliseconds is 0 to 10000, and not \(linkMilliseconds)")
        }
    }

    func options() throws -> SimulationOptions {
        var options = SimulationOptions()
        if let faults, let allowed = Faults(arguments: faults) { options.allowedFaults = allowed }
        if let certain, let faults = Faults(arguments: certain) { options.certainFaults = faults }
        if let without, let missing = KnownMutation.named(without) {
            for mutation in missing { mutation.apply(&options) }
        }
        options.calmMilliseconds = calmMilliseconds
        options.leaseReads = leaseReads
        options.onlyMisfortunes = only.flatMap(SimulationShape.numbers)
        options.servers = servers
        options.spares = spares
        options.clients = clients
        options.operations = operations
        options.linkMilliseconds = linkMilliseconds
        options.usesPlainOperations = plain
        options.isSmallHistory = small
        if let milliseconds { options.faultMilliseconds = milliseconds }
        if let healingMilliseconds { options.healingMilliseconds = healingMilliseconds }
        return options
    }

    private static func numbers(_ text: String) -> Set<Int>? {
        if text == "none" { return [] }
        var numbers: Set<Int> = []
        for word in text.split(separator: ",", omittingEmptySubsequences: false) {
            guard let number = Int(word), number >= 0 else { return nil }
            numbers.insert(number)
        }
        return numbers
    }
}
