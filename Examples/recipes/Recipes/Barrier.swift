import StarlingClient
import TupleSpace

/// Nobody passes before all have come: docs/recipes/barrier.md.
///
///     ("barrier", name, how many are missing)
public struct Barrier: Sendable {
    private let space: Space
    private let name: String

    public init(_ name: String, in store: any TupleStore) {
        space = store.space("barriers")
        self.name = name
    }

    /// Once, by anybody, before the first arrives; again does nothing.
    public func open(for parties: Int) async throws {
        _ = try await space.write("barrier", name, parties, ifAbsent: "barrier", name, .any(Int.self))
    }

    /// Comes, and waits for all others. Whoever comes counts, also if they wait no longer, and as often as they come.
    /// - Returns: false if they did not come in time.
    public func arrive(waiting timeout: Timeout) async throws -> Bool {
        // Read, and replaced only if nobody came between: see `update`.
        try await space.update("barrier", name, .any(Int.self)) { ($0, $1, max(0, $2 - 1)) }
        return try await space.read("barrier", name, 0, timeout: timeout) != nil
    }
}
