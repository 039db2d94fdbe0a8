import ByteCoding
import Glibc
import Raft
import StarlingClient
import Testing
import TupleSpace
import ZeroMQ

@testable import Cluster
@testable import Replica

@Suite("Bad input at the peers' door", .serialized)
struct PeerDoorTests {
    private func expectServing(_ cluster: TestCluster) async throws {
        let leader = try await cluster.leader()
        let store = cluster[leader].store
        _ = try await store.write(job(1), to: "jobs", key: nil)
        for server in cluster.running {
            #expect(try await server.store.count(anyJob, in: "jobs", consistency: .linearizable).count >= 1)
        }
        #expect(cluster.failures.isEmpty)
    }

    /// A frame that bears an envelope, with whatever behind it.
    private func frame(
        cluster: ClusterID, from: NodeID, to: NodeID, _ payload: [UInt8], kind: PeerEnvelope.Kind = .message
    ) -> [UInt8] {
        var frame = [UInt8](repeating: 0, count: PeerEnvelope.byteCount + payload.count)
        let envelope = PeerEnvelope(kind: kind, cluster: cluster, from: from, to: to, request: RequestID(0))
        frame.withUnsafeMutableBytes { target in
            payload.withUnsafeBytes { envelope.write(to: target, followedBy: $0) }
        }
        return frame
    }

    @Test("Whoever holds no member's key gets nowhere, whatever it says")
    func strangers() async throws {
        try await withCluster(3) { cluster in
            let term = cluster[0].status.term
            let target = cluster[0].node
            let address = cluster[0].peerAddress
            let key = cluster.plan.servers[0].keys.publicKey
            let id = cluster.plan.servers[0].cluster
            let liar = Message(
                cluster: id, from: cluster[1].node, to: target, term: Term(term.rawValue + 1_000),
                body: .voteRequest(VoteRequest(lastIndex: LogIndex(1 << 40), lastTerm: Term(1 << 40))))
            var writer = ByteWriter()
            PeerMessage.raft(liar).encode(into: &writer)
            let forged = frame(cluster: id, from: cluster[1].node, to: target, writer.take())
            try await onThread {
                let stranger = try RawClient(to: address, key: key)
                let plain = try RawClient(to: address, key: nil)
                for client in [stranger, plain] {
                    try client.send(forged)
                    #expect(try client.receive(withinMilliseconds: 700) == nil)
                }
            }
            #expect(cluster[0].status.term < Term(term.rawValue + 1_000))
            try await expectServing(cluster)
        }
    }

    @Test(
        "What a member may not say is refused, counted and told with the reason; what is old or repeated changes nothing"
    )
    func refused() async throws {
        try await withCluster(3) { cluster in
            let leader = try await cluster.leader()
            let (i, other) = ((leader + 1) % 3, (leader + 2) % 3)
            let (target, sender) = (cluster[i].node, cluster[other].node)
            let address = cluster[i].peerAddress
            let id = cluster.plan.servers[0].cluster
            let (serverKey, keys) = (cluster.plan.servers[i].keys.publicKey, cluster.plan.servers[other].keys)
            func encoded(_ message: PeerMessage) -> [UInt8] {
                var writer = ByteWriter()
                message.encode(into: &writer)
                return writer.take()
            }
            func vote(_ from: NodeID, _ cluster: ClusterID, _ term: UInt64) -> [UInt8] {
                encoded(
                    .raft(
                        Message(
                            cluster: cluster, from: from, to: target, term: Term(term),
                            body: .voteRequest(VoteRequest(lastIndex: LogIndex(1 << 40), lastTerm: Term(term - 1))))))
            }
            let chunk = SnapshotChunk(index: LogIndex(1 << 40), term: Term(1), offset: 0, total: 10, bytes: [1, 2])
            var damaged = encoded(.snapshotPiece(chunk))
            damaged[damaged.count - 1] ^= 1
            var question = encoded(
                .clusterQuestion(
                    ClusterQuestion(id: 1, isRepeat: false, term: Term(1), request: .change([.remove(target)]))))
            question[1] = 77
            let bad: [[UInt8]] = [
                vote(cluster[leader].node, id, 1 << 30), damaged, question, encoded(.snapshotPiece(chunk)),
            ]
            let harmless = [vote(sender, id, 1), vote(sender, id, 1), vote(sender, ClusterID(9), 1 << 30)]
            let before = cluster[i].status
            let frames = (bad + harmless).map { frame(cluster: id, from: sender, to: target, $0) }
            try await onThread {
                let context = try Context()
                let socket = try Socket(.dealer, in: context)
                defer { socket.close() }
                try socket.set(.linger(milliseconds: 1_000), .curveClient(keys, server: serverKey))
                try socket.connect(to: "tcp://" + address)
                for frame in frames { _ = try socket.send(frames: [frame]) }
                Glibc.usleep(500_000)
            }
            try await eventually("all were counted") {
                let now = cluster[i].status
                return now.refusedMessages >= before.refusedMessages + 4
                    && now.malformedFrames >= before.malformedFrames + 2
            }
            #expect(cluster.log.contains { $0.contains("was refused: a message of consensus in the name of") })
            #expect(cluster[i].status.term < Term(1 << 30))
            #expect(cluster[i].status.peers.count == 3)
            try await expectServing(cluster)
        }
    }

    @Test("A member's own rubbish is counted and dropped: garbage, other clusters, other names, frames in pieces")
    func rubbish() async throws {
        try await withCluster(3) { cluster in
            let i = try await cluster.follower()
            let target = cluster[i].node
            let other = (i + 1) % 3
            let (sender, stranger) = (cluster[other].node, cluster[(i + 2) % 3].node)
            let address = cluster[i].peerAddress
            let id = cluster.plan.servers[0].cluster
            let (serverKey, keys) = (cluster.plan.servers[i].keys.publicKey, cluster.plan.servers[other].keys)
            let frames: [[UInt8]] = [
                [], [1, 2, 3], [UInt8](repeating: 0xAB, count: 10_000),
                frame(cluster: ClusterID(1), from: sender, to: target, [1]),
                frame(cluster: id, from: stranger, to: target, [4, 0]),
                frame(cluster: id, from: NodeID(99), to: target, [1]),
                frame(cluster: id, from: sender, to: NodeID(99), [1]),
                frame(cluster: id, from: sender, to: target, []),
                frame(cluster: id, from: sender, to: target, [200, 1, 2]),
                frame(cluster: id, from: sender, to: target, [1, 255, 255, 255]),
                frame(cluster: id, from: sender, to: target, [2, 255, 255, 255, 255, 15]),
                frame(cluster: id, from: sender, to: target, [9, 9], kind: .introduction),
            ]
            let before = cluster[i].status.malformedFrames
            try await onThread {
                let context = try Context()
                let socket = try Socket(.dealer, in: context)
                defer { socket.close() }
                try socket.set(.linger(milliseconds: 1_000), .curveClient(keys, server: serverKey))
                try socket.connect(to: "tcp://" + address)
                for frame in frames { _ = try socket.send(frames: [frame]) }
                _ = try socket.send(frames: [frames[3], frames[4]])
                Glibc.usleep(500_000)
            }
            try await eventually("what got as far as the replica was counted") {
                cluster[i].status.malformedFrames >= before + 3
            }
            try await expectServing(cluster)
        }
    }
}
