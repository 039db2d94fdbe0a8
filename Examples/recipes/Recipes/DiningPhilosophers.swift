import StarlingClient
import TupleSpace

/// Philosophers who think and eat, each with the two forks beside the plate: docs/recipes/dining-philosophers.md.
///
///     ("fork", number)         lies on the table
public struct DiningTable: Sendable {
    private let table: Space
    private let seats: Int

    public init(in store: any TupleStore, named name: String, seats: Int) {
        table = store.space(name)
        self.seats = seats
    }

    public func lay() async throws {
        for fork in 0..<seats {
            _ = try await table.write("fork", fork, ifAbsent: "fork", fork)
        }
    }

    /// Both forks as one, or none: nobody holds one and waits for the other, and so nobody waits for ever.
    public func eat(at seat: Int, _ meal: () async throws -> Void) async throws {
        let (left, right) = (seat, (seat + 1) % seats)
        let both = Statement(
            .take(from: table, "fork", left), .take(from: table, "fork", right), timeout: .forever)
        while true {
            do throws(Failure) {
                _ = try await table.store.run(both)
                break
            } catch where error.code == .statementFailed {
                // The left one lay there, the right one did not. Nothing was taken.
                _ = try await table.read("fork", right, timeout: .forever)
            }
        }
        try await meal()
        _ = try await table.store.run(
            Statement(.always, .write(to: table, "fork", left), .write(to: table, "fork", right)))
    }

    public func forks() async throws -> Int { try await table.count("fork", .any(Int.self)) }
}
