import Gateways
import TupleSpace

/// Where goes what a request found: words, or JSON, a line each.
struct TupleOutput: Sendable {
    var json = false
    var line: @Sendable (String) -> Void = { Terminal.line($0) }
    /// Is told of every tuple that is shown.
    var saw: @Sendable (StoredTuple) -> Void = { _ in }

    func show(_ tuples: [StoredTuple], more: Bool) {
        tuples.forEach(saw)
        guard json else {
            for stored in tuples { line("\(stored.id)  \(JSONText.json(stored.tuple).text)") }
            return
        }
        line(JSON.object([.init("tuples", .array(tuples.map(Self.json))), .init("more", .bool(more))]).text)
    }

    func show(_ stored: StoredTuple) {
        saw(stored)
        line(json ? Self.json(stored).text : JSONText.json(stored.tuple).text)
    }

    /// - Parameter tuple: what was written.
    func show(_ result: WriteResult, of tuple: Tuple) {
        saw(StoredTuple(id: result.id, tuple: tuple))
        guard json else { return line("id \(result.id), position \(result.position)") }
        line(
            JSON.object([
                .init("id", .string(result.id.description)), .init("position", .string(result.position.description)),
            ]).text)
    }

    private static func json(_ stored: StoredTuple) -> JSON {
        .object([.init("id", .string(stored.id.description)), .init("tuple", JSONText.json(stored.tuple))])
    }
}
