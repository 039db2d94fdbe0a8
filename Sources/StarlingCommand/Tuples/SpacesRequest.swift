import ArgumentParser
import Gateways
import StarlingClient
import TupleSpace

struct SpacesRequest: TupleRequest {
    static let name = "spaces"
    static let abstract = "Print the spaces there are, and how many tuples each has."
    static let examples = [TupleExample("", "")]
    static let remarks =
        "A space is there from its first write on. Where policies forbid anything, only admins see this."
    static let namesSpaces = true

    func prepare(in space: String, _ output: TupleOutput) throws -> TupleAction {
        { client in
            var spaces: [SpaceSummary] = []
            var more = true
            while more {
                let page = try await client.spaces(after: spaces.last?.name)
                spaces += page.spaces
                more = page.more
            }
            guard output.json else {
                var table = Table(("SPACE", .left), ("TUPLES", .right), ("POLICY", .left))
                for space in spaces { table.add(space.name, String(space.tuples), space.hasPolicy ? "its own" : "-") }
                return table.lines.forEach(output.line)
            }
            let items = spaces.map { space in
                JSON.object([
                    .init("name", .string(space.name)), .init("tuples", .int(Int64(clamping: space.tuples))),
                    .init("policy", .bool(space.hasPolicy)),
                ])
            }
            output.line(JSON.object([.init("spaces", .array(items))]).text)
        }
    }
}

/// On the command line no space is named beside it.
struct TupleSpacesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: SpacesRequest.name, abstract: SpacesRequest.abstract, discussion: SpacesRequest.remarks)

    @OptionGroup var connection: ConnectionOptions
    @Flag(help: "Print JSON.")
    var json = false

    func run() async throws {
        let action = try SpacesRequest().prepare(in: "", TupleOutput(json: json))
        try await connection.withClient(as: .admin) { try await action($0) }
    }
}
