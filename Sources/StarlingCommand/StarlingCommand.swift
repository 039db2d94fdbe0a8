import ArgumentParser
import Gateways
import Hummingbird

@main
struct StarlingCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "starling")
    func run() async throws {}
}
