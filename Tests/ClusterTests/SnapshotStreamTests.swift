import Foundation
import Raft
import Replica
import StarlingClient
import Testing
import TupleSpace

@testable import Cluster

@Suite("Snapshots between servers", .serialized)
struct SnapshotStreamTests {
    private static let bytesPerSecond: UInt64 = 2 << 20

    /// Three servers, of which one is away and misses more than the log keeps: several megabytes.
    private func withOneBehind(_ body: (TestCluster, StarlingClient, _ leader: Int, _ away: Int) async throws -> Void)
        async throws
    {
        try await withCluster(
            3,
            configure: { configuration in
                configuration.settings.snapshotEntries = 100
                configuration.settings.trailingEntries = 10
                configuration.settings.snapshotChunkBytes = 64 << 10
                configuration.settings.snapshotBytesPerSecond = Self.bytesPerSecond
            }
        ) { cluster in
            let client = try cluster.client { $0.operationTimeout = 20_000 }
            let leader = try await cluster.leader()
            let away = (leader + 1) % 3
            try await cluster.stop(away)
            for number in 0..<300 { _ = try await client.write(large(number), to: "large") }
            // The last one that these writes cause: another would be written, at its pace, while the test goes on. A status
            // is up to a tenth of a second old, so it must have seen them all.
            try await eventually("the leader has its last snapshot behind its log's beginning", within: .seconds(60)) {
                let status = cluster[leader].status
                return status.commit >= LogIndex(300) && status.commit - status.snapshot < 100
                    && status.first > LogIndex(20)
            }
            try await body(cluster, client, leader, away)
            await client.close()
        }
    }

    private func newestSnapshot(_ path: String) throws -> String {
        let names = try FileManager.default.contentsOfDirectory(atPath: path)
        return path + "/" + (try #require(names.filter { $0.hasPrefix("snapshot-") && !$0.hasSuffix(".tmp") }.max()))
    }

    private func newestSnapshotBytes(_ path: String) throws -> UInt64 {
        let attributes = try FileManager.default.attributesOfItem(atPath: newestSnapshot(path))
        return try #require((attributes[.size] as? NSNumber)?.uint64Value)
    }

    private func invertBits(_ path: String, at offset: UInt64) throws {
        let file = try #require(FileHandle(forUpdatingAtPath: path))
        defer { try? file.close() }
        try file.seek(toOffset: offset)
        let byte = try #require(try file.read(upToCount: 1)?.first)
        try file.seek(toOffset: offset)
        try file.write(contentsOf: Data([~byte]))
    }

    private func large(_ number: Int) -> Tuple {
        Tuple([.int(Int64(number)), .bytes([UInt8](repeating: UInt8(truncatingIfNeeded: number), count: 20_000))])
    }

    private func catchesUp(_ cluster: TestCluster, _ leader: Int, _ away: Int) async throws {
        try await eventually("it has caught up", within: .seconds(60)) {
            cluster[away].status.snapshot > .zero && cluster[away].status.applied >= cluster[leader].status.commit
        }
        let count = try await cluster[away].store.count(
            Template([.any, .any]), in: "large", consistency: .linearizable
        ).count
        #expect(count >= 300)
    }

    @Test("A follower far behind gets one at the rate that was set, while the others go on")
    func paced() async throws {
        try await withOneBehind { cluster, client, leader, away in
            let began = ContinuousClock.now
            try await cluster.start(away)
            var written = 0
            while cluster[away].status.snapshot == .zero, ContinuousClock.now - began < .seconds(60) {
                _ = try await client.write(job(written), to: "jobs")
                written += 1
            }
            let elapsed = ContinuousClock.now - began
            let sent = cluster[leader].status.snapshotBytesSent
            print("a snapshot: \(sent) bytes in \(elapsed); \(written) writes meanwhile")
            #expect(sent > 1 << 20 && written > 20)
            let seconds = Double(elapsed.components.seconds) + 1
            #expect(Double(sent) <= (seconds + 1) * Double(Self.bytesPerSecond))
            try await catchesUp(cluster, leader, away)
            #expect(cluster.failures.isEmpty)
        }
    }

    @Test("A receiver that is restarted in the middle goes on from what it has (scenario 22)")
    func resumes() async throws {
        try await withOneBehind { cluster, client, leader, away in
            let size = try newestSnapshotBytes(cluster.path(leader))
            try await cluster.start(away)
            try await eventually("a third of it is there", within: .seconds(60)) {
                cluster[leader].status.snapshotBytesSent > size / 3
            }
            #expect(cluster[away].status.snapshot == .zero, "the stream is not over")
            try await cluster.stop(away)
            let before = cluster[leader].status.snapshotBytesSent
            try await cluster.start(away)
            try await catchesUp(cluster, leader, away)
            let after = cluster[leader].status.snapshotBytesSent - before
            print("of \(size) bytes \(before) were sent before the restart of the receiver, \(after) after it")
            let story = cluster.log.filter { $0.contains("snapshot") }.joined(separator: "\n")
            // The rest, and what was under way or not yet a whole chunk.
            #expect(after < size - before + (1 << 20), "\(story)")
            #expect(cluster.failures.isEmpty)
        }
    }

    @Test("A leader whose newest snapshot rots while it runs notices that, takes another and sends it")
    func rots() async throws {
        try await withOneBehind { cluster, client, leader, away in
            // Of both: on a busy machine the other one may come to lead.
            for i in 0..<3 where i != away {
                let file = try newestSnapshot(cluster.path(i))
                try invertBits(file, at: newestSnapshotBytes(cluster.path(i)) / 8)
            }
            try await cluster.start(away)
            try await catchesUp(cluster, leader, away)
            let story = cluster.log.filter { $0.contains("snapshot") }
            #expect(story.contains { $0.contains("is used no more, and a new one is taken") }, "\(story)")
            #expect(story.contains { $0.contains("the checksum of a chunk does not hold") }, "\(story)")
            #expect(story.contains { $0.contains("caught up by a snapshot") }, "\(story)")
            #expect(cluster.failures.isEmpty)
        }
    }
}
