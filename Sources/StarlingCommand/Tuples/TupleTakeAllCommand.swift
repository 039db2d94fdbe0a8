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
    @Option(help: ArgumentHelp("At most so many, 1 to \(Limits.pageTuples).", valueName: "count"))
    var limit = 100
    @Flag(help: "The newest first; else the oldest.")
    var newest = false
    @Flag(help: "Print JSON with the tuples' ids.")
    var json = false

    func validate() throws {
        guard (1...Limits.pageTuples).contains(limit) else {
            throw ValidationError("--limit is 1 to \(Limits.pageTuples), and not \(limit)")
        }
    }

    func run() async throws {
        let template = try TupleArguments.template(template)
        let page = Page(limit: limit, order: newest ? .newest : .oldest)
        let result = try await connection.withClient { client in
            try await client.takeAll(template, from: space, page: page)
        }
        TupleOutput.show(result.tuples, more: result.more, json: json)
        if result.tuples.isEmpty { throw Complaint.noMatch(space, .none) }
    }
}
