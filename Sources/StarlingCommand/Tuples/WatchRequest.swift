import ArgumentParser
import Gateways
import StarlingClient
import TupleSpace

struct WatchRequest: TupleRequest {
    static let name = "watch"
    static let abstract = "Print what happens to tuples, a line each, as it happens; Ctrl-C ends it."
    static let examples = [
        TupleExample("jobs", ""),
        TupleExample("blog", #"["alice",null,null]"#),
        TupleExample("blog", "--after 1234.0", "from behind an earlier line's position"),
    ]
    static let remarks = """
        A line is the position, what happened (write, take, return, expire or replace), the tuple's id and the tuple. It \
        goes on at another server when one dies; nothing is left out, and nothing comes twice.
        """
    static let isEndless = true

    @Argument(help: "Only tuples that match this template, a JSON array.")
    var template: String?
    @Option(help: ArgumentHelp("Begin behind this position, and not now.", valueName: "index.ordinal"))
    var after: String?
    @Option(help: ArgumentHelp("End after so many events.", valueName: "count"))
    var count: Int?

    func validate() throws {
        if let count, count < 1 { throw ValidationError("--count is at least 1, and not \(count)") }
    }

    func prepare(in space: String, _ output: TupleOutput) throws -> TupleAction {
        let template = try template.map { try TupleArguments.template($0) }
        let position = try after.map { text in
            guard let position = Position(text) else {
                throw Complaint(.wrongUsage, "--after is a position, as 12.0, and not \"\(text)\"")
            }
            return position
        }
        let count = count ?? .max
        return { client in
            var left = count
            for try await batch in try await client.events(matching: template, in: space, after: position) {
                for event in batch.events where left > 0 {
                    left -= 1
                    output.saw(event.tuple)
                    output.line(Self.line(event, space, json: output.json))
                }
                if left == 0 { return }
            }
        }
    }

    private static func line(_ event: Event, _ space: String, json: Bool) -> String {
        let kind = event.kind.word
        guard json else {
            let tuple = JSONText.json(event.tuple.tuple).text
            return "\(event.position)  \(kind.padded(to: 7))  \(event.tuple.id)  \(tuple)"
        }
        return JSON.object([
            .init("position", .string(event.position.description)), .init("kind", .string(kind)),
            .init("space", .string(space)), .init("id", .string(event.tuple.id.description)),
            .init("tuple", JSONText.json(event.tuple.tuple)), .init("caller", .string(event.caller)),
        ]).text
    }
}

extension String {
    func padded(to width: Int) -> String {
        self + String(repeating: " ", count: max(0, width - count))
    }
}
