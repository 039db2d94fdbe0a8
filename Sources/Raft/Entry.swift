/// One place of the replicated log.
public struct Entry: Equatable, Sendable {
    public enum Kind: UInt8, Sendable {
        /// What a new leader appends so that it can commit in its own term (dissertation 3.6.2, 6.4).
        case noop = 0
        /// A batch of commands for the state machine. Raft does not look inside.
        case command = 1
        /// An encoded `Configuration`, in force from the moment it is appended (dissertation 4.1).
        case configuration = 2
    }

    public var index: LogIndex
    public var term: Term
    public var kind: Kind
    public var payload: [UInt8]

    public init(index: LogIndex, term: Term, kind: Kind, payload: [UInt8]) {
        self.index = index
        self.term = term
        self.kind = kind
        self.payload = payload
    }
}

/// What a server must never forget: the term it knows and whom it voted for in it (Raft paper, figure 2).
public struct HardState: Equatable, Sendable {
    public var term: Term
    public var vote: NodeID?

    public init(term: Term = .zero, vote: NodeID? = nil) {
        self.term = term
        self.vote = vote
    }
}

/// What a snapshot stands for: everything up to and including `index`.
public struct SnapshotMetadata: Equatable, Sendable {
    public var index: LogIndex
    public var term: Term
    /// The configuration in force at `index`, and where it was appended (0 for the first one).
    public var configuration: Configuration
    public var configurationIndex: LogIndex

    public init(index: LogIndex, term: Term, configuration: Configuration, configurationIndex: LogIndex) {
        self.index = index
        self.term = term
        self.configuration = configuration
        self.configurationIndex = configurationIndex
    }
}
