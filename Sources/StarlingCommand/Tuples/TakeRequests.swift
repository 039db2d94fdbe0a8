import ArgumentParser
import StarlingClient
import TupleSpace

struct TakeRequest: TupleRequest {
    static let name = "take"
    static let abstract = "Take out the oldest tuple that matches, and print it."
    static let examples = [TupleExample("jobs", #"["resize",null,null] --timeout forever"#)]
    static let remarks = """
        Of many takers one gets a tuple. If this program dies before it has printed the tuple, the tuple returns to its \
        place. Exits 3 if nothing matches within the time-out.
        """

    @Argument(help: "The template, a JSON array.")
    var template: String
    @Option(help: ArgumentHelp("How long to wait for a match: seconds, or forever.", valueName: "seconds"))
    var timeout = "0"

    func prepare(in space: String, _ output: TupleOutput) throws -> TupleAction {
        let template = try TupleArguments.template(template)
        let timeout = try TupleArguments.timeout(timeout)
        return { client in
            guard let held = try await client.take(template, from: space, timeout: timeout) else {
                throw Complaint.noMatch(space, timeout)
            }
            output.show(held.stored)
            await held.acknowledge()
        }
    }
}

struct TakeAllRequest: TupleRequest {
    static let name = "take-all"
    static let abstract = "Take out all tuples that match, as one, and print them, a line each."
    static let examples = [TupleExample("jobs", #"["failed",null]"#)]
    static let remarks = """
        Takes at most --limit at a time (and 1 MiB): repeat it until it exits 3, when nothing matches. What it takes is \
        gone for good, also if this program dies before it has printed it.
        """

    @Argument(help: "The template, a JSON array.")
    var template: String
    @OptionGroup var selection: PageOptions

    func prepare(in space: String, _ output: TupleOutput) throws -> TupleAction {
        let template = try TupleArguments.template(template)
        let page = selection.page
        return { client in
            let result = try await client.takeAll(template, from: space, page: page)
            output.show(result.tuples, more: result.more)
            if result.tuples.isEmpty { throw Complaint.noMatch(space, .none) }
        }
    }
}

struct DeleteRequest: TupleRequest {
    static let name = "delete"
    static let abstract = "Take out the tuple of an id, and print it."
    static let examples = [TupleExample("jobs", "117203398656")]
    static let remarks = "The id is what write and read-all print. Exits 3 if there is no such tuple."

    @Argument(help: "The tuple's id.")
    var id: String

    func prepare(in space: String, _ output: TupleOutput) throws -> TupleAction {
        let id = try TupleArguments.id(id)
        return { client in
            guard let stored = try await client.take(id, from: space).tuple else {
                throw Complaint.noTuple(id, in: space)
            }
            output.show(stored)
        }
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

    static func noTuple(_ id: TupleID, in space: String) -> Complaint {
        Complaint(.notFound, "no tuple in space \(space) has the id \(id); it may have been taken, or be held")
    }
}
