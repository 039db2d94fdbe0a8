import ByteCoding

/// A server as the replicated configuration knows it.
public struct Member: Equatable, Sendable {
    public enum Role: UInt8, Sendable {
        case voter = 0
        /// Receives the log and counts for nothing.
        case learner = 1
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
public struct Configuration: Equatable, Sendable {
    /// In ascending order of id, without repeats.
    public var members: [Member]
    /// What every member is known to support; switches on whatever changes what apply does.
    public var featureLevel: UInt32

    public init(members: [Member], featureLevel: UInt32 = Configuration.supportedFeatureLevel) {
        self.members = members.sorted { $0.id < $1.id }
        self.featureLevel = featureLevel
    }

    /// The highest feature level of this program.
    public static let supportedFeatureLevel: UInt32 = 1

    public var voters: [NodeID] { members.filter { $0.role == .voter }.map(\.id) }

    public subscript(id: NodeID) -> Member? { members.first { $0.id == id } }

    public func encode(into writer: inout ByteWriter) {
        writer.write(UInt8(1))
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
    }

    public init(from reader: inout ByteReader) throws(MalformedBytes) {
        let version = try reader.readByte("configuration version")
        guard version == 1 else { throw MalformedBytes("configuration version \(version)", at: reader.offset - 1) }
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
        self.init(members: members, featureLevel: featureLevel)
    }
}
