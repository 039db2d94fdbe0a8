import ByteCoding
import Raft

/// A request on its way from the server that was asked to the leader.
public struct ClusterQuestion: Equatable, Sendable {
    /// The asking server's own, unique in all its lives.
    public var id: UInt64
    /// It was sent before, perhaps to another leader: what is so already was probably done by it.
    public var isRepeat: Bool
    /// The leader's term when it was sent first: a transfer has come about if there is a leader of a later one.
    public var term: Term
    public var request: ClusterRequest

    public init(id: UInt64, isRepeat: Bool, term: Term, request: ClusterRequest) {
        self.id = id
        self.isRepeat = isRepeat
        self.term = term
        self.request = request
    }
}

/// The bytes: docs/formats/peer-messages.md.
extension ClusterQuestion {
    static let version: UInt8 = 1

    func encode(into writer: inout ByteWriter) {
        writer.write(ClusterQuestion.version)
        writer.write(id)
        writer.write(isRepeat)
        writer.write(term.rawValue)
        request.encode(into: &writer)
    }

    init(from reader: inout ByteReader) throws(MalformedBytes) {
        let version = try reader.readByte("version of a cluster request")
        guard version == ClusterQuestion.version else {
            throw MalformedBytes(
                "version \(version) of a cluster request; this program knows \(ClusterQuestion.version)",
                at: reader.offset - 1)
        }
        id = try reader.readUInt64("request id")
        isRepeat = try reader.readBool("repeated")
        term = Term(try reader.readUInt64("term"))
        request = try ClusterRequest(from: &reader)
    }
}
