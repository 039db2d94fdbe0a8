import Raft
import ZeroMQ

/// What a connection has proved about who is at its other end.
enum PeerProof {
    /// The transport runs without security: everybody is believed.
    case notNeeded
    /// This frame's user id is the Z85 text of the key.
    case userID(of: Frame)
    /// The key's Z85 text, by whatever means it was proved.
    case key([UInt8])

    func isOwner(of name: [UInt8]) -> Bool {
        switch self {
        case .notNeeded: true
        case .userID(let message): message.has(.userID, equalTo: name)
        case .key(let key): key == name
        }
    }
}

/// Whom this server believes: node ids with their keys, and the plan's names with theirs. A pure value.
struct PeerRoster {
    struct Peer: Equatable {
        var id: NodeID
        var name: String
        var address: String
        /// The key in force and, while it is being changed, the next one. A member whose keys are not 32 bytes each has none,
        /// and nobody can be authenticated as it.
        var keys: [CurvePublicKey]
        /// The keys' Z85 text, as the authenticator writes it on each message.
        var names: [[UInt8]]

        init(_ member: Member) {
            id = member.id
            name = member.name
            address = member.peerAddress
            keys = [member.publicKey, member.nextPublicKey ?? []].compactMap { CurvePublicKey(bytes: $0) }
            names = keys.map { Array($0.z85.utf8) }
        }
    }

    let cluster: ClusterID
    let own: NodeID
    private(set) var peers: [Peer] = []
    private(set) var planned: [(peer: PlannedPeer, name: [UInt8])] = []

    init(cluster: ClusterID, own: NodeID) {
        self.cluster = cluster
        self.own = own
    }

    mutating func update(members: [Member]) {
        peers = members.filter { $0.id != own }.map(Peer.init).sorted { $0.id < $1.id }
    }

    mutating func update(plannedPeers: [PlannedPeer]) {
        planned = plannedPeers.map { ($0, Array($0.publicKey.z85.utf8)) }
    }

    /// Once a server of the plan is a member its keys are those that the members' list says: they may have been changed since.
    var allowedKeys: Set<CurvePublicKey> { Set(peers.flatMap(\.keys) + introducible.map(\.peer.publicKey)) }

    private var introducible: [(peer: PlannedPeer, name: [UInt8])] {
        planned.filter { planned in
            guard let member = peers.first(where: { $0.name == planned.peer.name }) else { return true }
            return member.keys.contains(planned.peer.publicKey)
        }
    }

    /// A scan: there are at most a few peers, and hashing would cost more.
    func position(of id: NodeID) -> Int? { peers.firstIndex { $0.id == id } }

    /// Says whether a message may be believed; for a member's, at which position of `peers` it stands.
    func verify(_ envelope: PeerEnvelope, proof: PeerProof) throws(DropReason) -> Int {
        guard envelope.cluster == cluster else { throw .foreignCluster }
        guard envelope.to == own else { throw .wrongAddressee }
        guard let position = position(of: envelope.from) else { throw .unknownSender }
        if case .notNeeded = proof { return position }
        guard peers[position].names.contains(where: proof.isOwner(of:)) else { throw .wrongKey }
        return position
    }

    /// Says which server of the plan an introduction comes from; nil without security.
    func verifyIntroduction(_ envelope: PeerEnvelope, proof: PeerProof) throws(DropReason) -> String? {
        guard envelope.cluster == cluster else { throw .foreignCluster }
        guard envelope.to.rawValue == 0 || envelope.to == own else { throw .wrongAddressee }
        if case .notNeeded = proof { return nil }
        guard let found = introducible.first(where: { proof.isOwner(of: $0.name) }) else { throw .wrongKey }
        return found.peer.name
    }
}
