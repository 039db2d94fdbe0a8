import ByteCoding
import Raft
import Testing
import TupleSpace

@testable import Replica

@Suite("Messages between replicas")
struct PeerMessageTests {
    private static let status = PeerStatus(
        role: .leader, term: Term(3), commit: LogIndex(10), applied: LogIndex(9), last: LogIndex(12),
        checkpoint: LogIndex(64),
        digest: 0xDEAD_BEEF, sentAt: 5, echo: 6, echoHeld: 7, version: "0.1.0 \u{E9}")

    static let messages: [PeerMessage] =
        [
            .raft(
                Message(
                    cluster: ClusterID(1), from: NodeID(2), to: NodeID(3), term: Term(4),
                    body: .appendRequest(
                        AppendRequest(
                            previousIndex: LogIndex(1), previousTerm: Term(1), commit: LogIndex(1),
                            entries: [Entry(index: LogIndex(2), term: Term(4), kind: .command, payload: [1, 2, 3])],
                            readRound: 8,
                            sentAt: 9)))),
            .forward([]), .forward([[1, 2, 3], [], [UInt8](repeating: 7, count: 300)]),
            .refused([
                CommandKey(session: SessionID(1), sequence: 2), CommandKey(session: SessionID(.max), sequence: .max),
            ]
            ),
            .keepAlive([SessionID(1), SessionID(.max)]), .status(status),
            .snapshotChunk(SnapshotChunk(index: LogIndex(5), term: Term(6), offset: 7, total: 800, bytes: [1, 2])),
            .snapshotPiece(SnapshotChunk(index: LogIndex(5), term: Term(6), offset: 7, total: 800, bytes: [1, 2])),
            .snapshotProgress(index: LogIndex(5), nextOffset: .max, complete: true),
            .snapshotRefused(index: LogIndex(5), reason: "the checksum of a chunk does not hold"),
        ] + ClusterRequestCodingTests.messages

    private static func encoded(_ message: PeerMessage) -> [UInt8] {
        var writer = ByteWriter()
        message.encode(into: &writer)
        return writer.take()
    }

    private static func decoded(_ bytes: [UInt8]) -> PeerMessage? {
        bytes.withUnsafeBytes { try? PeerMessage(decoding: $0) }
    }

    @Test("What is written is read", arguments: messages)
    func roundTrip(_ message: PeerMessage) {
        #expect(Self.decoded(Self.encoded(message)) == message)
    }

    @Test("What is cut short or too long is refused", arguments: messages)
    func cut(_ message: PeerMessage) {
        let whole = Self.encoded(message)
        for count in 0..<whole.count { #expect(Self.decoded(Array(whole[..<count])) == nil) }
        #expect(Self.decoded(whole + [0]) == nil)
    }

    @Test("Rubbish never traps, and what it may mean does not trap a replica either")
    func rubbish() {
        var random = SplitMix64(seed: 42)
        var world = World(3)
        world.elect()
        let target = world.followers[0]
        var read = 0
        for round in 0..<20_000 {
            var bytes = Self.encoded(Self.messages[round % Self.messages.count])
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                bytes[Int.random(in: bytes.indices, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            // Consensus has its own fuzzer: a forged message of it may rightly change everything.
            guard bytes[0] != 1, let message = Self.decoded(bytes) else { continue }
            if case .raft = message { continue }
            read += 1
            world.pass(target) { replica in
                bytes.withUnsafeBytes { try? replica.receive($0, from: NodeID(UInt64(target % 3 + 2))) }
            }
        }
        #expect(read > 1_000)
    }
}

private struct SplitMix64: RandomNumberGenerator {
    var state: UInt64
    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
