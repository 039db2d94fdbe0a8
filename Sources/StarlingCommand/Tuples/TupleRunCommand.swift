import ArgumentParser
import Foundation
import Gateways
import StarlingClient
import TupleSpace

struct TupleRunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Do a statement: several things as one, or none of them.",
        discussion: """
            The statement is the JSON that POST /v1/statements takes (docs/http-api.md): alternatives, each with a guard and \
            steps. It is given as an argument, or - reads it from standard input.

              starling tuple run '[{"guard":{"take":{"space":"jobs","template":["resize",{"bind":"photo"}]}},
                                    "steps":[{"write":{"space":"doing","tuple":[{"formal":"photo"}],"lease":60}}]}]'

            Exits 3 if no guard found anything in time, and 1 if a step could not be done: then nothing was.
            """)

    @OptionGroup var connection: ConnectionOptions
    @Argument(help: ArgumentHelp("The alternatives, a JSON array; or - for standard input.", valueName: "json"))
    var statement: String
    @Option(
        help: ArgumentHelp("How long to wait for a guard to find something: seconds, or forever.", valueName: "seconds")
    )
    var timeout = "0"
    @Flag(help: "Print JSON.")
    var json = false

    func run() async throws {
        var text = statement
        if text == "-" {
            text = String(decoding: try FileHandle.standardInput.readToEnd() ?? Data(), as: UTF8.self)
        }
        let timeout = try TupleArguments.timeout(timeout)
        let statement: Statement
        do throws(JSONText.Invalid) {
            statement = try JSONText.statement(text, timeout: timeout)
        } catch {
            throw Complaint(.wrongUsage, error.description)
        }
        let done = try await connection.withClient { client in try await client.run(statement).done }
        guard let done else { throw Complaint(.notFound, "no guard of the statement found anything") }
        let answer = JSONText.json(ofStatement: done.alternative, done.results)
        if json { return Terminal.line(answer.text) }
        Terminal.line("done by alternative \(done.alternative + 1)")
        for (number, reply) in done.results.enumerated() {
            switch reply {
            case .found(let stored, _): Terminal.line("  \(number)  \(stored.id)  \(JSONText.json(stored.tuple).text)")
            case .written(let id, let position): Terminal.line("  \(number)  id \(id), position \(position)")
            default: continue
            }
        }
    }
}
