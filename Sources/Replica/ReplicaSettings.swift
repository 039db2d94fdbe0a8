import Raft

/// Bounds and intervals of one server. None of them affects what apply does.
public struct ReplicaSettings: Sendable, Equatable {
    public var raft = Settings()
    /// How long a command may go without being known to the state machine, and a read without a leader to confirm it.
    public var patienceMilliseconds: UInt64 = 4_000
    /// A command that is not known to have been applied is sent to the leader again after this.
    public var resendMilliseconds: UInt64 = 1_000
    /// How long a request to the cluster (a change of members, a transfer of leadership) may take until its outcome is called unknown.
    public var clusterPatienceMilliseconds: UInt64 = 10_000
    /// A member that its peers have repaired, and that has everything, asks this often for another leader: then it votes again.
    public var mendingMilliseconds: UInt64 = 5_000
    /// A batch is proposed as soon as the disk is idle, or when it has grown to this.
    public var batchBytes = 512 << 10
    /// Commands gathered while the log takes no more; beyond it they are answered `busy`.
    public var maximumBatchBytes = 16 << 20
    /// Bytes of entries applied in one pass (and the entry that exceeds it): some milliseconds of work.
    public var appliedBytesPerPass = 1 << 20
    public var maximumPendingCommands = 200_000
    public var maximumPendingBytes = 256 << 20
    /// Commands that a follower sends to the leader in one message: at least one goes, however big.
    public var forwardedBytes = 1 << 20
    public var maximumPendingReads = 100_000
    /// Answers to reads that are made in one pass; the rest is made in the next.
    public var replyBytesPerPass = 8 << 20
    public var maximumWatches = 100_000
    public var maximumSubscriptions = 20_000
    /// Events handed to one subscription at a time.
    public var eventsPerDelivery = 1_000
    /// An idle subscription is told its position this often.
    public var subscriptionHeartbeatMilliseconds: UInt64 = 10_000
    /// A snapshot is taken when this many bytes of entries, or entries, were applied since the last one.
    public var snapshotBytes = 128 << 20
    public var snapshotEntries = 200_000
    /// One that could not be written is tried again after this.
    public var snapshotRetryMilliseconds: UInt64 = 10_000
    /// Entries behind a snapshot that stay in the log for followers that are a little behind.
    public var trailingEntries = 10_000
    /// At most this many bytes of them: what a restart has to read and apply behind the snapshot.
    public var trailingBytes = 64 << 20
    public var snapshotChunkBytes = 512 << 10
    /// All streams of snapshots from this server together take no more of disk and network than this.
    public var snapshotBytesPerSecond: UInt64 = 16 << 20
    /// Pieces under way to one peer without an answer.
    public var snapshotWindow = 4
    /// A peer that takes no piece of a snapshot for this long is given up for now.
    public var snapshotPatienceMilliseconds: UInt64 = 5_000
    public var statusIntervalMilliseconds: UInt64 = 250
    public var version = "0.1.0"
    /// Switches defences off, to prove that the simulator notices. Never set in production.
    public var mutations: ReplicaMutations = []

    public init() {}
}

/// Each switches off one defence.
public struct ReplicaMutations: OptionSet, Sendable {
    public let rawValue: UInt32

    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// A read is answered from what this server has applied, without asking the leader.
    public static let readsWithoutBarrier = ReplicaMutations(rawValue: 1 << 0)
    /// A read confirmed for an index is answered before that index is applied.
    public static let readsBeforeApply = ReplicaMutations(rawValue: 1 << 1)
    /// The leader answers a write when it has proposed it.
    public static let answersBeforeCommit = ReplicaMutations(rawValue: 1 << 2)
    /// A retry gets a number of its own, so that the state machine cannot know it.
    public static let forgetsSequenceNumbers = ReplicaMutations(rawValue: 1 << 3)
    /// The wall clock drives lease time.
    public static let leaseTimeFromWallClock = ReplicaMutations(rawValue: 1 << 4)
    /// A repaired server waits for a leader of a later term to come by itself.
    public static let repairedStaysMute = ReplicaMutations(rawValue: 1 << 5)
    /// Whatever comes is put into the log, though the cluster's feature level is too low for it.
    public static let levelNotAwaited = ReplicaMutations(rawValue: 1 << 6)
}
