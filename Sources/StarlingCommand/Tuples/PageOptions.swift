import ArgumentParser
import TupleSpace

/// Which of the tuples that match, and in what order.
struct PageOptions: ParsableArguments {
    @Option(help: ArgumentHelp("At most so many, 1 to \(Limits.pageTuples).", valueName: "count"))
    var limit = 100
    @Flag(help: "The newest first; else the oldest.")
    var newest = false

    var page: Page { Page(limit: limit, order: newest ? .newest : .oldest) }

    func validate() throws {
        guard (1...Limits.pageTuples).contains(limit) else {
            throw ValidationError("--limit is 1 to \(Limits.pageTuples), and not \(limit)")
        }
    }
}
