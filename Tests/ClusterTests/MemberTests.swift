import Raft
import Replica
import Testing
import TupleSpace
import ZeroMQ

@testable import Cluster

@Suite("Members that come, go and change their keys", .serialized)
struct MemberTests {
    @discardableResult
    private func change(_ server: Server, _ changes: MemberChange...) async throws -> LogIndex {
        let outcome = await server.request(.change(changes))
        guard case .changed(let index) = outcome else {
            Issue.record("\(changes): \(outcome)")
            throw TestCluster.Timeout(description: "\(outcome)")
        }
        return index
    }

    private func members(_ server: Server) -> [Member] { server.status.peers.map(\.member) }

    @Test("A removed server is told, says so, and the others go on; asked for at a follower")
    func removed() async throws {
        try await withCluster(3) { cluster in
            let leader = try await cluster.leader()
            let (gone, asked) = ((leader + 1) % 3, (leader + 2) % 3)
            let id = cluster[gone].node
            let index = try await change(cluster[asked], .remove(id))
            try await eventually("the removed server knows it") { cluster.removed["s\(gone)"] != nil }
            let since = cluster.removed["s\(gone)"] ?? nil
            #expect(since != nil && since ?? .zero <= index)
            #expect(cluster[gone].status.isRemoved)
            #expect(
                cluster.log.contains { $0.hasPrefix("s\(gone): this server was removed from the cluster at log index") }
            )
            try await cluster.stop(gone)
            try await expectFlow(cluster[asked], cluster[leader], 1)
            #expect(members(cluster[leader]).count == 2)
            // Nobody would tell it again.
            let failure = await #expect(throws: StartFailure.self) { try await cluster.start(gone) }
            let text = failure?.description ?? ""
            #expect(
                text.contains("was removed from the cluster at log index") && text.contains("may be deleted"), "\(text)"
            )
            #expect(cluster.failures.isEmpty)
        }
    }

    @Test("A leader that is asked to remove itself answers, and another leads")
    func leaderRemoved() async throws {
        try await withCluster(3) { cluster in
            let leader = try await cluster.leader()
            try await change(cluster[leader], .remove(cluster[leader].node))
            try await eventually("it knows") { cluster.removed["s\(leader)"] != nil }
            try await cluster.stop(leader)
            let next = try await cluster.leader()
            #expect(next != leader)
            try await expectFlow(cluster[next], cluster[next], 1)
        }
    }

    @Test("A cluster of one grows to three and shrinks back to one")
    func grows() async throws {
        try await withCluster(1) { cluster in
            _ = try await cluster[0].store.write(job(1), to: "jobs", key: nil)
            var joined: [Server] = []
            for name in ["x", "y"] {
                let (server, member) = try await cluster.join(name, knowing: members(cluster[0]))
                try await change(joined.last ?? cluster[0], .add(member))
                try await eventually("\(name) is a voter") {
                    members(cluster[0]).contains { $0.id == member.id && $0.role == .voter }
                }
                joined.append(server)
                #expect(try await server.store.count(anyJob, in: "jobs", consistency: .linearizable).count == 1)
            }
            try await expectFlow(joined[0], joined[1], 2)
            for (place, server) in joined.enumerated() {
                try await change(cluster[0], .remove(server.node))
                try await eventually("it knows") { cluster.removed[["x", "y"][place]] != nil }
                try await onThread { server.stop() }
            }
            try await eventually("one is left") { members(cluster[0]).count == 1 }
            try await expectFlow(cluster[0], cluster[0], 3)
            #expect(cluster.failures.isEmpty)
        }
    }

    @Test("A member changes its key while messages flow, and its old key is of no use afterwards")
    func rotatesKey() async throws {
        try await withCluster(3) { cluster in
            let leader = try await cluster.leader()
            let (member, other) = ((leader + 1) % 3, (leader + 2) % 3)
            let id = cluster[member].node
            let keys = try CurveKeyPair.generate()
            try await change(cluster[other], .setNextKey(id, keys.publicKey.bytes))
            try await expectFlow(cluster[member], cluster[other], 1)
            cluster.adjust(member) { $0.plan.keys = keys }
            try await cluster.stop(member)
            try await cluster.start(member)
            try await expectFlow(cluster[member], cluster[other], 2)
            try await change(cluster[member], .adoptNextKey(id))
            try await eventually("all know the new key only") {
                cluster.running.allSatisfy { server in
                    let record = members(server).first { $0.id == id }
                    return record?.publicKey == keys.publicKey.bytes && record?.nextPublicKey == nil
                }
            }
            try await expectFlow(cluster[member], cluster[other], 3)

            try await cluster.stop(member)
            cluster.adjust(member, nil)
            try await cluster.start(member)
            // Nothing is to happen: time for several heartbeats and handshakes, any of which would tell it of the leader.
            try await Task.sleep(for: .seconds(2))
            #expect(cluster[member].status.leader == nil, "with its old key it gets nowhere")
            try await expectFlow(cluster[leader], cluster[other], 4)
            try await cluster.stop(member)
            cluster.adjust(member) { $0.plan.keys = keys }
            try await cluster.start(member)
            try await expectFlow(cluster[member], cluster[other], 5)
        }
    }

    @Test("A program that supports less than the cluster uses refuses to start, and names both levels")
    func olderProgram() async throws {
        try await withCluster(3) { cluster in
            try await eventually("all have the newest level") {
                cluster.running.allSatisfy { $0.status.featureLevel == Configuration.supportedFeatureLevel }
            }
            let i = try await cluster.follower()
            try await cluster.stop(i)
            cluster.adjust(i) { $0.settings.raft.supportedFeatureLevel = 1 }
            let failure = await #expect(throws: StartFailure.self) { try await cluster.start(i) }
            let text = failure?.description ?? ""
            #expect(text.contains("feature level \(Configuration.supportedFeatureLevel), by the configuration at"))
            #expect(text.contains("supports levels up to 1: start this server with a newer program"))
            cluster.adjust(i, nil)
            try await cluster.start(i)
        }
    }
}
