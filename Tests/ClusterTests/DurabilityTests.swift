import Raft
import Replica
import StarlingClient
import Testing
import TupleSpace

@testable import Cluster

#if DEBUG
    private let posts = 10_000
#else
    private let posts = 100_000
#endif

@Suite("What outlives a server", .serialized)
struct DurabilityTests {
    private func writeJobs(_ numbers: Range<Int>, _ client: StarlingClient) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for lane in 0..<64 {
                group.addTask {
                    for number in numbers where number % 64 == lane {
                        _ = try await client.write(job(number), to: "jobs")
                    }
                }
            }
            try await group.waitForAll()
        }
    }

    @Test("Everything acknowledged is there after all servers were stopped and started")
    func restartOfAll() async throws {
        try await withCluster(3) { cluster in
            let client = try cluster.client()
            try await writeJobs(0..<500, client)
            let held = try await client.take(exactly(3), from: "jobs")
            #expect(held != nil)
            for i in 0..<3 { try await cluster.stop(i) }
            try await cluster.startAll()
            for i in 0..<3 {
                let count = try await cluster[i].store.count(anyJob, in: "jobs", consistency: .linearizable).count
                #expect(count == 499, "the held one is still held")
            }
            await held?.acknowledge()
            await client.close()
            #expect(try await cluster[0].store.count(exactly(3), in: "jobs", consistency: .linearizable).count == 0)
        }
    }

    @Test("A restart with many posts is quick")
    func quickRestart() async throws {
        try await withCluster(1) { cluster in
            let client = try cluster.client()
            try await writeJobs(0..<posts, client)
            await client.close()
            for _ in 0..<2 {
                try await cluster.stop(0)
                let began = ContinuousClock.now
                try await cluster.start(0)
                let count = try await cluster[0].store.count(
                    Template([.any, .any]), in: "jobs", consistency: .linearizable
                ).count
                let took = ContinuousClock.now - began
                print("restart with \(posts) posts took \(took)")
                #expect(count == UInt64(posts))
                #expect(took < .seconds(3))
                // And once from a snapshot.
                cluster[0].takeSnapshot()
                try await eventually("a snapshot was taken") { cluster[0].status.snapshot.rawValue > 0 }
            }
        }
    }

    @Test("A server that missed more than the log keeps catches up by a snapshot, and serves what waits there")
    func snapshot() async throws {
        try await withCluster(
            3,
            configure: {
                $0.settings.snapshotEntries = 50
                $0.settings.trailingEntries = 5
                $0.settings.snapshotChunkBytes = 4_096
            }
        ) { cluster in
            let away = try await cluster.follower()
            try await cluster.stop(away)
            let leader = try await cluster.leader()
            let store = cluster[leader].store
            for number in 0..<300 { _ = try await store.write(job(number), to: "jobs", key: nil) }
            #expect(cluster[leader].status.snapshot.rawValue > 0)
            try await cluster.start(away)
            try await eventually("it has caught up") { cluster[away].status.applied == cluster[leader].status.applied }
            #expect(cluster.log.contains { $0.hasPrefix("s\(away): caught up by a snapshot") })
            let count = try await cluster[away].store.count(anyJob, in: "jobs", consistency: .local).count
            #expect(count == 300)
            // And again from its own disk.
            try await cluster.stop(away)
            try await cluster.start(away)
            try await cluster.leader()
            #expect(try await cluster[away].store.count(anyJob, in: "jobs", consistency: .linearizable).count == 300)
            #expect(cluster.failures.isEmpty)
        }
    }
}
