import ByteCoding
import Raft
import Testing

@Suite("Messages as bytes")
struct MessageCodingTests {
    static let entries = [
        Entry(index: LogIndex(8), term: Term(2), kind: .command, payload: Array("abc".utf8)),
        Entry(index: LogIndex(9), term: Term(3), kind: .noop, payload: []),
        Entry(
            index: LogIndex(10), term: Term(3), kind: .configuration,
            payload: Configuration.encoded(TestCluster.configuration(3))),
    ]

    static let bodies: [Message.Body] = [
        .preVoteRequest(lastIndex: LogIndex(7), lastTerm: Term(2)),
        .preVoteResponse(granted: true),
        .voteRequest(lastIndex: LogIndex(.max), lastTerm: .zero),
        .voteResponse(granted: false),
        .appendRequest(
            AppendRequest(
                previousIndex: LogIndex(7), previousTerm: Term(2), commit: LogIndex(6), entries: entries, readRound: 5,
                sentAt: 123_456_789_012)),
        .appendRequest(
            AppendRequest(
                previousIndex: .zero, previousTerm: .zero, commit: .zero, entries: [], readRound: 0, sentAt: 0)),
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

    /// What only the second version of the format can say.
    static let newer: [Message.Body] = [
        .preVoteRequest(
            VoteRequest(lastIndex: LogIndex(7), lastTerm: Term(2), configurationIndex: LogIndex(5), sentAt: 77)),
        .voteRequest(VoteRequest(lastIndex: LogIndex(7), lastTerm: Term(2), isTransfer: true, sentAt: .max)),
        .preVoteResponse(
            VoteResponse(
                granted: false, sentAt: 77,
                newerConfiguration: PlacedConfiguration(
                    index: LogIndex(9), configuration: TestCluster.configuration(3)))),
        .voteResponse(VoteResponse(granted: true, sentAt: 77)),
        .appendRequest(
            AppendRequest(
                previousIndex: LogIndex(7), previousTerm: Term(2), commit: LogIndex(6), entries: entries, readRound: 5,
                sentAt: 123_456_789_012, electionTimeoutMilliseconds: 2_500)),
        .appendResponse(
            AppendResponse(result: .accepted(match: LogIndex(10)), readRound: 5, sentAt: 1, waitedForDisk: true)),
        .timeoutNow,
    ]

    /// Every message in every version that can say it.
    static let messages: [Message] =
        bodies.flatMap { [message($0, version: 1), message($0)] } + newer.map { message($0) }

    static func message(_ body: Message.Body, version: UInt8 = 2) -> Message {
        Message(
            cluster: ClusterID(0x1122_3344_5566_7788), from: NodeID(2), to: NodeID(1), term: Term(4), featureLevel: 3,
            formatVersion: version, body: body)
    }

    static func bytes(_ message: Message) -> [UInt8] {
        var writer = ByteWriter()
        message.encode(into: &writer)
        return writer.take()
    }

    static func decode(_ bytes: [UInt8]) -> Message? {
        bytes.withUnsafeBytes { try? Message(decoding: $0) }
    }

    @Test("Every message comes back as it went", arguments: messages.indices)
    func roundTrip(_ i: Int) {
        let message = MessageCodingTests.messages[i]
        #expect(MessageCodingTests.decode(MessageCodingTests.bytes(message)) == message)
    }

    @Test("No message that is cut short, or has something behind it, is taken", arguments: messages.indices)
    func truncation(_ i: Int) {
        let bytes = MessageCodingTests.bytes(MessageCodingTests.messages[i])
        for length in 0..<bytes.count {
            #expect(MessageCodingTests.decode(Array(bytes[..<length])) == nil, "\(length) of \(bytes.count) bytes")
        }
        #expect(MessageCodingTests.decode(bytes + [0]) == nil)
    }

    @Test("The bytes are those of the documentation, in both versions", arguments: [1, 2] as [UInt8])
    func layout(version: UInt8) {
        let message = Message(
            cluster: ClusterID(1), from: NodeID(2), to: NodeID(3), term: Term(4), featureLevel: UInt32(version),
            formatVersion: version,
            body: .appendRequest(
                AppendRequest(
                    previousIndex: LogIndex(5), previousTerm: Term(3), commit: LogIndex(4),
                    entries: [Entry(index: LogIndex(6), term: Term(4), kind: .command, payload: [0xAB, 0xCD])],
                    readRound: 7, sentAt: 8, electionTimeoutMilliseconds: 300)))
        func eight(_ value: UInt8) -> [UInt8] { [value, 0, 0, 0, 0, 0, 0, 0] }
        var expected: [UInt8] = [version, 5, version, 0, 0, 0]
        for value in [1, 2, 3, 4, 5, 3, 4, 7, 8] as [UInt8] { expected += eight(value) }
        if version == 2 { expected += [0x2C, 1, 0, 0] }
        expected += [1, 1] + eight(4) + [2, 0xAB, 0xCD]
        #expect(MessageCodingTests.bytes(message) == expected)
    }

    @Test("A hand-over is said in the second version even to one that may not understand it")
    func timeoutNowIsNew() {
        let bytes = MessageCodingTests.bytes(MessageCodingTests.message(.timeoutNow, version: 1))
        #expect(bytes.prefix(2) == [2, 9])
        #expect(MessageCodingTests.decode([1] + bytes.dropFirst()) == nil)
        #expect(MessageCodingTests.decode([3] + bytes.dropFirst()) == nil)
        #expect(MessageCodingTests.decode([0] + bytes.dropFirst()) == nil)
    }

    @Test("Neither decoding damaged bytes nor believing what comes out of them traps", arguments: 0..<20)
    func fuzz(seed: Int) {
        var random = TestRandom(seed: UInt64(seed))
        var bench = Bench(term: 3, log: [1, 2, 3])
        var leader = Bench(term: 3, log: [1, 2, 3])
        leader.win(votes: 2...2)
        for round in 0..<2000 {
            var message = MessageCodingTests.messages[Int(random.below(UInt64(MessageCodingTests.messages.count)))]
            message.cluster = TestCluster.id
            var bytes = MessageCodingTests.bytes(message)
            for _ in 0...random.below(4) {
                // Now and then the extreme values, which random ones never meet.
                let at = Int(random.below(UInt64(bytes.count)))
                switch random.below(3) {
                case 0: bytes[at] = UInt8(random.below(256))
                case 1: for i in at..<min(at + 8, bytes.count) { bytes[i] = 0xFF }
                default: bytes[at] = 0
                }
            }
            guard let damaged = MessageCodingTests.decode(bytes) else { continue }
            bench.step(.message(damaged))
            leader.step(.message(damaged))
            if round % 7 == 0 {
                bench.storeLast()
                leader.storeLast()
            }
            #expect(bench.node.checkInvariants() == [])
            #expect(leader.node.checkInvariants() == [])
        }
    }

    @Test("An absurd number changes nothing")
    func absurd() {
        var bench = Bench(term: 3, log: [1, 2, 3])
        let undecodable = Entry(index: LogIndex(4), term: Term(4), kind: .configuration, payload: [9])
        let absurd: [(UInt64, Message.Body)] = [
            (.max, .voteRequest(lastIndex: LogIndex(3), lastTerm: Term(3))),
            (4, .voteRequest(lastIndex: LogIndex(.max), lastTerm: Term(3))),
            (4, .voteRequest(lastIndex: LogIndex(3), lastTerm: Term(4))),
            (4, append(LogIndex(.max), Term(3), [])),
            (4, append(LogIndex(3), Term(9), [])),
            (4, append(LogIndex(0), Term(1), [])),
            (4, append(LogIndex(3), Term(3), Bench.entries([4], behind: 7))),
            (4, append(LogIndex(3), Term(3), Bench.entries([2], behind: 3))),
            (4, append(LogIndex(3), Term(3), Bench.entries([9], behind: 3))),
            (4, append(LogIndex(3), Term(3), [undecodable])),
        ]
        for (term, body) in absurd {
            bench.hear(body, from: 2, term: term)
            #expect(bench.last.isEmpty)
            #expect(bench.node.term == Term(3))
        }
    }

    private func append(_ previous: LogIndex, _ term: Term, _ entries: [Entry]) -> Message.Body {
        .appendRequest(
            AppendRequest(
                previousIndex: previous, previousTerm: term, commit: .zero, entries: entries, readRound: 0, sentAt: 0))
    }
}
