import ArgumentParser
import Foundation
import StarlingClient

/// Clients that use a cluster while it is maltreated.
@main
struct ChaosClients: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "chaos-clients", abstract: "Use a cluster while it is maltreated.",
        subcommands: [LoadCommand.self, PulseCommand.self])
}

struct ClusterOptions: ParsableArguments {
    @Option(help: "The cluster's client file.")
    var clientFile: String

    /// So many clients, each with a connection of its own.
    func connect(_ count: Int) throws -> [StarlingClient] {
        let file = try ClientFile(json: Array(try Data(contentsOf: URL(fileURLWithPath: clientFile))))
        var settings = ClientSettings()
        settings.cluster = file.cluster
        settings.operationTimeout = 10_000
        settings.sessionTimeout = 60_000
        return try (0..<count).map { _ in try StarlingClient(servers: file.endpoints, settings: settings) }
    }
}
