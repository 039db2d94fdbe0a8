import StarlingClient

/// Where a space can be: everything typed is the same in each.
enum Place: CaseIterable, Sendable {
    case memory, client, session

    /// - Parameter body: gets a space, and how many takes and reads wait at its store.
    func withSpace(
        _ name: String = "jobs", _ body: (Space, @escaping @Sendable () async -> Int) async throws -> Void
    ) async throws {
        guard self != .memory else {
            let store = InMemoryTupleStore()
            return try await body(store.space(name)) { await store.waiterCount }
        }
        let cluster = try TestCluster()
        defer { cluster.stop() }
        let client = try StarlingClient(servers: cluster.endpoints, settings: ExactlyOnceTests.settings())
        let store: any TupleStore = self == .client ? client : try await client.openSession()
        try await body(store.space(name)) { cluster.machine.waiterCount }
        await client.close()
    }
}
