import Crypto
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

    @Test("With rights, in the process of a follower and over the wire")
    func rights() async throws {
        try await withCluster(3) { cluster in
            let follower = try await cluster.follower()
            let store = cluster[follower].store
            let digest: @Sendable (String) -> TokenDigest = { TokenDigest(sha256: SHA256.hash(data: Array($0.utf8)))! }
            let clients = Clients(cluster, at: follower)
            let admin = try cluster.client { $0.keys = cluster.plan.operatorKey.keys }
            for check in RightsConformance.checks {
                do {
                    try await RightsConformance(
                        spacePrefix: "local", admin: store.acting(as: .operator), digest: digest,
                        showing: { store.acting(as: $0.map { .token(digest($0)) } ?? .anonymous) }
                    ).run(check)
                    try await RightsConformance(
                        spacePrefix: "wire", admin: admin, digest: digest, showing: { try clients.showing($0) }
                    ).run(check)
                } catch {
                    Issue.record("\(check.name): \(error)")
                }
            }
            await clients.close()
            await admin.close()
            #expect(cluster.failures.isEmpty)
        }
    }

    /// One for each token.
    private final class Clients: Sendable {
        private let cluster: TestCluster
        private let server: Int
        private let made = Mutex<[String: StarlingClient]>([:])

        init(_ cluster: TestCluster, at server: Int) {
            self.cluster = cluster
            self.server = server
        }

        func showing(_ token: String?) throws -> any TupleStore {
            try made.withLock { made in
                if let known = made[token ?? ""] { return known }
                var settings = ClientSettings()
                settings.token = token ?? ""
                let client = try StarlingClient(servers: [cluster.endpoint(server)], settings: settings)
                made[token ?? ""] = client
                return client
            }
        }

        func close() async {
            for client in made.withLock({ $0.values.map { $0 } }) { await client.close() }
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
