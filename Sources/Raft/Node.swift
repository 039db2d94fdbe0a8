/// One server's consensus: a value that takes an input and says what is to be done.
public struct Node: Sendable {
    public let id: NodeID
    public let cluster: ClusterID

    /// - Parameters:
    ///   - applied: what the state machine holds already: the recovered snapshot's index.
    ///   - seed: chooses the randomised election timeouts; nothing else is random.
    public init(
        id: NodeID, cluster: ClusterID, recovered: RecoveredLog, settings: Settings = Settings(), now: MonotonicTime,
        seed: UInt64
    ) {
        self.id = id
        self.cluster = cluster
    }

    public mutating func step(_ input: Input, into effects: inout Effects) {}

    /// Appends a batch to the log if this node leads.
    /// - Returns: where it stands, and the term: it is committed if an entry of that very term is committed at that index.
    @discardableResult
    public mutating func propose(
        _ payload: [UInt8], into effects: inout Effects
    ) throws(ProposalRefused) -> (index: LogIndex, term: Term) {
        throw .notLeader(known: nil)
    }

    public var role: Role { .follower }
    public var term: Term { .zero }
    public var leader: NodeID? { nil }
    public var commit: LogIndex { .zero }
    public var lastIndex: LogIndex { .zero }
    /// True once the leader has committed an entry of its own term (dissertation 6.4): its commit index is then current.
    public var leaderIsCurrent: Bool { false }
    public var configuration: Configuration { Configuration(members: []) }
    /// Index and term of what a snapshot of the state at `index` would stand for, with the configuration in force there.
    /// - Precondition: first - 1 <= index <= commit.
    public func snapshotMetadata(at index: LogIndex) -> SnapshotMetadata { fatalError() }
    public func term(at index: LogIndex) -> Term? { nil }
    /// - Returns: at most `maximumBytes` of payload, at least one entry if there is one.
    public func entries(from: LogIndex, through: LogIndex, maximumBytes: Int) -> [Entry] { [] }
    public var status: Status { fatalError() }
}
