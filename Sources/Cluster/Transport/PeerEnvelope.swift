import ByteCoding
import Raft

/// What stands before every payload between servers: docs/formats/peer-envelope.md.
struct PeerEnvelope: Equatable {
    enum Kind: UInt8 {
        case message = 1
        case request = 2
        case response = 3
        case introduction = 4
    }

    var kind: Kind
    var cluster: ClusterID
    var from: NodeID
    /// 0 in an introduction: whoever listens at the address.
    var to: NodeID
    /// 0 unless the kind is `request` or `response`.
    var request: RequestID

    static let byteCount = 40
    static let version: UInt8 = 1
    private static let magic: [UInt8] = [0x53, 0x50]  // "SP"

    /// Writes the envelope at the start of `target` and the payload behind it.
    /// - Precondition: `target` has room for exactly both, and the payload is shorter than 4 GiB.
    func write(to target: UnsafeMutableRawBufferPointer, followedBy payload: UnsafeRawBufferPointer) {
        target[0] = Self.magic[0]
        target[1] = Self.magic[1]
        target[2] = Self.version
        target[3] = kind.rawValue
        target.storeBytes(of: UInt32(payload.count).littleEndian, toByteOffset: 4, as: UInt32.self)
        target.storeBytes(of: cluster.rawValue.littleEndian, toByteOffset: 8, as: UInt64.self)
        target.storeBytes(of: from.rawValue.littleEndian, toByteOffset: 16, as: UInt64.self)
        target.storeBytes(of: to.rawValue.littleEndian, toByteOffset: 24, as: UInt64.self)
        target.storeBytes(of: request.rawValue.littleEndian, toByteOffset: 32, as: UInt64.self)
        UnsafeMutableRawBufferPointer(rebasing: target[Self.byteCount...]).copyMemory(from: payload)
    }

    /// Reads a frame that may hold anything.
    static func read(
        _ frame: UnsafeRawBufferPointer
    ) throws(DropReason) -> (envelope: PeerEnvelope, payload: UnsafeRawBufferPointer) {
        guard frame.count >= byteCount, frame[0] == magic[0], frame[1] == magic[1] else { throw .malformed }
        guard frame[2] == version else { throw .unknownVersion }
        guard let kind = Kind(rawValue: frame[3]) else { throw .unknownKind }
        let payload = UnsafeRawBufferPointer(rebasing: frame[byteCount...])
        func word(_ offset: Int) -> UInt64 {
            UInt64(littleEndian: frame.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
        }
        let length = UInt32(littleEndian: frame.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
        guard Int(length) == payload.count else { throw .malformed }
        let envelope = PeerEnvelope(
            kind: kind, cluster: ClusterID(word(8)), from: NodeID(word(16)), to: NodeID(word(24)),
            request: RequestID(word(32)))
        let needsRequest = kind == .request || kind == .response
        guard needsRequest == (envelope.request.rawValue != 0) else { throw .malformed }
        return (envelope, payload)
    }
}

/// Why a frame was dropped. Each has a counter; none ever does more than count.
public enum DropReason: Int, Error, CaseIterable, Sendable {
    /// Cut short, of a wrong length, or not of this format at all.
    case malformed
    case unknownVersion
    case unknownKind
    case foreignCluster
    /// For another server: its address, or ours, is not what the sender believes.
    case wrongAddressee
    /// No member has this node id.
    case unknownSender
    /// The connection is not authenticated as the member that the message names.
    case wrongKey
    /// An answer to a request that is no longer under way, or that went to somebody else.
    case unexpectedResponse
}
