import StarlingClient
import Testing
import TupleSpace
import TupleStoreConformance

@Suite("The client as a tuple store", .timeLimit(.minutes(1)))
struct ConformanceTests {
    @Test("does what every tuple store does", arguments: TupleStoreConformance.checks)
    func conforms(check: TupleStoreConformance.Check) async throws {
        let cluster = try TestCluster()
        defer { cluster.stop() }
        let client = try StarlingClient(servers: cluster.endpoints, settings: ExactlyOnceTests.settings())
        try await TupleStoreConformance { client }.run(check)
        await client.close()
    }

    @Test("in a session of its own too", arguments: TupleStoreConformance.checks)
    func sessionConforms(check: TupleStoreConformance.Check) async throws {
        let cluster = try TestCluster()
        defer { cluster.stop() }
        let client = try StarlingClient(servers: cluster.endpoints, settings: ExactlyOnceTests.settings())
        let session = try await client.openSession()
        try await TupleStoreConformance { session }.run(check)
        try await session.end()
        await client.close()
    }

    @Test("also when replies are lost and doubled and take their time", arguments: TupleStoreConformance.checks)
    func conformsUnderFaults(check: TupleStoreConformance.Check) async throws {
        let cluster = try TestCluster(servers: 2)
        defer { cluster.stop() }
        cluster.setAll {
            $0.lostReplies = 3
            $0.doubledReplies = 10
            $0.delay = 3
        }
        let settings = ExactlyOnceTests.settings { $0.silence = 100 }
        let client = try StarlingClient(servers: cluster.endpoints, settings: settings)
        try await TupleStoreConformance { client }.run(check)
        await client.close()
    }
}
