import Foundation
import Raft
import ZeroMQ

extension ClusterReport {
    /// - Parameter text: a member's name, or its id as it is shown.
    func find(_ text: String) -> Member? {
        members.first { $0.name == text } ?? members.first { $0.node.description == text }
    }

    /// - Throws: exits 3, naming those there are.
    func member(_ text: String) throws(Complaint) -> Member {
        if let member = find(text) { return member }
        throw Complaint(
            .notFound,
            "no member of the cluster is called \(text); the members are \(members.map(\.name).joined(separator: ", "))"
        )
    }

    /// Servers that ask to be added under a name, or with an id as it is shown.
    func joiners(_ text: String) -> [Joiner] { joining.filter { $0.name == text || $0.node.description == text } }

    var voters: [Member] { members.filter(\.voter) }

    /// The members as consensus knows them: what `serve --members` reads.
    func records() throws(Complaint) -> [Raft.Member] {
        var records: [Raft.Member] = []
        for member in members { records.append(try member.record()) }
        return records
    }

    /// `a, b and c`
    static func list(_ names: [String]) -> String {
        guard let last = names.last, names.count > 1 else { return names.first ?? "nobody" }
        return names.dropLast().joined(separator: ", ") + " and " + last
    }
}

extension ClusterReport.Member {
    var node: NodeID { NodeID(UInt64(id) ?? 0) }

    fileprivate func record() throws(Complaint) -> Raft.Member {
        Raft.Member(
            id: node, name: name, peerAddress: peer, clientAddress: client, httpAddress: http,
            role: voter ? .voter : .learner, publicKey: try keyBytes(publicKey, of: name),
            nextPublicKey: try nextPublicKey.map { text throws(Complaint) in try keyBytes(text, of: name) },
            promoteWhenCaughtUp: promotedWhenCaughtUp)
    }
}

extension ClusterReport.Joiner {
    var node: NodeID { NodeID(UInt64(id) ?? 0) }

    /// As which it is added.
    func record(promotes: Bool) throws(Complaint) -> Raft.Member {
        Raft.Member(
            id: node, name: name, peerAddress: peer, clientAddress: client, httpAddress: http, role: .learner,
            publicKey: try keyBytes(publicKey, of: name), promoteWhenCaughtUp: promotes)
    }
}

private func keyBytes(_ text: String, of name: String) throws(Complaint) -> [UInt8] {
    if text.isEmpty { return [] }
    guard let key = CurvePublicKey(z85: text) else {
        throw Complaint(.failed, "the public key of server \(name) is not 40 characters of Z85")
    }
    return key.bytes
}
