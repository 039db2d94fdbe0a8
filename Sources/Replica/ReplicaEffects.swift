import ByteCoding
import Raft
import TupleSpace

/// A request that somebody at this server waits for, by the number the shell gave it. Never reused in the life of a process.
public struct RequestToken: Hashable, Comparable, Sendable {
    public let rawValue: UInt64

    @inlinable public init(_ rawValue: UInt64) { self.rawValue = rawValue }
    @inlinable public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

/// What the shell shall do. Gathered by the replica's functions until the shell has performed it and calls `reset()`.
public struct ReplicaEffects: Sendable {
    public struct PeerBytes: Sendable {
        public var to: NodeID
        /// An encoded `PeerMessage`.
        public var bytes: [UInt8]
        /// Large and patient: goes over a connection of its own.
        public var isBulk: Bool
    }

    public struct ReplyRange: Sendable {
        public var token: RequestToken
        /// An encoded `Reply` within `replyBytes`.
        public var range: Range<Int>
        /// Of an answer to a query: the state that it was read from, of which events go on without a gap. Nil: what is applied by now.
        public var position: Position?
    }

    public struct EventDelivery: Sendable {
        public var token: RequestToken
        public var batch: EventBatch
    }

    public struct SnapshotToTake: Sendable {
        public var metadata: SnapshotMetadata
        public var image: StateImage
        /// Entries from here on stay in the log.
        public var keepFrom: LogIndex
    }

    public struct SnapshotRead: Sendable, Equatable {
        public var peer: NodeID
        public var index: LogIndex
        public var offset: UInt64
        public var maximumBytes: Int
        /// Check all of the file first: the receiver threw away what it was sent, or has lost it.
        public var verifiesWhole = false
    }

    /// May go at once.
    public var messages: [PeerBytes] = []
    /// To be made durable in this order, then reported by `stored`.
    public var writes: [StorageWrite] = []
    public var replies: [ReplyRange] = []
    public var replyBytes = ByteWriter()
    public var events: [EventDelivery] = []
    public var endedSubscriptions: [(token: RequestToken, failure: Failure)] = []
    public var snapshotToTake: SnapshotToTake?
    /// A received snapshot is now the log's beginning: restore the state from its file and call `installed`.
    public var snapshotToLoad: SnapshotMetadata?
    /// Read this piece of a snapshot file, check it, and call `snapshotRead`.
    public var snapshotReads: [SnapshotRead] = []
    /// Write this piece of an arriving snapshot and call `snapshotChunkStored`.
    public var snapshotChunks: [(from: NodeID, chunk: SnapshotChunk)] = []
    /// What became of requests to the cluster.
    public var clusterOutcomes: [(token: RequestToken, outcome: ClusterOutcome)] = []
    /// `Replica.reachableMembers` or `Replica.isRemoved` may have changed.
    public var membersChanged = false
    public var notices: [Notice] = []
    /// The server must stop, for this reason.
    public var fatal: String?

    public init() {}

    public var isEmpty: Bool {
        messages.isEmpty && writes.isEmpty && replies.isEmpty && events.isEmpty && endedSubscriptions.isEmpty
            && snapshotToTake == nil && snapshotToLoad == nil && snapshotReads.isEmpty && snapshotChunks.isEmpty
            && notices.isEmpty && fatal == nil && clusterOutcomes.isEmpty && !membersChanged
    }

    public mutating func reset() {
        messages.removeAll(keepingCapacity: true)
        writes.removeAll(keepingCapacity: true)
        replies.removeAll(keepingCapacity: true)
        replyBytes.reset()
        events.removeAll(keepingCapacity: true)
        endedSubscriptions.removeAll(keepingCapacity: true)
        snapshotToTake = nil
        snapshotToLoad = nil
        snapshotReads.removeAll(keepingCapacity: true)
        snapshotChunks.removeAll(keepingCapacity: true)
        clusterOutcomes.removeAll(keepingCapacity: true)
        membersChanged = false
        notices.removeAll(keepingCapacity: true)
        fatal = nil
    }

    mutating func reply(_ reply: Reply, to token: RequestToken) {
        let start = replyBytes.count
        reply.encode(into: &replyBytes)
        replies.append(ReplyRange(token: token, range: start..<replyBytes.count))
    }

    mutating func reply(encoded reply: UnsafeRawBufferPointer, to token: RequestToken) {
        let start = replyBytes.count
        replyBytes.write(raw: reply)
        replies.append(ReplyRange(token: token, range: start..<replyBytes.count))
    }

    mutating func send(_ message: PeerMessage, to peer: NodeID, isBulk: Bool = false) {
        var writer = ByteWriter()
        message.encode(into: &writer)
        messages.append(PeerBytes(to: peer, bytes: writer.take(), isBulk: isBulk))
    }
}

/// Something an operator wants to know happened: shown in the cluster's event log.
public enum Notice: Sendable, Equatable {
    case becameLeader(Term)
    case lostLeadership(Term)
    case leaderChanged(NodeID?, Term)
    case snapshotTaken(LogIndex)
    case snapshotInstalled(LogIndex, from: NodeID?)
    case sendingSnapshot(LogIndex, to: NodeID)
    /// The file of the newest snapshot cannot be read, or is not what was written: it is used no more, and a new one is taken.
    case snapshotDamaged(LogIndex)
    /// A member threw away what it was sent of a snapshot, for this reason. The file here is checked.
    case snapshotRefused(LogIndex, by: NodeID, String)
    case sessionsExpired(Int)
    case diverged(NodeID, at: LogIndex)
    case configurationChanged(LogIndex)
    case transferring(to: NodeID)
    case transferFailed(to: NodeID)
    /// This server was repaired by its peers, and asks for this one to lead: with a leader of a later term it votes again.
    case asksForLeader(NodeID)
    /// This server is no longer a member; since which log index, if it has that.
    case removed(at: LogIndex?)
    /// What a member sent and is not used, and why. At most once a second.
    case refused(from: NodeID, String)
}
