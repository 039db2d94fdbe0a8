import ArgumentParser
import Foundation
import StarlingClient

/// Clients that use a cluster while it is maltreated.
@main
struct ChaosClients: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "chaos-clients", abstract: "Use a cluster while it is maltreated.",
        subcommands: [LoadCommand.self, PulseCommand.self, WaitCommand.self])
}

struct ClusterOptions: ParsableArguments {
    @Option(help: "The cluster's client file.")
    var clientFile: String

    /// So many clients, each with a connection of its own.
    /// - inTurn: to one server after the other.
    func connect(_ count: Int, inTurn: Bool = false) throws -> [StarlingClient] {
        let file = try ClientFile(json: Array(try Data(contentsOf: URL(fileURLWithPath: clientFile))))
        var settings = ClientSettings()
        settings.cluster = file.cluster
        settings.operationTimeout = 10_000
        settings.sessionTimeout = 60_000
        let servers = file.endpoints
        if inTurn { settings.startsAnywhere = false }
        return try (0..<count).map { number in
            let first = inTurn ? number % servers.count : 0
            return try StarlingClient(servers: Array(servers[first...] + servers[..<first]), settings: settings)
        }
    }
}

/// Nothing is ever written to it: it ends with whoever started this.
func endOfStandardInput() async {
    await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
        Thread.detachNewThread {
            var byte: UInt8 = 0
            while read(STDIN_FILENO, &byte, 1) > 0 {}
            continuation.resume()
        }
    }
}
