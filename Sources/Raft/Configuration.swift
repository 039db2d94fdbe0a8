import ByteCoding

/// A server as the replicated configuration knows it.
public struct Member: Equatable, Sendable {
    public enum Role: UInt8, Sendable {
        case voter = 0
        /// Receives the log and counts for nothing.
        case learner = 1
        /// Only in a joint configuration: a voter of the old set that the new one removes.
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
/// A change of voters goes through a *joint* configuration (dissertation 4.3), in which every decision needs a majority of the
/// old voters and one of the new. A server that is to join starts with a configuration without members.
public struct Configuration: Equatable, Sendable {
    /// In ascending order of id, without repeats.
    public var members: [Member]
    /// The voters that a joint configuration leaves, in ascending order; empty if this one is not joint.
    public var outgoingVoters: [NodeID]
    /// What every member is known to support; switches on whatever changes what apply does.
    public var featureLevel: UInt32

    public init(
        members: [Member], outgoingVoters: [NodeID] = [],
        featureLevel: UInt32 = Configuration.supportedFeatureLevel
    ) {
        self.members = members.sorted { $0.id < $1.id }
        self.outgoingVoters = outgoingVoters.sorted()
        self.featureLevel = featureLevel
    }

    /// The highest feature level of this program. 1: the first; 2: joint configurations.
    public static let supportedFeatureLevel: UInt32 = 2

    /// The new voters, in ascending order of id.
    public var voters: [NodeID] { members.filter { $0.role == .voter }.map(\.id) }

    public var isJoint: Bool { !outgoingVoters.isEmpty }

    public subscript(id: NodeID) -> Member? { members.first { $0.id == id } }

    /// Version 1 unless the configuration is joint, which only version 2 can say; so an older program reads what it can.
    public func encode(into writer: inout ByteWriter) {
        writer.write(UInt8(isJoint ? 2 : 1))
        writer.write(featureLevel)
        writer.writeVarint(UInt64(members.count))
        for member in members {
            writer.write(member.id.rawValue)
            writer.write(member.role.rawValue)
            writer.write(member.promoteWhenCaughtUp)
            writer.write(member.name)
            writer.write(member.peerAddress)
            writer.write(member.clientAddress)
            writer.write(member.httpAddress)
            writer.writePrefixed(member.publicKey)
            writer.writePrefixed(member.nextPublicKey ?? [])
        }
        guard isJoint else { return }
        writer.writeVarint(UInt64(outgoingVoters.count))
        for id in outgoingVoters { writer.write(id.rawValue) }
    }

    public init(from reader: inout ByteReader) throws(MalformedBytes) {
        let version = try reader.readByte("configuration version")
        guard version == 1 || version == 2 else {
            throw MalformedBytes("configuration version \(version)", at: reader.offset - 1)
        }
        let featureLevel = try reader.readUInt32("feature level")
        let count = try reader.readCount(of: "members", minimumBytes: 16)
        var members: [Member] = []
        for _ in 0..<count {
            let id = NodeID(try reader.readUInt64("node id"))
            guard let role = Member.Role(rawValue: try reader.readByte("member role")) else {
                throw MalformedBytes("member role", at: reader.offset - 1)
            }
            let promote = try reader.readBool("promote when caught up")
            let name = try reader.readString("member name")
            let peer = try reader.readString("peer address")
            let client = try reader.readString("client address")
            let http = try reader.readString("HTTP address")
            let key = try reader.readPrefixedArray("public key")
            let next = try reader.readPrefixedArray("next public key")
            if let last = members.last, last.id >= id {
                throw MalformedBytes("members out of order", at: reader.offset)
            }
            members.append(
                Member(
                    id: id, name: name, peerAddress: peer, clientAddress: client, httpAddress: http, role: role,
                    publicKey: key, nextPublicKey: next.isEmpty ? nil : next, promoteWhenCaughtUp: promote))
        }
        var outgoing: [NodeID] = []
        if version == 2 {
            for _ in 0..<(try reader.readCount(of: "outgoing voters", minimumBytes: 8)) {
                let id = NodeID(try reader.readUInt64("outgoing voter"))
                if let last = outgoing.last, last >= id {
                    throw MalformedBytes("outgoing voters out of order", at: reader.offset)
                }
                outgoing.append(id)
            }
            if outgoing.isEmpty {
                throw MalformedBytes("a joint configuration without outgoing voters", at: reader.offset)
            }
        }
        self.init(members: members, outgoingVoters: outgoing, featureLevel: featureLevel)
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
