import Raft

/// One node on a bench: what it is told and what it answers, without anyone else.
struct Bench {
    var node: Node
    private(set) var last = Effects()
    private(set) var messages: [Message] = []
    private(set) var committed: [Entry] = []

    /// - Parameters:
    ///   - log: the terms of its entries.
    ///   - mayVote: false if its log was found damaged.
    init(
        id: UInt64 = 1, servers: Int = 3, term: UInt64 = 0, vote: UInt64? = nil, log: [UInt64] = [],
        mutations: Mutations = [], mayVote: Bool = true
    ) {
        let recovered = RecoveredLog(
            hardState: HardState(term: Term(term), vote: vote.map { NodeID($0) }),
            snapshot: Bench.origin(servers), entries: Bench.entries(log), mayVote: mayVote)
        self.init(id: id, recovered: recovered, mutations: mutations)
    }

    init(id: UInt64 = 1, recovered: RecoveredLog, mutations: Mutations = []) {
        self.init(id: id, recovered: recovered, settings: .with(mutations))
    }

    init(id: UInt64 = 1, recovered: RecoveredLog, settings: Settings) {
        node = Node(
            id: NodeID(id), cluster: TestCluster.id, recovered: recovered, settings: settings,
            now: MonotonicTime(nanoseconds: 1_000_000_000), seed: 1)
        // Long enough after its start that it owes nothing to a leader that it may have heard before.
        if recovered.hardState.term > .zero { node.hearTime(MonotonicTime(nanoseconds: 1_200_000_000)) }
    }

    static func origin(_ servers: Int) -> SnapshotMetadata {
        SnapshotMetadata(
            index: .zero, term: .zero, configuration: TestCluster.configuration(servers), configurationIndex: .zero)
    }

    static func entries(_ terms: [UInt64], behind: UInt64 = 0) -> [Entry] {
        terms.enumerated().map { i, term in
            Entry(
                index: LogIndex(behind + UInt64(i) + 1), term: Term(term), kind: .command,
                payload: Array("\(behind + UInt64(i) + 1).\(term)".utf8))
        }
    }

    var log: [UInt64] {
        node.entries(from: node.status.first, through: node.lastIndex, maximumBytes: .max).map(\.term.rawValue)
    }

    /// Performs one step; what is sent, written and committed in it is in `last`.
    mutating func step(_ input: Input) {
        last = Effects()
        node.step(input, into: &last)
        messages += last.messages
        committed += last.committed
    }

    mutating func hear(_ body: Message.Body, from: UInt64, term: UInt64) {
        step(.message(Message(cluster: TestCluster.id, from: NodeID(from), to: node.id, term: Term(term), body: body)))
    }

    mutating func hearAppend(
        _ terms: [UInt64] = [], behind: UInt64, _ previousTerm: UInt64, commit: UInt64 = 0, round: UInt64 = 0,
        from: UInt64 = 2, term: UInt64
    ) {
        let request = AppendRequest(
            previousIndex: LogIndex(behind), previousTerm: Term(previousTerm), commit: LogIndex(commit),
            entries: Bench.entries(terms, behind: behind), readRound: round, sentAt: 1)
        hear(.appendRequest(request), from: from, term: term)
    }

    mutating func hearAnswer(_ result: AppendResponse.Result, round: UInt64 = 0, from: UInt64, term: UInt64) {
        hear(.appendResponse(AppendResponse(result: result, readRound: round, sentAt: 1)), from: from, term: term)
    }

    mutating func stored(_ sequence: UInt64) {
        step(.stored(WriteSequence(sequence)))
    }

    /// Completes the write of the last step.
    mutating func storeLast() {
        if let write = last.write { step(.stored(write.sequence)) }
    }

    /// Becomes leader by the votes of these servers. Its first own entry is its second write, and still being
    /// written.
    mutating func win(votes: ClosedRange<UInt64>) {
        let term = node.term.next.rawValue
        step(.tick(MonotonicTime(nanoseconds: 3_000_000_000)))
        for voter in votes { hear(.preVoteResponse(granted: true), from: voter, term: term - 1) }
        stored(1)
        for voter in votes { hear(.voteResponse(granted: true), from: voter, term: term) }
        messages = []
    }

    var answers: [AppendResponse.Result] {
        last.messages.compactMap { message in
            if case .appendResponse(let response) = message.body { response.result } else { nil }
        }
    }

    var votes: [Bool] {
        last.messages.compactMap { message in
            if case .voteResponse(let response) = message.body { response.granted } else { nil }
        }
    }
}

/// The shapes that most tests need.
extension Message.Body {
    static func preVoteRequest(lastIndex: LogIndex, lastTerm: Term) -> Message.Body {
        .preVoteRequest(VoteRequest(lastIndex: lastIndex, lastTerm: lastTerm))
    }
    static func voteRequest(lastIndex: LogIndex, lastTerm: Term) -> Message.Body {
        .voteRequest(VoteRequest(lastIndex: lastIndex, lastTerm: lastTerm))
    }
    static func preVoteResponse(granted: Bool) -> Message.Body { .preVoteResponse(VoteResponse(granted: granted)) }
    static func voteResponse(granted: Bool) -> Message.Body { .voteResponse(VoteResponse(granted: granted)) }
}
