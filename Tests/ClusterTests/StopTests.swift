import Raft
import Replica
import StarlingClient
import Synchronization
import Testing
import TupleSpace

@testable import Cluster

@Suite("Stopping cleanly", .serialized)
struct StopTests {
    @Test("Leadership is handed over, and what the gateways hold goes back at once")
    func handsOver() async throws {
        try await withCluster(3) { cluster in
            let leader = try await cluster.leader()
            let other = (leader + 1) % 3
            let term = cluster[leader].status.term
            _ = try await cluster[leader].store.write(job(1), to: "jobs", key: nil)
            let held = try await cluster[leader].store.take(exactly(1), from: "jobs", timeout: .none, key: nil)
            #expect(held != nil)
            let began = ContinuousClock.now
            try await cluster.stop(leader)
            let stopped = ContinuousClock.now - began
            // Without the hand-over it would be held until the session's minute is over.
            let again = try await cluster[other].store.take(
                exactly(1), from: "jobs", timeout: .milliseconds(5_000), key: nil)
            #expect(again != nil)
            await again?.acknowledge()
            #expect(try await cluster.leader() != leader)
            #expect(cluster[other].status.term == Term(term.rawValue + 1), "nobody had to time out")
            #expect(cluster.log.contains { $0.hasPrefix("s\(leader): hands leadership to") })
            print("a leader stopped in \(stopped)")
            #expect(stopped < .seconds(5))
        }
    }

    @Test("A server alone, and one that finds nobody to hand over to, stop all the same")
    func alone() async throws {
        try await withCluster(1) { cluster in
            _ = try await cluster[0].store.write(job(1), to: "jobs", key: nil)
            let began = ContinuousClock.now
            try await cluster.stop(0)
            #expect(ContinuousClock.now - began < .seconds(3))
        }
        try await withCluster(3) { cluster in
            for i in 0..<2 { try await cluster.stop(i) }
            let began = ContinuousClock.now
            try await cluster.stop(2)
            #expect(ContinuousClock.now - began < .seconds(4))
        }
    }

    @Test("A leader that ends without a word is missed as soon as its connections break")
    func withoutAWord() async throws {
        // By the timeouts alone it would be missed after ten seconds at the least.
        try await withCluster(
            3,
            configure: {
                $0.settings.raft.adaptiveTimeoutMilliseconds = nil
                $0.settings.raft.electionTimeoutMilliseconds = 10_000..<15_000
            }
        ) { cluster in
            var pauses: [Duration] = []
            for _ in 0..<3 {
                let leader = try await cluster.leader()
                let others = [(leader + 1) % 3, (leader + 2) % 3]
                // Heartbeats go on for a while: what counts is when they end.
                try await Task.sleep(for: .milliseconds(300))
                let began = ContinuousClock.now
                let stop = Task { try await cluster.stop(leader, handsOver: false) }
                try await eventually("another leads") { others.contains { cluster[$0].status.isLeader } }
                pauses.append(ContinuousClock.now - began)
                try await stop.value
                try await cluster.start(leader)
                try await cluster.leader()
            }
            print("another led after \(pauses.sorted())")
            #expect(pauses.sorted()[1] < .seconds(5))
            #expect(!cluster.log.contains { $0.contains("hands leadership") })
        }
    }

    @Test("Stops of leaders under load lose nothing that was acknowledged, and the pause is short")
    func pause() async throws {
        let stops = 5
        try await withCluster(3) { cluster in
            let client = try cluster.client { $0.operationTimeout = 20_000 }
            let written = Mutex(0)
            let longest = Mutex(Duration.zero)
            let load = Task {
                var last = ContinuousClock.now
                while !Task.isCancelled {
                    let number = written.withLock { $0 }
                    _ = try await client.write(job(number), to: "jobs")
                    written.withLock { $0 += 1 }
                    let now = ContinuousClock.now
                    longest.withLock { $0 = max($0, now - last) }
                    last = now
                }
            }
            var pauses: [Duration] = []
            for _ in 0..<stops {
                // Writes before the stop, to measure against, and some behind it.
                try await Task.sleep(for: .milliseconds(300))
                let leader = try await cluster.leader()
                longest.withLock { $0 = .zero }
                try await cluster.stop(leader)
                try await cluster.leader()
                try await Task.sleep(for: .milliseconds(100))
                pauses.append(longest.withLock { $0 })
                try await cluster.start(leader)
                try await cluster.leader()
            }
            load.cancel()
            _ = await load.result
            print("longest time between two writes around each stop: \(pauses.sorted())")
            await client.close()
            let store = cluster[try await cluster.leader()].store
            let count = try await store.count(anyJob, in: "jobs", consistency: .linearizable).count
            #expect(count >= UInt64(written.withLock { $0 }))
            #expect(pauses.sorted()[stops / 2] < .seconds(3))
            #expect(cluster.failures.isEmpty)
        }
    }
}
