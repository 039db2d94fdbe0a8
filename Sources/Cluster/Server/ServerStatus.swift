import Raft
import Replica
import TupleSpace
import ZeroMQ

/// What a server shows of itself and of the others, published ten times a second by its replica thread.
public struct ServerStatus: Sendable {
    public struct Peer: Sendable {
        public var member: Member
        public var role: Role?
        public var term: Term?
        public var commit: LogIndex?
        public var applied: LogIndex?
        public var last: LogIndex?
        /// Known to agree with the leader's log up to here; only the leader knows.
        public var match: LogIndex?
        /// Since its last message; nil if none has come.
        public var silentMilliseconds: UInt64?
        /// 0: not measured.
        public var roundTripNanoseconds: UInt64
        public var isReceivingSnapshot: Bool
        public var version: String?
    }

    public struct Event: Sendable {
        public var millisecondsSince1970: UInt64
        public var text: String
    }

    public var node: NodeID
    public var cluster: ClusterID
    public var name: String
    public var version: String
    public var role = Role.follower
    public var term = Term.zero
    public var leader: NodeID?
    public var commit = LogIndex.zero
    public var applied = LogIndex.zero
    public var last = LogIndex.zero
    public var first = LogIndex.zero
    public var durable = LogIndex.zero
    public var snapshot = LogIndex.zero
    /// All members, this server included, in the configuration's order.
    public var peers: [Peer] = []
    /// Servers that asked here lately to be added.
    public var joining: [Member] = []
    /// Whose keys this server takes changes of the cluster from.
    public var operators: [CurvePublicKey] = []
    public var tuples = 0
    public var waiters = 0
    /// Reads that wait for a tuple, and subscribers, at this server.
    public var watches = 0
    public var subscriptions = 0
    public var sessions = 0
    public var held = 0
    public var pendingCommands = 0
    public var clientConnections = 0
    public var clientRequests: UInt64 = 0
    public var malformedFrames: UInt64 = 0
    public var droppedReplies: UInt64 = 0
    public var leaderChanges: UInt64 = 0
    public var proposalsFailed: UInt64 = 0
    public var sync = Histogram()
    public var commitLatency = Histogram()
    /// How long passes of the replica thread took that applied entries.
    public var applyLatency = Histogram()
    public var snapshotSave = Histogram()
    public var snapshotFailures: UInt64 = 0
    public var isDiskFull = false
    public var isLearner = false
    /// No longer a member, and to be stopped.
    public var isRemoved = false
    public var featureLevel: UInt32 = 0
    /// The least election timeout in use.
    public var electionTimeoutMilliseconds: UInt64 = 0
    public var snapshotBytesSent: UInt64 = 0
    /// Of leadership, begun by this server, and those of them that did not come about.
    public var transfers: UInt64 = 0
    public var transfersFailed: UInt64 = 0
    /// Of members, not used for what they said.
    public var refusedMessages: UInt64 = 0
    /// At the peers' door, by reason.
    public var droppedFrames: [(reason: DropReason, count: Int)] = []
    /// In seconds since 1970; nil if the others are shown no certificate.
    public var certificateExpires: UInt64?
    public var mayVote = true
    /// Newest first.
    public var events: [Event] = []
    public var publishedAt = MonotonicTime.zero

    public var isLeader: Bool { role == .leader }
    public func name(of id: NodeID?) -> String? {
        id.flatMap { id in peers.first { $0.member.id == id }?.member.name ?? id.description }
    }
}
