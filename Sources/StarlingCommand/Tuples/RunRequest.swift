import ArgumentParser
import Foundation
import Gateways
import StarlingClient
import TupleSpace

struct RunRequest: TupleRequest {
    static let name = "run"
    static let abstract = "Do a statement: several things as one, or none of them."
    static let examples = [
        TupleExample(
            "",
            #"[{"guard":{"take":{"space":"jobs","template":[{"bind":"x"}]}},"steps":[{"write":{"space":"doing","tuple":[{"formal":"x"}]}}]}]"#
        )
    ]
    static let remarks = """
        The statement is the JSON that POST /v1/statements takes (docs/http-api.md): alternatives, each with a guard and \
        steps. Exits 3 if no guard found anything in time, and 1 if a step could not be done: then nothing was.
        """
    static let namesSpaces = true

    @Argument(help: ArgumentHelp("The alternatives, a JSON array.", valueName: "json"))
    var statement: String
    @Option(
        help: ArgumentHelp("How long to wait for a guard to find something: seconds, or forever.", valueName: "seconds")
    )
    var timeout = "0"

    func prepare(in space: String, _ output: TupleOutput) throws -> TupleAction {
        let timeout = try TupleArguments.timeout(timeout)
        let statement: Statement
        do throws(JSONText.Invalid) {
            statement = try JSONText.statement(self.statement, timeout: timeout)
        } catch {
            throw Complaint(.wrongUsage, error.description)
        }
        return { client in
            guard let done = try await client.run(statement).done else {
                throw Complaint(.notFound, "no guard of the statement found anything")
            }
            if output.json { return output.line(JSONText.json(ofStatement: done.alternative, done.results).text) }
            output.line("done by alternative \(done.alternative + 1)")
            for (number, reply) in done.results.enumerated() {
                switch reply {
                case .found(let stored, _):
                    output.line("  \(number)  \(stored.id)  \(JSONText.json(stored.tuple).text)")
                case .written(let id, let position): output.line("  \(number)  id \(id), position \(position)")
                default: continue
                }
            }
        }
    }
}

/// On the command line a statement may also come from standard input, and no space is named beside it.
struct TupleRunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: RunRequest.name, abstract: RunRequest.abstract,
        discussion: """
              starling tuple run '[{"guard":{"take":{"space":"jobs","template":["resize",{"bind":"photo"}]}},
                                    "steps":[{"write":{"space":"doing","tuple":[{"formal":"photo"}],"lease":60}}]}]'
              starling tuple run - < statement.json

            \(RunRequest.remarks)
            """)

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var request: RunRequest
    @Flag(help: "Print JSON.")
    var json = false

    mutating func run() async throws {
        if request.statement == "-" {
            request.statement = String(
                decoding: try FileHandle.standardInput.readToEnd() ?? Data(), as: UTF8.self)
        }
        let action = try request.prepare(in: "", TupleOutput(json: json))
        try await connection.withClient { try await action($0) }
    }
}
