import ArgumentParser
import Gateways
import Replica

enum Version {
    static var number: String { ReplicaSettings().version }
    static var line: String { "starling \(number)" }
}

struct VersionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "version", abstract: "Say which version this is.",
        discussion:
            "Servers of one cluster may be of different versions; `starling cluster status --json` says of which.")

    @Flag(help: "Print JSON.")
    var json = false

    func run() {
        guard json else { return Terminal.line(Version.line) }
        Terminal.line(
            JSON.object([.init("name", .string("starling")), .init("version", .string(Version.number))]).text)
    }
}
