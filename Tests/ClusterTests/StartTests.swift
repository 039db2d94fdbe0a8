import ByteCoding
import Foundation
import Raft
import StarlingClient
import Testing
import TupleSpace
import WriteAheadLog
import ZeroMQ

@testable import Cluster

@Suite("Starting", .serialized)
struct StartTests {
    private func failure(_ body: () async throws -> Void) async -> String {
        do {
            try await body()
            return "it started"
        } catch {
            return (error as? StartFailure)?.description ?? "another error: \(error)"
        }
    }

    private func serve(_ configuration: ServerConfiguration) async throws {
        try await onThread {
            let server = try Server(configuration, statusJSON: { _ in "{}" }, log: { _, _ in }, onFailure: { _ in })
            server.stop()
        }
    }

    @Test("A port in use is named, and so is what it was for; nothing is left locked")
    func portInUse() async throws {
        try await withCluster(1) { cluster in
            let other = try TestCluster(1)
            for door in ["peers", "clients"] {
                var configuration = other.configuration(0)
                if door == "peers" {
                    configuration.peerAddress = cluster[0].peerAddress
                } else {
                    configuration.clientAddress = cluster[0].clientAddress
                }
                let text = await failure { try await serve(configuration) }
                #expect(text.contains("cannot listen for \(door)") && text.contains("in use"), "\(text)")
            }
            var unreadable = other.configuration(0)
            unreadable.clientAddress = "nonsense"
            unreadable.peerAddress = "127.0.0.1:0"
            let nonsense = await failure { try await serve(unreadable) }
            #expect(nonsense.contains("nonsense"), "\(nonsense)")
            // The directory, which each of them had opened, is free.
            try await other.start(0)
            await other.end()
        }
    }

    @Test("A second server on one directory is refused, and told who has it")
    func oneDirectory() async throws {
        try await withCluster(1) { cluster in
            var configuration = cluster.configuration(0)
            configuration.peerAddress = "127.0.0.1:0"
            configuration.clientAddress = "127.0.0.1:0"
            let text = await failure { try await serve(configuration) }
            #expect(text.contains(cluster.path(0)) && text.contains("pid"), "\(text)")
            try await cluster.stop(0)
            try await cluster.start(0)
        }
    }

    @Test("A directory of something else, of another cluster or of another server is refused and not touched")
    func foreignDirectory() async throws {
        try await withCluster(1) { cluster in
            try await cluster.stop(0)
            let other = try TestCluster(2)
            var configuration = other.configuration(0)
            configuration.dataDirectory = cluster.path(0)
            let foreign = await failure { try await serve(configuration) }
            #expect(foreign.contains("cluster"), "\(foreign)")
            let documents = other.directory + "/documents"
            try FileManager.default.createDirectory(atPath: documents, withIntermediateDirectories: true)
            try Data("hello".utf8).write(to: URL(fileURLWithPath: documents + "/letter.txt"))
            configuration.dataDirectory = documents
            let text = await failure { try await serve(configuration) }
            #expect(text.contains("letter.txt"), "\(text)")
            #expect(try FileManager.default.contentsOfDirectory(atPath: documents) == ["letter.txt"])
            await other.end()
            try await cluster.start(0)
        }
    }

    @Test(
        "Three servers begin in any order, with pauses, and only when all are there",
        arguments: [[0, 1, 2], [2, 1, 0]])
    func anyOrder(_ order: [Int]) async throws {
        try await withCluster(3, starts: false) { cluster in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for (place, i) in order.enumerated() {
                    if place == 2 {
                        try await Task.sleep(for: .milliseconds(300))
                        #expect(cluster.running.isEmpty, "two of three began alone")
                    }
                    group.addTask { try await cluster.start(i) }
                    try await Task.sleep(for: .milliseconds(100))
                }
                try await group.waitForAll()
            }
            let began = ContinuousClock.now
            try await cluster.leader()
            print("first leader \(ContinuousClock.now - began) after the last server began")
            #expect(ContinuousClock.now - began < .seconds(3))
            _ = try await cluster[order[0]].store.write(job(1), to: "jobs", key: nil)
        }
    }

    @Test("A server whose directory was wiped after the cluster began is refused; the others go on")
    func wiped() async throws {
        try await withCluster(3) { cluster in
            let wiped = try await cluster.follower()
            try await cluster.stop(wiped)
            try FileManager.default.removeItem(atPath: cluster.path(wiped))
            let text = await failure { try await cluster.start(wiped) }
            #expect(text.contains("starling cluster add"), "\(text)")
            let store = cluster[try await cluster.leader()].store
            _ = try await store.write(job(1), to: "jobs", key: nil)
            #expect(try await store.count(anyJob, in: "jobs", consistency: .linearizable).count == 1)
            #expect(cluster.failures.isEmpty)
        }
    }

    @Test("A server that cannot reach the others stops as soon as it is told, and so does one that was told twice")
    func stopsAlone() async throws {
        try await withCluster(3) { cluster in
            for i in [0, 1] { try await cluster.stop(i) }
            let last = cluster[2]
            let write = Task { try await last.store.write(job(1), to: "jobs", key: nil) }
            let began = ContinuousClock.now
            try await cluster.stop(2)
            try await onThread { last.stop() }
            #expect(ContinuousClock.now - began < .seconds(3))
            await #expect(throws: Failure.self) { try await write.value }
            #expect(await last.probe(withinMilliseconds: 50) == nil)
        }
    }
}
