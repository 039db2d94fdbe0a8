import ArgumentParser
import Gateways
import StarlingClient
import TupleSpace

struct ReadRequest: TupleRequest {
    static let name = "read"
    static let abstract = "Print the oldest tuple that matches, and leave it there."
    static let examples = [
        TupleExample("blog", #"["alice",null,null]"#),
        TupleExample("jobs", #"["done","photo-17"] --timeout 60"#, "waits for it"),
    ]
    static let remarks = "Exits 3 if nothing matches within the time-out."

    @OptionGroup var freshness: ConsistencyOptions
    @Argument(help: "The template, a JSON array.")
    var template: String
    @Option(help: ArgumentHelp("How long to wait for a match: seconds, or forever.", valueName: "seconds"))
    var timeout = "0"

    func prepare(in space: String, _ output: TupleOutput) throws -> TupleAction {
        let template = try TupleArguments.template(template)
        let timeout = try TupleArguments.timeout(timeout)
        let consistency = try freshness.level()
        return { client in
            let found = try await client.read(template, from: space, timeout: timeout, consistency: consistency).tuple
            guard let found else { throw Complaint.noMatch(space, timeout) }
            output.show(found)
        }
    }
}

struct ReadAllRequest: TupleRequest {
    static let name = "read-all"
    static let abstract = "Print the tuples that match, a line each."
    static let examples = [
        TupleExample("blog", #"[null,"distsys",null] --newest --limit 10"#),
        TupleExample("blog", "[null,null,null] --after 117203398656", "the next page"),
    ]

    @OptionGroup var freshness: ConsistencyOptions
    @Argument(help: "The template, a JSON array.")
    var template: String
    @OptionGroup var selection: PageOptions
    @Option(help: ArgumentHelp("Only tuples with a higher id.", valueName: "id"))
    var after: String?
    @Option(help: ArgumentHelp("Only tuples with a lower id.", valueName: "id"))
    var before: String?

    func prepare(in space: String, _ output: TupleOutput) throws -> TupleAction {
        let template = try TupleArguments.template(template)
        var bounded = selection.page
        bounded.after = try TupleArguments.id(after, "after")
        bounded.before = try TupleArguments.id(before, "before")
        let page = bounded
        let consistency = try freshness.level()
        return { client in
            let result = try await client.readAll(template, from: space, page: page, consistency: consistency)
            output.show(result.tuples, more: result.more)
        }
    }
}

struct CountRequest: TupleRequest {
    static let name = "count"
    static let abstract = "Print how many tuples match."
    static let examples = [TupleExample("blog", #"["alice",null,null]"#)]

    @OptionGroup var freshness: ConsistencyOptions
    @Argument(help: "The template, a JSON array.")
    var template: String

    func prepare(in space: String, _ output: TupleOutput) throws -> TupleAction {
        let template = try TupleArguments.template(template)
        let consistency = try freshness.level()
        return { client in
            let count = try await client.count(template, in: space, consistency: consistency).count
            let json = JSON.object([.init("count", .int(Int64(clamping: count)))])
            output.line(output.json ? json.text : String(count))
        }
    }
}
