/// What the node asks of its durable log, in one atomic step. The parts are performed in the order they stand here.
public struct StorageWrite: Equatable, Sendable {
    public var sequence: WriteSequence
    /// Term and vote, if they changed.
    public var hardState: HardState?
    /// The log now begins after this snapshot (whose file is durable already). Entries up to it are of no more use; entries
    /// behind it stay only if `keepsTail`.
    public var snapshot: SnapshotMetadata?
    public var keepsTail: Bool
    /// Drop every entry at this index and behind it: there is a conflict with the leader's log.
    public var truncateFrom: LogIndex?
    /// New entries, with ascending indices without a gap, right behind what is there.
    public var entries: [Entry]

    public init(
        sequence: WriteSequence, hardState: HardState? = nil, snapshot: SnapshotMetadata? = nil,
        keepsTail: Bool = false,
        truncateFrom: LogIndex? = nil, entries: [Entry] = []
    ) {
        self.sequence = sequence
        self.hardState = hardState
        self.snapshot = snapshot
        self.keepsTail = keepsTail
        self.truncateFrom = truncateFrom
        self.entries = entries
    }
}

/// What a server finds on its disk when it starts.
public struct RecoveredLog: Equatable, Sendable {
    public var hardState: HardState
    /// The newest usable snapshot; index 0 with the first configuration if none was taken yet.
    public var snapshot: SnapshotMetadata
    /// What is kept of the log, ascending without a gap. May begin before the snapshot's index (the trailing window), and
    /// then the entry at the snapshot's index has the snapshot's term.
    public var entries: [Entry]
    /// False after damage in the middle of the log was found: the node then neither votes nor leads until it is repaired.
    public var mayVote: Bool

    public init(hardState: HardState, snapshot: SnapshotMetadata, entries: [Entry], mayVote: Bool = true) {
        self.hardState = hardState
        self.snapshot = snapshot
        self.entries = entries
        self.mayVote = mayVote
    }
}
