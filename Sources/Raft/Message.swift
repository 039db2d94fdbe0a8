/// What one server's consensus says to another's. Transport may lose, repeat, delay and reorder messages.
public struct Message: Equatable, Sendable {
    public var cluster: ClusterID
    public var from: NodeID
    public var to: NodeID
    /// The sender's term; in a pre-vote request the term it would have.
    public var term: Term
    /// The highest feature level the sender supports.
    public var featureLevel: UInt32
    /// In which version of the format it is said: 1 or 2. The first cannot say everything.
    public var formatVersion: UInt8
    public var body: Body

    public init(
        cluster: ClusterID, from: NodeID, to: NodeID, term: Term,
        featureLevel: UInt32 = Configuration.supportedFeatureLevel, formatVersion: UInt8 = 2, body: Body
    ) {
        self.cluster = cluster
        self.from = from
        self.to = to
        self.term = term
        self.featureLevel = featureLevel
        self.formatVersion = formatVersion
        self.body = body
    }

    public enum Body: Equatable, Sendable {
        case preVoteRequest(VoteRequest)
        case preVoteResponse(VoteResponse)
        case voteRequest(VoteRequest)
        case voteResponse(VoteResponse)
        case appendRequest(AppendRequest)
        case appendResponse(AppendResponse)
        /// A follower asks the leader for an index that its reads must have applied; `context` is the follower's own.
        case readIndexRequest(context: UInt64)
        /// `index` nil: this server cannot say (not leader, or not yet sure); ask again.
        case readIndexResponse(context: UInt64, index: LogIndex?)
        /// The leader hands over: stand for election now (dissertation 3.10).
        case timeoutNow
    }
}

/// Of an election, or of the question before it whether one could be won (dissertation 3.4, 9.6).
public struct VoteRequest: Equatable, Sendable {
    public var lastIndex: LogIndex
    public var lastTerm: Term
    /// The leader itself asked for this election: whoever hears it need not wait until it is silent (dissertation
    /// 4.2.3).
    public var isTransfer: Bool
    /// Of the latest configuration that the sender has, so that it can be told of a newer one. From version 2 of the
    /// format on.
    public var configurationIndex: LogIndex
    /// The sender's monotonic clock in nanoseconds; the response echoes it, which measures the round trip. From
    /// version 2 on.
    public var sentAt: UInt64

    public init(
        lastIndex: LogIndex, lastTerm: Term, isTransfer: Bool = false, configurationIndex: LogIndex = .zero,
        sentAt: UInt64 = 0
    ) {
        self.lastIndex = lastIndex
        self.lastTerm = lastTerm
        self.isTransfer = isTransfer
        self.configurationIndex = configurationIndex
        self.sentAt = sentAt
    }
}

public struct VoteResponse: Equatable, Sendable {
    public var granted: Bool
    /// Of the request. From version 2 of the format on.
    public var sentAt: UInt64
    /// In the answer to a pre-vote: the newest committed configuration, if it is newer than the asker's. A server
    /// that was away while the members changed learns from it whom to reach, and with which keys, or that it was
    /// removed. From version 2 on.
    public var newerConfiguration: PlacedConfiguration?

    public init(granted: Bool, sentAt: UInt64 = 0, newerConfiguration: PlacedConfiguration? = nil) {
        self.granted = granted
        self.sentAt = sentAt
        self.newerConfiguration = newerConfiguration
    }
}

/// Entries, or a heartbeat when there are none (Raft paper, figure 2; dissertation 10.2.1 for pipelining).
public struct AppendRequest: Equatable, Sendable {
    public var previousIndex: LogIndex
    public var previousTerm: Term
    public var commit: LogIndex
    public var entries: [Entry]
    /// The leader's round of leadership confirmation; the response echoes it (dissertation 6.4).
    public var readRound: UInt64
    /// The leader's monotonic clock in nanoseconds; the response echoes it, which measures the round trip.
    public var sentAt: UInt64
    /// What every server shall take for the least election timeout, as the leader has computed it from round trips;
    /// 0: no word. From version 2 of the format on.
    public var electionTimeoutMilliseconds: UInt32

    public init(
        previousIndex: LogIndex, previousTerm: Term, commit: LogIndex, entries: [Entry], readRound: UInt64,
        sentAt: UInt64, electionTimeoutMilliseconds: UInt32 = 0
    ) {
        self.electionTimeoutMilliseconds = electionTimeoutMilliseconds
        self.previousIndex = previousIndex
        self.previousTerm = previousTerm
        self.commit = commit
        self.entries = entries
        self.readRound = readRound
        self.sentAt = sentAt
    }
}

public struct AppendResponse: Equatable, Sendable {
    public enum Result: Equatable, Sendable {
        /// The follower's log agrees with the leader's up to here, durably.
        case accepted(match: LogIndex)
        /// The entry at `previousIndex` of the request is missing or of another term. `hintIndex` is the last index
        /// at which the logs could agree judging by the follower's log, and `hintTerm` the follower's term there:
        /// with it the leader jumps over a whole conflicting term in one round trip.
        case rejected(previousIndex: LogIndex, hintIndex: LogIndex, hintTerm: Term)
        /// A sign of life without news of the log, sent at once while the disk is still writing.
        case alive
    }

    public var result: Result
    public var readRound: UInt64
    public var sentAt: UInt64
    /// The answer had to wait for the disk, so that its round trip says nothing about the network. From version 2 of
    /// the format on.
    public var waitedForDisk: Bool

    public init(result: Result, readRound: UInt64, sentAt: UInt64, waitedForDisk: Bool = false) {
        self.waitedForDisk = waitedForDisk
        self.result = result
        self.readRound = readRound
        self.sentAt = sentAt
    }
}
