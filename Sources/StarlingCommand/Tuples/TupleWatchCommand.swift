import ArgumentParser
import Gateways
import StarlingClient
import TupleSpace

struct TupleWatchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "watch", abstract: "Print what happens to tuples, a line each, as it happens; Ctrl-C ends it.",
        discussion: """
              starling tuple watch jobs
              starling tuple watch blog '["alice",null,null]'
              starling tuple watch blog --after 1234.0       from behind a position that an earlier line showed

            A line is the position, what happened (write, take, return, expire or replace), the tuple's id and the tuple. It \
            goes on at another server when one dies; nothing is left out, and nothing comes twice.
            """)

    @OptionGroup var connection: ConnectionOptions
    @Argument(help: "The space.")
    var space: String
    @Argument(help: "Only tuples that match this template, a JSON array.")
    var template: String?
    @Option(help: ArgumentHelp("Begin behind this position, and not now.", valueName: "index.ordinal"))
    var after: String?
    @Option(help: ArgumentHelp("End after so many events.", valueName: "count"))
    var count: Int?
    @Flag(help: "Print JSON, an object a line.")
    var json = false

    func validate() throws {
        if let count, count < 1 { throw ValidationError("--count is at least 1, and not \(count)") }
    }

    func run() async throws {
        let template = try template.map { try TupleArguments.template($0) }
        let position = try after.map { text in
            guard let position = Position(text) else {
                throw Complaint(.wrongUsage, "--after is a position, as 12.0, and not \"\(text)\"")
            }
            return position
        }
        let signals = StopSignals()
        try await connection.withClient { client in
            let stream = try await client.events(matching: template, in: space, after: position)
            let (space, json, count) = (space, json, count)
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    var left = count ?? .max
                    for try await batch in stream {
                        for event in batch.events where left > 0 {
                            left -= 1
                            Terminal.line(Self.line(event, space, json: json))
                        }
                        if left == 0 { return }
                    }
                }
                group.addTask { for await _ in signals.requests { return } }
                _ = try await group.next()
                group.cancelAll()
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
    fileprivate func padded(to width: Int) -> String {
        self + String(repeating: " ", count: max(0, width - count))
    }
}
