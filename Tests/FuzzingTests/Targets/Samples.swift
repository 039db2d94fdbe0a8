import ByteCoding
import Raft
import TupleSpace

/// Values of every kind, to make seeds of.
enum Samples {
    static let cluster = ClusterID(7)

    static func member(_ id: UInt64, _ role: Member.Role = .voter, promote: Bool = false) -> Member {
        Member(
            id: NodeID(id), name: "s\(id)", peerAddress: "h:\(id)", clientAddress: "h:\(20 + id)",
            httpAddress: "h:\(40 + id)", role: role, publicKey: [UInt8](repeating: UInt8(id), count: 32),
            nextPublicKey: promote ? [UInt8](repeating: 9, count: 32) : nil, promoteWhenCaughtUp: promote)
    }

    static let three = Configuration(members: (1...3).map { member($0) })
    static let configurations = [
        three, Configuration(members: []), Configuration(members: [member(1), member(4, .learner, promote: true)]),
        Configuration(
            members: [member(1), member(2, .leaving), member(3), member(4)],
            outgoingVoters: [NodeID(1), NodeID(2), NodeID(3)]),
    ]

    static let changes: [MemberChange] = [
        .add(member(4, .learner, promote: true)), .remove(NodeID(2)), .setRole(NodeID(3), .learner),
        .setPromoteWhenCaughtUp(NodeID(4), true),
        .setAddresses(NodeID(1), peer: "n:1", client: "n:2", http: "n:3"),
        .setNextKey(NodeID(1), [UInt8](repeating: 8, count: 32)), .setNextKey(NodeID(3), nil), .adoptNextKey(NodeID(1)),
    ]

    static func encoded(_ configuration: Configuration) -> [UInt8] {
        var writer = ByteWriter()
        configuration.encode(into: &writer)
        return writer.bytes
    }

    static let entries = [
        Entry(index: LogIndex(6), term: Term(2), kind: .noop, payload: []),
        Entry(
            index: LogIndex(7), term: Term(3), kind: .command, payload: batch([.write(space: "s", tuple: tuples[0])])),
        Entry(index: LogIndex(8), term: Term(3), kind: .configuration, payload: encoded(configurations[3])),
    ]

    static let bodies: [Message.Body] = [
        .preVoteRequest(
            VoteRequest(lastIndex: LogIndex(5), lastTerm: Term(2), configurationIndex: LogIndex(3), sentAt: 9)),
        .preVoteResponse(VoteResponse(granted: true, sentAt: 9)),
        .preVoteResponse(
            VoteResponse(
                granted: false, sentAt: 9,
                newerConfiguration: PlacedConfiguration(index: LogIndex(8), configuration: configurations[3]))),
        .voteRequest(VoteRequest(lastIndex: LogIndex(5), lastTerm: Term(2), isTransfer: true, sentAt: 1 << 40)),
        .voteResponse(VoteResponse(granted: true, sentAt: 9)),
        .appendRequest(
            AppendRequest(
                previousIndex: LogIndex(5), previousTerm: Term(2), commit: LogIndex(5), entries: entries, readRound: 3,
                sentAt: 99, electionTimeoutMilliseconds: 300)),
        .appendRequest(
            AppendRequest(
                previousIndex: .zero, previousTerm: .zero, commit: .zero, entries: [], readRound: 0, sentAt: 0)),
        .appendResponse(
            AppendResponse(result: .accepted(match: LogIndex(8)), readRound: 3, sentAt: 99, waitedForDisk: true)),
        .appendResponse(
            AppendResponse(
                result: .rejected(previousIndex: LogIndex(5), hintIndex: LogIndex(3), hintTerm: Term(1)), readRound: 3,
                sentAt: 99)),
        .appendResponse(AppendResponse(result: .alive, readRound: 3, sentAt: 99)),
        .readIndexRequest(context: 77), .readIndexResponse(context: 77, index: LogIndex(8)),
        .readIndexResponse(context: 77, index: nil), .timeoutNow,
    ]

    static func message(_ body: Message.Body, from: UInt64 = 2, term: UInt64 = 4) -> Message {
        Message(cluster: cluster, from: NodeID(from), to: NodeID(1), term: Term(term), body: body)
    }

    static func encoded(_ message: Message) -> [UInt8] {
        var writer = ByteWriter()
        message.encode(into: &writer)
        return writer.bytes
    }

    // MARK: Tuples

    static let values: [Value] = [
        .null, .bool(true), .bool(false), .int(-3), .int(.max), .double(1.5), .double(-0.0), .string("é€😀"),
        .string(""),
        .bytes([0, 255, 7]), .symbol("sym"), .list([.int(1), .list([])]),
        .map([.init(key: "a", value: .int(1)), .init(key: "b", value: .map([]))]),
    ]
    static let tuples = [Tuple(values), Tuple([.string("post"), .string("ann"), .string("text")]), Tuple([.int(1)])]
    static let templates = [
        Template([.any, .literal(.int(1)), .type(.string), .range(lower: .int(1), upper: .double(2.5), open: true)]),
        Template([.prefix("po"), .any, .any]), Template([.any]), Template([.type(.map), .literal(.string("x"))]),
        Template([.range(lower: .string("a"), upper: .string("b"), open: false)]), Template([.literal(.int(1))]),
        Template([.regex("^(po|st)[^x-z]{1,3}$"), .any, .any]),
    ]
    static let operations: [TupleSpace.Operation] =
        [
            .openSession(timeoutMilliseconds: 10_000), .endSession, .expireSessions([SessionID(1), SessionID(2)]),
            .write(space: "s", tuple: tuples[0]), .write(space: "s", tuple: tuples[1]),
            .write(space: "s", tuple: tuples[2]),
            .take(space: "s", template: templates[0], timeout: .none, holds: false),
            .take(space: "s", template: templates[1], timeout: .forever, holds: true),
            .take(space: "s", template: templates[2], timeout: .milliseconds(500), holds: false),
            .take(space: "s", template: templates[5], timeout: .none, holds: true), .cancel(sequence: 3),
            .release(sequence: 4), .acknowledge,
            .keyed(key: "k", digest: [1, 2], .write(space: "s", tuple: tuples[2])),
            .keyed(
                key: "k2", digest: [],
                .take(space: "s", template: templates[2], timeout: .milliseconds(1_000), holds: false)),
            .writeLeased(space: "s", tuple: tuples[2], leaseMilliseconds: 50),
            .writeLeased(space: "s", tuple: tuples[1], leaseMilliseconds: 0),
            .renew(space: "s", id: TupleID(1_700_000_000_000 << 16), lease: .milliseconds(70)),
            .renew(space: "s", id: TupleID(1_700_000_000_000 << 16), lease: .forever),
            .replace(space: "s", id: TupleID(1_700_000_000_000 << 16), tuple: tuples[1]),
            .takeByID(space: "s", id: TupleID(1_700_000_000_001 << 16)),
            .keyed(key: "k3", digest: [], .takeByID(space: "s", id: TupleID(5))),
            .takeAll(
                space: "s", template: templates[2], page: Page(limit: 2, order: .newest, before: TupleID(1 << 60))),
            .take(space: "s", template: templates[6], timeout: .forever, holds: true), .statement(statement),
            .statement(Statement([.init(.take(space: "t", .init([.plain(.prefix("x"))])))], timeout: .forever)),
        ] + rightsOperations
    static let rightsOperations: [TupleSpace.Operation] = [
        .reserve(space: "s", template: templates[2], timeout: .forever, reservationMilliseconds: 900),
        .reservation(ReservationID(1_700_000_000_002 << 16), .complete),
        .reservation(ReservationID(1_700_000_000_002 << 16), .extend(milliseconds: 70)),
        .reservation(ReservationID(1_700_000_000_002 << 16), .release),
        .leave([FailureTuple(tuples[1], to: "s"), FailureTuple(tuples[2], to: "t", lease: .milliseconds(5))]),
        .setPolicy(space: "s", policy), .setPolicy(space: "", nil), .setToken(token), .removeToken(token.digest),
        .raiseLevel(4),
    ]
    static let policy = Policy(
        write: Rule([[.signedIn], [.fieldIsCaller(0), .role("moderator")]]),
        read: Rule([[.exists(space: "t", [.value(.string("read")), .field(1), .caller]), .user("ann")]]),
        take: Rule([[.exists(space: "t", [.role])]]))
    static let token = TokenRecord(
        digest: TokenDigest(sha256: [UInt8](repeating: 0xA5, count: 32))!, user: "ann", roles: ["admin", "moderator"])
    static let statement = Statement(
        [
            .init(
                .read(space: "s", .init([.bind(0, .string), .plain(.any), .bind(1, nil)])),
                [
                    .write(space: "t", .init([.formal(1), .id(ofStep: 0), .value(.null)]), lease: .milliseconds(9)),
                    .take(space: "s", .init([.known(.formal(0))])),
                    .takeIfAny(space: "t", .init([.plain(.regex("a"))])),
                    .read(space: "t", .init([.bind(3, .int)])), .absent(space: "u", .init([.known(.id(ofStep: 1))])),
                    .replace(step: 0, .init([.formal(0), .formal(3)])),
                ]), .init(.always),
        ], timeout: .milliseconds(40))
    static let queries: [Query] = [
        .read(space: "s", template: templates[0]), .count(space: "s", template: templates[2]),
        .readAll(
            space: "s", template: templates[1],
            page: Page(limit: 10, order: .newest, after: TupleID(1), before: TupleID(1 << 40))),
    ]
    static let failure = Failure(.busy, "Too much at once.")
    static let position = Position(index: 9, ordinal: 1)
    static let replies: [Reply] = [
        .statement(alternative: 1, results: [.done, .written(id: TupleID(5), position: position)]),
        .done, .written(id: TupleID(5), position: position), .noMatch, .count(12), .failed(failure),
        .found(StoredTuple(id: TupleID(5), tuple: tuples[1]), position: position),
        .tuples(
            [StoredTuple(id: TupleID(5), tuple: tuples[2]), StoredTuple(id: TupleID(6), tuple: tuples[0])], more: true),
    ]
    static let events = [Event.Kind.write, .take, .giveBack, .expire, .replace].map {
        Event(
            position: position, kind: $0, space: "s", tuple: StoredTuple(id: TupleID(5), tuple: tuples[1]),
            caller: "ann")
    }

    static func encoded(_ operation: TupleSpace.Operation) -> [UInt8] {
        var writer = ByteWriter()
        operation.encode(into: &writer)
        return writer.bytes
    }

    /// The payload of a log entry: a session is opened, and does all of these.
    static func batch(_ operations: [TupleSpace.Operation], lease: UInt64 = 100, from first: UInt64 = 1) -> [UInt8] {
        var batch = BatchWriter()
        let all = [.openSession(timeoutMilliseconds: 10_000)] + operations
        for (number, operation) in all.enumerated() {
            let header = CommandHeader(
                session: SessionID(1), sequence: number == 0 ? 0 : first + UInt64(number) - 1,
                acknowledgedBelow: 0, acknowledged: [], caller: "ann")
            encoded(operation).withUnsafeBytes { batch.append(header, operation: $0) }
        }
        return batch.finish(leaseTime: lease, wallStamp: 1_700_000_000_000)
    }
}
