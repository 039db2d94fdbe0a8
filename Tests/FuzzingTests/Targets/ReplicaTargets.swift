import ByteCoding
import Raft
import TupleSpace

@testable import Replica

extension FuzzTarget {
    static let replicas = [
        FuzzTarget(
            "peer-message",
            decoders: [
                "Replica.PeerMessage.init(decoding:)", "Replica.PeerMessage.commands(ofForward:_:)",
                "Replica.PeerStatus.init(from:)", "Replica.SnapshotChunk.init(from:)",
                "Replica.ClusterQuestion.init(from:)", "Raft.ClusterRequest.init(from:)",
                "Raft.ClusterOutcome.init(from:)", "Raft.MemberChange.init(from:)",
            ],
            seeds: { peerMessages.map { encoded($0) { $0.encode(into: &$1) } } }
        ) { bytes, tamper in
            let verdict = try roundTrip(bytes, tamper) { reader in
                try PeerMessage(decoding: try reader.readRaw(reader.remaining))
            } encode: {
                $0.encode(into: &$1)
            }
            guard PeerMessage.isForward(bytes) else { return verdict }
            // The way that copies nothing takes the same as the one that decodes.
            var walked: [[UInt8]] = []
            let isWhole = (try? PeerMessage.commands(ofForward: bytes) { walked.append([UInt8]($0)) }) != nil
            try require(isWhole == (verdict == .accepted), "two readers of forwarded commands disagree")
            if isWhole { try require(.forward(walked) == (try PeerMessage(decoding: bytes)), "commands differ") }
            return verdict
        },
        FuzzTarget(
            "replica",
            decoders: ["Replica.Replica.receive(_:from:)", "Replica.Replica.receiveForwarded(_:from:)"], factor: 16_384,
            base: 16 << 20,
            seeds: ReplicaScript.seeds
        ) { bytes, tamper in
            var first = ReplicaScript(bytes)
            try first.run()
            let copied = tamper([UInt8](bytes))
            let trace = try copied.withUnsafeBytes { raw in
                var second = ReplicaScript(raw)
                try second.run(examining: false)
                return second.trace.value
            }
            try require(trace == first.trace.value, "the same inputs made different effects")
            return first.received == 0 ? .refused : .accepted
        },
    ]

    static let peerMessages: [PeerMessage] =
        Samples.bodies.map { .raft(Samples.message($0)) } + [
            .forward([]), .forward([command(.write(space: "s", tuple: Samples.tuples[1])), command(.acknowledge)]),
            .refused([CommandKey(session: SessionID(1), sequence: 2)]), .keepAlive([SessionID(1), SessionID(9)]),
            .status(
                PeerStatus(
                    role: .leader, term: Term(4), commit: LogIndex(8), applied: LogIndex(8), last: LogIndex(9),
                    checkpoint: LogIndex(8), digest: 1 << 60, sentAt: 5, echo: 6, echoHeld: 7, version: "0.1.0")),
            .snapshotChunk(
                SnapshotChunk(index: LogIndex(9), term: Term(3), offset: 4, total: 10, bytes: [1, 2, 3])),
            .snapshotPiece(
                SnapshotChunk(index: LogIndex(9), term: Term(3), offset: 0, total: 3, bytes: [1, 2, 3])),
            .snapshotProgress(index: LogIndex(9), nextOffset: 7, complete: false),
            .snapshotRefused(index: LogIndex(9), reason: "the checksum does not hold"),
            .clusterQuestion(
                ClusterQuestion(id: 5, isRepeat: true, term: Term(4), request: .change(Samples.changes))),
            .clusterQuestion(ClusterQuestion(id: 6, isRepeat: false, term: Term(4), request: .transfer(to: nil))),
            .clusterQuestion(
                ClusterQuestion(id: 7, isRepeat: false, term: Term(4), request: .transfer(to: NodeID(2)))),
            .clusterAnswer(id: 5, .changed(LogIndex(8))), .clusterAnswer(id: 6, .transferred(to: NodeID(2), Term(5))),
            .clusterAnswer(id: 7, .refused(code: "not-ready", sentence: "Not now.")),
            .clusterAnswer(id: 8, .unknown("Who knows.")),
        ]

    /// As a server forwards it.
    static func command(_ operation: TupleSpace.Operation, _ sequence: UInt64 = 1) -> [UInt8] {
        var writer = ByteWriter()
        CommandHeader(session: SessionID(1), sequence: sequence, acknowledgedBelow: 0, acknowledged: [], caller: "ann")
            .encode(into: &writer)
        operation.encode(into: &writer)
        return writer.bytes
    }
}
