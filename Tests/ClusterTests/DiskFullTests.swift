import Foundation
import Glibc
import Raft
import Replica
import StarlingClient
import Testing
import TupleSpace

@testable import Cluster

@Suite("A full disk", .serialized)
struct DiskFullTests {
    /// A file system of its own, of a few megabytes, in memory.
    private func withSmallDisk(_ megabytes: Int, _ body: (String) async throws -> Void) async throws {
        let path = try temporaryDirectory()
        defer { try? FileManager.default.removeItem(atPath: path) }
        guard mount("tmpfs", path, "tmpfs", 0, "size=\(megabytes)m") == 0 else {
            let reason = String(cString: strerror(errno))
            withKnownIssue(
                "a file system of its own needs root and the right to mount: what a full disk does was NOT tested"
            ) {
                Issue.record("mount: \(reason)")
            }
            return
        }
        do {
            try await body(path)
        } catch {
            umount2(path, Int32(MNT_DETACH))
            throw error
        }
        umount2(path, Int32(MNT_DETACH))
    }

    /// Takes all but a little of the disk's room.
    private func fill(_ path: String, leaving bytes: Int) throws {
        var room = statvfs()
        guard statvfs(path, &room) == 0 else { throw TestCluster.Timeout(description: "statvfs failed") }
        let size = Int(room.f_bavail) * Int(room.f_frsize) - bytes
        guard size > 0 else { return }
        try Data(count: size).write(to: URL(fileURLWithPath: path + "/ballast"))
    }

    private func code(_ body: () async throws(Failure) -> Void) async -> Failure? {
        do throws(Failure) {
            try await body()
            return nil
        } catch {
            return error
        }
    }

    @Test("A leader whose disk is full hands over, refuses writes with the reason, serves local reads, and comes back")
    func fullAndBack() async throws {
        try await withSmallDisk(16) { disk in
            try await withCluster(
                3,
                configure: { configuration in
                    if configuration.plan.name == "s0" { configuration.dataDirectory = disk + "/data" }
                }
            ) { cluster in
                try await cluster.leader()
                _ = await cluster[1].request(.transfer(to: cluster[0].node))
                try await eventually("s0 leads") { cluster[0].status.isLeader }
                _ = try await cluster[0].store.write(job(1), to: "jobs", key: nil)
                try fill(disk, leaving: 300 << 10)
                let client = try cluster.client { $0.operationTimeout = 20_000 }
                let large = Tuple([.string("large"), .bytes([UInt8](repeating: 7, count: 20_000))])
                try await eventually("the disk is full", within: .seconds(60)) {
                    for _ in 0..<10 { _ = try await client.write(large, to: "large") }
                    return cluster[0].status.isDiskFull
                }
                try await eventually("another leads") {
                    cluster[1].status.leader.map { $0 != cluster[0].node } ?? false
                }
                let failure = await code { () async throws(Failure) in
                    _ = try await cluster[0].store.write(job(2), to: "jobs", key: nil)
                }
                #expect(failure?.code == .diskFull)
                #expect(
                    failure?.message.contains(disk) == true && failure?.message.contains("nothing was done") == true)
                let local = try await cluster[0].store.count(anyJob, in: "jobs", consistency: .local).count
                #expect(local == 1)
                _ = try await client.write(job(3), to: "jobs")
                // Nothing is to happen, for longer than a disk may hang and elections take.
                try await Task.sleep(for: .milliseconds(1_500))
                #expect(cluster[0].status.isDiskFull && cluster.failures.isEmpty, "it neither goes on nor ends")

                try FileManager.default.removeItem(atPath: disk + "/ballast")
                try await eventually("there is room") { !cluster[0].status.isDiskFull }
                try await eventually("s0 takes writes again") {
                    await code { () async throws(Failure) in
                        _ = try await cluster[0].store.write(job(4), to: "jobs", key: nil)
                    } == nil
                }
                #expect(try await cluster[0].store.count(anyJob, in: "jobs", consistency: .linearizable).count >= 3)
                #expect(cluster.failures.isEmpty)
                await client.close()
            }
        }
    }
}
