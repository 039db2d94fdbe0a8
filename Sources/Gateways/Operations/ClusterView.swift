/// What the doors show of the cluster and of this server, beside the tuples. Asked for per request; nothing is cached
/// here.
public protocol ClusterView: Sendable {
    func snapshot() async -> ClusterStatus
    /// What must hold before this server should get traffic.
    func readiness() async -> [HealthCheck]
    /// Goes through the replica thread: a server that cannot answer this must be restarted.
    func liveness() async -> HealthCheck
    func metrics() async -> [MetricFamily]
}

/// The cluster as one server sees it.
public struct ClusterStatus: Sendable, Equatable {
    public var clusterID: String
    /// The member's name of the server that says all this.
    public var server: String
    /// The leader's name; nil while this server knows of none.
    public var leader: String?
    public var members: [Member]
    /// From a proposal to its commit, as the leader measured it; empty if unknown.
    public var commitLatency: [Percentile]
    /// From handing bytes to the log until they are durable on this server.
    public var durableLatency: [Percentile]
    /// Newest first, a bounded number.
    public var events: [ClusterEvent]
    public var tuples: Int
    public var waiters: Int
    public var sessions: Int
    /// Servers that asked here lately to be added.
    public var joining: [Member]
    /// Z85: whose keys this server takes changes of the cluster from.
    public var operators: [String]

    public init(
        clusterID: String, server: String, leader: String?, members: [Member], commitLatency: [Percentile] = [],
        durableLatency: [Percentile] = [], events: [ClusterEvent] = [], tuples: Int = 0, waiters: Int = 0,
        sessions: Int = 0, joining: [Member] = [], operators: [String] = []
    ) {
        self.clusterID = clusterID
        self.server = server
        self.leader = leader
        self.members = members
        self.commitLatency = commitLatency
        self.durableLatency = durableLatency
        self.events = events
        self.tuples = tuples
        self.waiters = waiters
        self.sessions = sessions
        self.joining = joining
        self.operators = operators
    }

    public enum Role: String, Sendable, CaseIterable {
        case leader, follower, candidate, learner, unknown
    }

    public struct Member: Sendable, Equatable {
        public var id: UInt64
        public var name: String
        /// `host:port`, empty if unknown.
        public var peerAddress: String
        public var clientAddress: String
        public var httpAddress: String
        public var role: Role
        /// A learner is none.
        public var isVoter: Bool
        /// A learner that becomes a voter when it has caught up.
        public var isPromoted: Bool
        /// Z85; empty without encryption.
        public var publicKey: String
        /// The key that it is changing to.
        public var nextPublicKey: String?
        /// Of its program; nil if it was not heard.
        public var version: String?
        /// This server heard from it within the last election time-out; true for itself.
        public var isReachable: Bool
        /// Nil where this server cannot know (followers do not know of each other).
        public var term: UInt64?
        public var commitIndex: UInt64?
        public var appliedIndex: UInt64?
        public var lastIndex: UInt64?
        /// The highest index known to be durable there, and how many entries that is behind the leader's last.
        public var matchIndex: UInt64?
        public var trailsBy: UInt64?
        public var roundTripMilliseconds: Double?

        public init(
            id: UInt64, name: String, peerAddress: String = "", clientAddress: String = "", httpAddress: String = "",
            role: Role = .unknown, isVoter: Bool = true, isPromoted: Bool = false, publicKey: String = "",
            nextPublicKey: String? = nil, version: String? = nil, isReachable: Bool = false, term: UInt64? = nil,
            commitIndex: UInt64? = nil,
            appliedIndex: UInt64? = nil, lastIndex: UInt64? = nil, matchIndex: UInt64? = nil, trailsBy: UInt64? = nil,
            roundTripMilliseconds: Double? = nil
        ) {
            self.id = id
            self.name = name
            self.peerAddress = peerAddress
            self.clientAddress = clientAddress
            self.httpAddress = httpAddress
            self.role = role
            self.isVoter = isVoter
            self.isPromoted = isPromoted
            self.publicKey = publicKey
            self.nextPublicKey = nextPublicKey
            self.version = version
            self.isReachable = isReachable
            self.term = term
            self.commitIndex = commitIndex
            self.appliedIndex = appliedIndex
            self.lastIndex = lastIndex
            self.matchIndex = matchIndex
            self.trailsBy = trailsBy
            self.roundTripMilliseconds = roundTripMilliseconds
        }
    }

    public struct Percentile: Sendable, Equatable {
        /// Such as 50 or 99.
        public var percent: Double
        public var milliseconds: Double

        public init(percent: Double, milliseconds: Double) {
            self.percent = percent
            self.milliseconds = milliseconds
        }
    }
}

/// An election, a change of leader, a connection made or lost: something a person wants to read afterwards.
public struct ClusterEvent: Sendable, Equatable {
    /// Wall clock of the server that saw it.
    public var millisecondsSince1970: UInt64
    public var text: String

    public init(millisecondsSince1970: UInt64, text: String) {
        self.millisecondsSince1970 = millisecondsSince1970
        self.text = text
    }
}

public struct HealthCheck: Sendable, Equatable {
    /// A short name in kebab case, such as `has-leader`.
    public var name: String
    public var isOK: Bool
    /// Why, for a person.
    public var detail: String

    public init(name: String, isOK: Bool, detail: String = "") {
        self.name = name
        self.isOK = isOK
        self.detail = detail
    }
}
