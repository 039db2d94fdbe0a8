/// What happens to a node. Everything it ever learns comes through one of these.
public enum Input: Sendable {
    /// Time has come to here. Called at least every few milliseconds, and never with an earlier time.
    case tick(MonotonicTime)
    case message(Message)
    /// Storage has made every write up to this one durable.
    case stored(WriteSequence)
    /// A linearizable read wants to begin. Answered by `confirmedReads` or `failedReads` with the same context. With
    /// `Settings.leaseReads` a lease is judged by the next tick: one right behind the reads saves them the wait.
    case read(context: UInt64)
    /// The shell has made a snapshot of the applied state at this place durable; entries before `keepFrom` may go.
    case snapshotTaken(SnapshotMetadata, keepFrom: LogIndex)
    /// A snapshot streamed from `from` is complete and durable here.
    case snapshotReceived(SnapshotMetadata, from: NodeID)
    /// The stream of a snapshot to `peer`, begun by a `snapshotsToSend` effect, ended; `index` nil when it failed.
    case snapshotSent(to: NodeID, index: LogIndex?)
    /// The connection to a peer broke, as far as the transport can tell. If that was the leader, it is probably dead.
    case connectionLost(NodeID)
}

/// What the shell shall do about it. One value is reused for step after step: `reset()` keeps the memory.
///
/// The type keeps "after durable" from being sent early: a message that must wait for the disk is not in here at all until
/// the node has been told, by `.stored`, that the disk has it. Whatever stands in `messages` may go at once.
public struct Effects: Sendable {
    public var messages: [Message] = []
    /// At most one write a step; its sequence is one more than that of the last write.
    public var write: StorageWrite?
    /// Entries newly known to be committed, in log order, each exactly once in the life of the process. Apply all of them.
    public var committed: [Entry] = []
    /// Reads that may be served once the state machine has applied `index`.
    public var confirmedReads: [(context: UInt64, index: LogIndex)] = []
    /// Reads that cannot be confirmed here and now: no leader is known, or leadership was lost. Ask again later.
    public var failedReads: [UInt64] = []
    /// Peers too far behind the log: each wants the newest snapshot.
    public var snapshotsToSend: [NodeID] = []
    /// A received snapshot took the log's place. Load it into the state machine before anything in `committed`.
    public var snapshotToInstall: SnapshotMetadata?
    /// Role, term or known leader changed in this step.
    public var roleChanged = false
    /// `Node.reachableMembers` or `Node.isRemoved` may have changed in this step.
    public var membersChanged = false
    /// A transfer of leadership to this member did not come about in time; this server leads on.
    public var transferFailed: NodeID?

    public init() {}

    public var isEmpty: Bool {
        messages.isEmpty && write == nil && committed.isEmpty && confirmedReads.isEmpty && failedReads.isEmpty
            && snapshotsToSend.isEmpty && snapshotToInstall == nil && !roleChanged && !membersChanged
            && transferFailed == nil
    }

    public mutating func reset() {
        messages.removeAll(keepingCapacity: true)
        write = nil
        committed.removeAll(keepingCapacity: true)
        confirmedReads.removeAll(keepingCapacity: true)
        failedReads.removeAll(keepingCapacity: true)
        snapshotsToSend.removeAll(keepingCapacity: true)
        snapshotToInstall = nil
        roleChanged = false
        membersChanged = false
        transferFailed = nil
    }
}

public enum Role: String, Sendable {
    case follower, preCandidate = "pre-candidate", candidate, leader
}

/// Why a proposal was not taken. It was certainly not done.
public enum ProposalRefused: Error, Equatable, Sendable {
    case notLeader(known: NodeID?)
    /// More than `Settings.maximumUncommittedBytes` wait to be committed.
    case busy
    /// Leadership is being handed to this member; in a moment it takes proposals.
    case transferring(to: NodeID)
}

/// Why leadership is not transferred. Nothing has changed.
public enum TransferRefused: Error, Equatable, Sendable {
    case notLeader(known: NodeID?)
    case unknownMember(NodeID)
    /// Only a voter can lead.
    case notVoter(NodeID)
    /// Nobody else can take over: no other voter has been heard lately.
    case nobodyElse
    case underWay(to: NodeID)
    /// Its program has said that it does not know how to take over.
    case unsupported(by: NodeID)
}

public struct Settings: Sendable, Equatable {
    /// A follower that hears nothing for a random time in this range starts a pre-vote.
    /// With adaptive timeouts, what is taken until the first leader has told what it measured.
    public var electionTimeoutMilliseconds: Range<UInt64> = 300..<600
    /// With adaptive timeouts, the same.
    public var heartbeatMilliseconds: UInt64 = 50
    /// Floor and ceiling of the least election timeout that a leader computes from round trips and tells all; nil: the fixed ones above.
    /// At the floor it is scheduling, not the network, that dominates.
    public var adaptiveTimeoutMilliseconds: ClosedRange<UInt64>? = 150...3_000
    /// Linearizable reads without a round of messages while a lease holds (dissertation 6.4.1). Right only if, over
    /// `leaseMilliseconds`, no server's clock runs faster than another's by more than the half by which
    /// `leaseVoteMilliseconds` is longer.
    public var leaseReads = false
    /// How long after it sent what a majority has answered a leader takes itself for the only one.
    public var leaseMilliseconds: UInt64 = 100
    /// How long after it heard a leader a server gives no vote to another (dissertation 4.2.3). Fixed, the same on every server, at most the
    /// least election timeout, and longer than any lease.
    public var leaseVoteMilliseconds: UInt64 = 150
    /// What this server can do: see `Configuration.supportedFeatureLevel`. Lower only in tests of upgrades.
    public var supportedFeatureLevel = Configuration.supportedFeatureLevel
    /// Under way to one follower without an answer. Beyond it the leader waits.
    public var maximumInflightRequests = 64
    public var maximumInflightBytes = 8 << 20
    /// Entries in one message: at least one goes, however big.
    public var maximumRequestBytes = 1 << 20
    public var maximumUncommittedBytes = 64 << 20
    /// A member that lacks so many entries, and without which there is a majority, gets no more of them than these bytes in a second, or a
    /// quarter more than the leader appends. 0, or while nobody writes: as fast as it takes them.
    public var farBehindEntries = 8_192
    public var catchUpBytesPerSecond = 6 << 20
    /// Deliberate faults; empty but in tests.
    public var mutations: Mutations = []

    public init() {}
}

/// What operators and tests see of a node.
public struct Status: Sendable, Equatable {
    public struct Peer: Sendable, Equatable {
        public var id: NodeID
        /// Known to agree up to here (leader only).
        public var match: LogIndex
        /// The last message from it arrived this long ago; nil if none has in this leadership.
        public var silentMilliseconds: UInt64?
        /// Smoothed round trip in nanoseconds; 0 if none was measured.
        public var roundTripNanoseconds: UInt64
        public var isReceivingSnapshot: Bool
        public init(
            id: NodeID, match: LogIndex, silentMilliseconds: UInt64?, roundTripNanoseconds: UInt64,
            isReceivingSnapshot: Bool
        ) {
            self.id = id
            self.match = match
            self.silentMilliseconds = silentMilliseconds
            self.roundTripNanoseconds = roundTripNanoseconds
            self.isReceivingSnapshot = isReceivingSnapshot
        }
    }

    public var id: NodeID
    public var role: Role
    public var term: Term
    public var leader: NodeID?
    public var first: LogIndex
    public var last: LogIndex
    public var commit: LogIndex
    public var durable: LogIndex
    public var peers: [Peer]
    /// Whom the leader hands over to.
    public var transferee: NodeID?
    /// The least election timeout that is in use.
    public var electionTimeoutMilliseconds: UInt64

    public init(
        id: NodeID, role: Role, term: Term, leader: NodeID?, first: LogIndex, last: LogIndex, commit: LogIndex,
        durable: LogIndex, peers: [Peer], transferee: NodeID? = nil, electionTimeoutMilliseconds: UInt64 = 0
    ) {
        self.transferee = transferee
        self.electionTimeoutMilliseconds = electionTimeoutMilliseconds
        self.id = id
        self.role = role
        self.term = term
        self.leader = leader
        self.first = first
        self.last = last
        self.commit = commit
        self.durable = durable
        self.peers = peers
    }
}
