/// A server as the replicated configuration knows it.
public struct Member: Equatable, Sendable {
    public enum Role: UInt8, Sendable {
        case voter = 0
        /// Receives the log and counts for nothing.
        case learner = 1
        /// Only in a joint configuration: a voter of the old set that is no member of the new one.
        case leaving = 2
    }

    public var id: NodeID
    /// What people call it: unique in the cluster, 1 to 63 of `a-z 0-9 -`.
    public var name: String
    /// `host:port` of the peers' door, the clients' door and the HTTP door.
    public var peerAddress: String
    public var clientAddress: String
    public var httpAddress: String
    public var role: Role
    /// The CURVE public key, 32 bytes, and the one it is changing to.
    public var publicKey: [UInt8]
    public var nextPublicKey: [UInt8]?
    /// A learner that the leader, whoever it is by then, makes a voter as soon as it has caught up.
    public var promoteWhenCaughtUp: Bool

    public init(
        id: NodeID, name: String, peerAddress: String, clientAddress: String, httpAddress: String, role: Role = .voter,
        publicKey: [UInt8], nextPublicKey: [UInt8]? = nil, promoteWhenCaughtUp: Bool = false
    ) {
        self.id = id
        self.name = name
        self.peerAddress = peerAddress
        self.clientAddress = clientAddress
        self.httpAddress = httpAddress
        self.role = role
        self.publicKey = publicKey
        self.nextPublicKey = nextPublicKey
        self.promoteWhenCaughtUp = promoteWhenCaughtUp
    }
}

/// Who belongs to the cluster. Replicated as an entry, and carried by every snapshot.
///
/// A change of voters goes through a *joint* configuration (dissertation 4.3), in which every decision needs a
/// majority of the old voters and one of the new. A server that is to join starts with a configuration without
/// members.
public struct Configuration: Equatable, Sendable {
    /// In ascending order of id, without repeats.
    public var members: [Member]
    /// The voters that a joint configuration leaves, in ascending order; empty if this one is not joint.
    public var outgoingVoters: [NodeID]
    /// What every member is known to support; switches on whatever changes what apply does. Never lowered.
    public var featureLevel: UInt32

    public init(
        members: [Member], outgoingVoters: [NodeID] = [],
        featureLevel: UInt32 = Configuration.supportedFeatureLevel
    ) {
        self.members = members.sorted { $0.id < $1.id }
        self.outgoingVoters = outgoingVoters.sorted()
        self.featureLevel = featureLevel
    }

    /// The highest feature level of this program. 1: the first; 2: joint configurations; 3 and 4: see `FeatureLevels`.
    public static let supportedFeatureLevel: UInt32 = 4

    /// Seven voters bear the loss of three at once. More would make every write slower, for each needs one more
    /// answer, and decisions are counted by comparing all with all.
    public static let maximumVoters = 7
    /// The leader sends every entry to every member, so each one more costs all of them. It also bounds the
    /// configuration's size.
    public static let maximumMembers = 16

    /// The new voters, in ascending order of id.
    public var voters: [NodeID] { members.filter { $0.role == .voter }.map(\.id) }

    public var isJoint: Bool { !outgoingVoters.isEmpty }

    public subscript(id: NodeID) -> Member? { members.first { $0.id == id } }

    /// The configuration to append on the way from this one, which is not joint, to `target`: a joint one if the
    /// voters change, be it one or many (dissertation 4.3). It takes no part in any decision who else is a member,
    /// where they are and which keys they have, so that is changed in one step.
    func step(towards target: Configuration) -> Configuration {
        guard target.voters != voters else { return target }
        let leaving = members.filter { $0.role == .voter && target[$0.id] == nil }.map { member in
            var member = member
            member.role = .leaving
            return member
        }
        return Configuration(
            members: target.members + leaving, outgoingVoters: voters, featureLevel: target.featureLevel)
    }

    /// What a joint configuration leads to: the new voters decide alone, and who is leaving has left.
    var withoutOutgoing: Configuration {
        Configuration(members: members.filter { $0.role != .leaving }, featureLevel: featureLevel)
    }
}

/// A configuration and where it stands in the log.
public struct PlacedConfiguration: Sendable, Equatable {
    /// Where it was appended; 0 for the cluster's first one, and for the empty one of a server that is to join.
    public var index: LogIndex
    public var configuration: Configuration

    public init(index: LogIndex, configuration: Configuration) {
        self.index = index
        self.configuration = configuration
    }
}
