import ArgumentParser
import Gateways
import StarlingClient
import TupleSpace

struct TupleTakeAllCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "take-all", abstract: "Take out all tuples that match, as one, and print them, a line each.",
        discussion: """
              starling tuple take-all jobs '["failed",null]'

            Takes at most --limit at a time (and 1 MiB): repeat it until it exits 3, when nothing matches. What it takes is \
            gone for good, also if this program dies before it has printed it.
            """)

    @OptionGroup var connection: ConnectionOptions
    @Argument(help: "The space.")
    var space: String
    @Argument(help: "The template, a JSON array.")
    var template: String
    @OptionGroup var selection: PageOptions
    @Flag(help: "Print JSON with the tuples' ids.")
    var json = false

    func run() async throws {
        let template = try TupleArguments.template(template)
        let result = try await connection.withClient { client in
            try await client.takeAll(template, from: space, page: selection.page)
        }
        TupleOutput.show(result.tuples, more: result.more, json: json)
        if result.tuples.isEmpty { throw Complaint.noMatch(space, .none) }
    }
}
