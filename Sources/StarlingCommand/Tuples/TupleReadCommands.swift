import ArgumentParser
import Gateways
import StarlingClient
import TupleSpace

struct TupleReadCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "read", abstract: "Print the oldest tuple that matches, and leave it there.",
        discussion: """
              starling tuple read blog '["alice",null,null]'
              starling tuple read jobs '["done","photo-17"]' --timeout 60     waits for it

            Exits 3 if nothing matches within the time-out.
            """)

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var freshness: ConsistencyOptions
    @Argument(help: "The space.")
    var space: String
    @Argument(help: "The template, a JSON array.")
    var template: String
    @Option(help: ArgumentHelp("How long to wait for a match: seconds, or forever.", valueName: "seconds"))
    var timeout = "0"
    @Flag(help: "Print JSON with the tuple's id.")
    var json = false

    func run() async throws {
        let template = try TupleArguments.template(template)
        let timeout = try TupleArguments.timeout(timeout)
        let consistency = try freshness.level()
        let found = try await connection.withClient { client in
            try await client.read(template, from: space, timeout: timeout, consistency: consistency).tuple
        }
        guard let found else { throw Complaint.noMatch(space, timeout) }
        TupleOutput.show(found, json: json)
    }
}

struct TupleTakeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "take", abstract: "Take out the oldest tuple that matches, and print it.",
        discussion: """
              starling tuple take jobs '["resize",null,null]' --timeout forever

            Of many takers one gets a tuple. If this program dies before it has printed the tuple, the tuple returns \
            to its place. \
            Exits 3 if nothing matches within the time-out.
            """)

    @OptionGroup var connection: ConnectionOptions
    @Argument(help: "The space.")
    var space: String
    @Argument(help: "The template, a JSON array.")
    var template: String
    @Option(help: ArgumentHelp("How long to wait for a match: seconds, or forever.", valueName: "seconds"))
    var timeout = "0"
    @Flag(help: "Print JSON with the tuple's id.")
    var json = false

    func run() async throws {
        let template = try TupleArguments.template(template)
        let timeout = try TupleArguments.timeout(timeout)
        let isTaken = try await connection.withClient { client in
            guard let held = try await client.take(template, from: space, timeout: timeout) else { return false }
            TupleOutput.show(held.stored, json: json)
            await held.acknowledge()
            return true
        }
        guard isTaken else { throw Complaint.noMatch(space, timeout) }
    }
}

struct TupleReadAllCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "read-all", abstract: "Print the tuples that match, a line each.",
        discussion: """
              starling tuple read-all blog '[null,"distsys",null]' --newest --limit 10
              starling tuple read-all blog '[null,null,null]' --after 117203398656     the next page
            """)

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var freshness: ConsistencyOptions
    @Argument(help: "The space.")
    var space: String
    @Argument(help: "The template, a JSON array.")
    var template: String
    @OptionGroup var selection: PageOptions
    @Option(help: ArgumentHelp("Only tuples with a higher id.", valueName: "id"))
    var after: String?
    @Option(help: ArgumentHelp("Only tuples with a lower id.", valueName: "id"))
    var before: String?
    @Flag(help: "Print JSON with the tuples' ids.")
    var json = false

    func run() async throws {
        let template = try TupleArguments.template(template)
        var page = selection.page
        page.after = try TupleArguments.id(after, "after")
        page.before = try TupleArguments.id(before, "before")
        let consistency = try freshness.level()
        let result = try await connection.withClient { client in
            try await client.readAll(template, from: space, page: page, consistency: consistency)
        }
        TupleOutput.show(result.tuples, more: result.more, json: json)
    }
}

struct TupleCountCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "count", abstract: "Print how many tuples match.",
        discussion: "  starling tuple count blog '[\"alice\",null,null]'")

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var freshness: ConsistencyOptions
    @Argument(help: "The space.")
    var space: String
    @Argument(help: "The template, a JSON array.")
    var template: String
    @Flag(help: "Print JSON.")
    var json = false

    func run() async throws {
        let template = try TupleArguments.template(template)
        let consistency = try freshness.level()
        let count = try await connection.withClient { client in
            try await client.count(template, in: space, consistency: consistency).count
        }
        Terminal.line(json ? JSON.object([.init("count", .int(Int64(clamping: count)))]).text : String(count))
    }
}

extension Complaint {
    static func noMatch(_ space: String, _ timeout: Timeout) -> Complaint {
        var time = ""
        if case .milliseconds(let milliseconds) = timeout, milliseconds > 0 {
            time = " within \(Figures.text(.milliseconds(Int64(clamping: milliseconds))))"
        }
        return Complaint(.notFound, "no tuple in space \(space) matches\(time)")
    }
}
