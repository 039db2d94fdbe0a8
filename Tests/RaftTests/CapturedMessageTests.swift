import ByteCoding
import Raft
import Testing

/// Bytes that the program before the second version of the format wrote, and what they said. They must be understood
/// for as long as clusters are upgraded server by server.
@Suite("Messages of the first version")
struct CapturedMessageTests {
    private static let captured: [String] = [
        "010101000000887766554433221102000000000000000100000000000000040000000000000007000000000000000200"
            + "000000000000",
        "010201000000887766554433221102000000000000000100000000000000040000000000000001",
        "010301000000887766554433221102000000000000000100000000000000040000000000000007000000000000000200"
            + "000000000000",
        "010401000000887766554433221102000000000000000100000000000000040000000000000000",
        "010501000000887766554433221102000000000000000100000000000000040000000000000007000000000000000200"
            + "00000000000006000000000000000500000000000000141A99BE1C000000020102000000000000000361626300030000"
            + "000000000000",
        "010601000000887766554433221102000000000000000100000000000000040000000000000005000000000000000100"
            + "000000000000010A00000000000000",
        "010601000000887766554433221102000000000000000100000000000000040000000000000005000000000000000100"
            + "00000000000002070000000000000003000000000000000100000000000000",
        "01060100000088776655443322110200000000000000010000000000000004000000000000000000000000000000FFFF"
            + "FFFFFFFFFFFF03",
        "01070100000088776655443322110200000000000000010000000000000004000000000000006300000000000000",
        "01080100000088776655443322110200000000000000010000000000000004000000000000006300000000000000010C"
            + "00000000000000",
        "0108010000008877665544332211020000000000000001000000000000000400000000000000630000000000000000",
    ]

    private static let entries = [
        Entry(index: LogIndex(8), term: Term(2), kind: .command, payload: Array("abc".utf8)),
        Entry(index: LogIndex(9), term: Term(3), kind: .noop, payload: []),
    ]

    private static let bodies: [Message.Body] = [
        .preVoteRequest(lastIndex: LogIndex(7), lastTerm: Term(2)),
        .preVoteResponse(granted: true),
        .voteRequest(lastIndex: LogIndex(7), lastTerm: Term(2)),
        .voteResponse(granted: false),
        .appendRequest(
            AppendRequest(
                previousIndex: LogIndex(7), previousTerm: Term(2), commit: LogIndex(6), entries: entries, readRound: 5,
                sentAt: 123_456_789_012)),
        .appendResponse(AppendResponse(result: .accepted(match: LogIndex(10)), readRound: 5, sentAt: 1)),
        .appendResponse(
            AppendResponse(
                result: .rejected(previousIndex: LogIndex(7), hintIndex: LogIndex(3), hintTerm: Term(1)), readRound: 5,
                sentAt: 1)),
        .appendResponse(AppendResponse(result: .alive, readRound: 0, sentAt: .max)),
        .readIndexRequest(context: 99),
        .readIndexResponse(context: 99, index: LogIndex(12)),
        .readIndexResponse(context: 99, index: nil),
    ]

    @Test("They decode, and the first version is still written byte for byte the same", arguments: captured.indices)
    func decodes(_ i: Int) {
        let bytes = CapturedMessageTests.bytes(CapturedMessageTests.captured[i])
        let message = Message(
            cluster: ClusterID(0x1122_3344_5566_7788), from: NodeID(2), to: NodeID(1), term: Term(4), featureLevel: 1,
            formatVersion: 1, body: CapturedMessageTests.bodies[i])
        #expect(MessageCodingTests.decode(bytes) == message)
        #expect(MessageCodingTests.bytes(message) == bytes)
        for length in 0..<bytes.count {
            #expect(MessageCodingTests.decode(Array(bytes[..<length])) == nil, "\(length) of \(bytes.count) bytes")
        }
    }

    @Test("A server answers in the version that the other one understands, and asks strangers in the first")
    func versionOfTheOther() {
        var origin = Bench.origin(3)
        origin.configuration.featureLevel = 1
        func versions(supported: UInt32, other: UInt32) -> [UInt8] {
            var settings = Settings.fixed
            settings.supportedFeatureLevel = supported
            var bench = Bench(
                recovered: RecoveredLog(hardState: HardState(), snapshot: origin, entries: []), settings: settings)
            bench.step(.tick(MonotonicTime(nanoseconds: 3_000_000_000)))
            let asked = bench.last.messages.map(\.formatVersion)
            #expect(bench.last.messages.allSatisfy { $0.featureLevel == supported })
            #expect(asked == [1, 1])
            bench.step(
                .message(
                    Message(
                        cluster: TestCluster.id, from: NodeID(2), to: NodeID(1), term: Term(1), featureLevel: other,
                        formatVersion: 1, body: .preVoteRequest(lastIndex: .zero, lastTerm: .zero))))
            return bench.last.messages.map(\.formatVersion)
        }
        #expect(versions(supported: 2, other: 2) == [2])
        #expect(versions(supported: 2, other: 1) == [1])
        #expect(versions(supported: 1, other: 2) == [1])
    }

    @Test("Old and new programs elect, replicate and read together")
    func twoPrograms() throws {
        var cluster = TestCluster(3)
        for n in 1...2 {
            var origin = Bench.origin(3)
            origin.configuration.featureLevel = 1
            var settings = Settings.fixed
            if n == 1 { settings.supportedFeatureLevel = 1 }
            cluster.servers[n - 1].node = Node(
                id: NodeID(UInt64(n)), cluster: TestCluster.id,
                recovered: RecoveredLog(hardState: HardState(), snapshot: origin, entries: []), settings: settings,
                now: MonotonicTime(nanoseconds: 1_000_000_000), seed: UInt64(n))
        }
        cluster.crash(3)
        for round in 0..<300 {
            cluster.wait(milliseconds: 10)
            // Everything passes through bytes; what is for the old program is in the first version.
            for message in cluster.network where message.to == NodeID(1) { #expect(message.formatVersion == 1) }
            cluster.network = cluster.network.compactMap { MessageCodingTests.decode(MessageCodingTests.bytes($0)) }
            cluster.deliver()
            guard round == 250 else { continue }
            let leader = try #require(cluster.leaders.first)
            try cluster.propose(leader, "x")
            for n in 1...2 { cluster.step(n, .read(context: 7)) }
        }
        for n in 1...2 {
            #expect(cluster[n].commit == cluster[n].lastIndex)
            #expect(cluster.servers[n - 1].confirmed.map(\.context) == [7])
        }
    }

    private static func bytes(_ hexadecimal: String) -> [UInt8] {
        let digits = Array(hexadecimal.utf8)
        return stride(from: 0, to: digits.count, by: 2).compactMap {
            UInt8(String(decoding: digits[$0..<$0 + 2], as: UTF8.self), radix: 16)
        }
    }
}
