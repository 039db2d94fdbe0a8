import StarlingClient
import TupleSpace

/// Philosophers who think and eat, each with the two forks beside the plate: docs/recipes/dining-philosophers.md.
///
///     ("fork", number)         lies on the table
///     ("laid", number)         was laid there once, and lies there or is in somebody's hand
public struct DiningTable: Sendable {
    private let table: Space
    private let seats: Int

    public init(in store: any TupleStore, named name: String, seats: Int) {
        table = store.space(name)
        self.seats = seats
    }

    /// Once, by anybody; again does nothing, though some eat meanwhile.
    public func lay() async throws {
        for fork in 0..<seats {
            try await table.store.runUnlessDone(
                Statement(
                    .always, .absent(from: table, "laid", fork), .write(to: table, "laid", fork),
                    .write(to: table, "fork", fork)))
        }
    }

    /// Both forks as one, or none: nobody holds one and waits for the other, and so nobody waits for ever.
    public func eat(at seat: Int, _ meal: () async throws -> Void) async throws {
        let (left, right) = (seat, (seat + 1) % seats)
        let both = Statement(
            .take(from: table, "fork", left), .take(from: table, "fork", right), timeout: .forever)
        while true {
            try Task.checkCancellation()
            do throws(Failure) {
                if try await table.store.run(both).done != nil { break }
            } catch where error.code == .statementFailed {
                // The left one lay there, the right one did not. Nothing was taken.
                _ = try await table.read("fork", right, timeout: .forever)
            }
        }
        let back = Statement(.always, .write(to: table, "fork", left), .write(to: table, "fork", right))
        do {
            try await meal()
        } catch {
            _ = try await table.store.run(back)
            throw error
        }
        _ = try await table.store.run(back)
    }

    public func forks() async throws -> Int { try await table.count("fork", .any(Int.self)) }
}
