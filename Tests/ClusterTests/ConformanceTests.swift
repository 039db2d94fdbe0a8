import StarlingClient
import Synchronization
import Testing
import TupleSpace
import TupleStoreConformance

@testable import Cluster

@Suite("A cluster as a tuple store", .serialized)
struct ConformanceTests {
    @Test("In the process of a server alone")
    func single() async throws {
        try await withCluster(1) { cluster in
            let store = cluster[0].store
            for check in TupleStoreConformance.checks {
                try await named(check) { try await TupleStoreConformance { store }.run(check) }
            }
            try await expectNothingHeld(cluster)
        }
    }

    @Test("In the process of a follower, and over the wire")
    func three() async throws {
        try await withCluster(3) { cluster in
            let store = cluster[try await cluster.follower()].store
            let client = try cluster.client()
            for check in TupleStoreConformance.checks {
                try await named(check) {
                    try await TupleStoreConformance(spacePrefix: "local") { store }.run(check)
                    try await TupleStoreConformance(spacePrefix: "wire") { client }.run(check)
                }
            }
            await client.close()
            try await expectNothingHeld(cluster)
        }
    }

    @Test("Over the wire, while one leader after another is stopped and started")
    func underFaults() async throws {
        try await withCluster(3) { cluster in
            let client = try cluster.client { $0.operationTimeout = 20_000 }
            let kills = Mutex(0)
            let faults = Task {
                while !Task.isCancelled {
                    // Lease time is as late as the last stamp in the log when a leader begins: leaders that live for less
                    // than a time-out of the checks could never end it.
                    try await Task.sleep(for: .milliseconds(900))
                    let leader = try await cluster.leader()
                    // Half of them without a word.
                    try await cluster.stop(leader, handsOver: kills.withLock { $0 } % 2 == 0)
                    try await Task.sleep(for: .milliseconds(200))
                    try await cluster.start(leader)
                    kills.withLock { $0 += 1 }
                }
            }
            // Until enough leaders were stopped for it to mean something.
            var round = 0
            while kills.withLock({ $0 }) < 5 {
                round += 1
                try #require(round < 100, "the leaders cannot be stopped")
                for check in TupleStoreConformance.checks {
                    try await named(check, cluster) {
                        try await TupleStoreConformance(spacePrefix: "faults \(round)") { client }.run(check)
                    }
                }
            }
            faults.cancel()
            _ = try? await faults.value
            await client.close()
            #expect(cluster.failures.isEmpty)
        }
    }

    private func named(
        _ check: TupleStoreConformance.Check, _ cluster: TestCluster? = nil, _ body: () async throws -> Void
    ) async throws {
        do {
            try await body()
        } catch {
            Issue.record("\(check.name): \(error)")
            if let cluster { print("the cluster's log:\n" + cluster.log.suffix(120).joined(separator: "\n")) }
        }
    }

    /// What was acknowledged or released is no more anybody's.
    private func expectNothingHeld(_ cluster: TestCluster) async throws {
        try await eventually("nothing is held") { cluster.running.allSatisfy { $0.status.held == 0 } }
        #expect(cluster.failures.isEmpty)
    }
}
