import StarlingClient
import TupleSpace

/// The arithmetic server of the dRuby book, which may die, and of which there may be many: docs/recipes/arithmetic-server.md.
///
///     ("request", id, operator, a, b)
///     ("answer", id, number or sentence)
public struct Arithmetic: Sendable {
    private let space: Space

    public init(in store: any TupleStore, named name: String) { space = store.space(name) }

    /// Answers one request.
    /// - Returns: false if none came in time.
    public func serve(waiting timeout: Timeout) async throws -> Bool {
        // Should this server die before the last line, the request returns to its place, and another takes it.
        let done: Bool? = try await space.take(
            "request", .any(String.self), .any(String.self), .any(Int.self), .any(Int.self), timeout: timeout
        ) { _, id, sign, a, b in
            // Under the request's key: of two servers that answer it, one after the other's death, only one does.
            try await space.write("answer", id, Self.compute(sign, a, b), lease: .seconds(60), key: "answer \(id)")
            return true
        }
        return done ?? false
    }

    /// - Returns: nil if nobody answered in time.
    public func ask(_ a: Int, _ sign: String, _ b: Int, waiting timeout: Timeout) async throws -> Value? {
        let id = "\(UInt64.random(in: 0 ... .max))"
        try await space.write("request", id, sign, a, b)
        return try await space.take("answer", id, .any(Value.self), timeout: timeout)?.2
    }

    private static func compute(_ sign: String, _ a: Int, _ b: Int) -> Value {
        switch sign {
        case "+": .int(Int64(a &+ b))
        case "-": .int(Int64(a &- b))
        case "*": .int(Int64(a &* b))
        case "/" where b != 0: .double(Double(a) / Double(b))
        case "/": .string("division by zero")
        default: .string("there is no operator \(sign)")
        }
    }
}
