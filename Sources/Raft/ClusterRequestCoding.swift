import ByteCoding

/// The bytes: docs/formats/peer-messages.md; clients send them too. Whoever decodes gets nothing that exceeds the bounds here, whatever the bytes say.
extension ClusterRequest {
    public func encode(into writer: inout ByteWriter) {
        switch self {
        case .change(let changes):
            writer.write(UInt8(1))
            writer.writeVarint(UInt64(changes.count))
            for change in changes { change.encode(into: &writer) }
        case .transfer(let target):
            writer.write(UInt8(2))
            writer.write(target?.rawValue ?? 0)
        }
    }

    public init(from reader: inout ByteReader) throws(MalformedBytes) {
        let kind = try reader.readByte("kind of a cluster request")
        switch kind {
        case 1:
            let count = try reader.readCount(of: "changes of members", minimumBytes: 9)
            guard count <= ClusterRequest.maximumChanges else {
                throw MalformedBytes(
                    "\(count) changes of members; the limit is \(ClusterRequest.maximumChanges)", at: reader.offset)
            }
            var changes: [MemberChange] = []
            for _ in 0..<count { changes.append(try MemberChange(from: &reader)) }
            self = .change(changes)
        case 2:
            let target = try reader.readUInt64("node id")
            self = .transfer(to: target == 0 ? nil : NodeID(target))
        default: throw MalformedBytes("cluster request of unknown kind \(kind)", at: reader.offset - 1)
        }
    }
}

extension MemberChange {
    /// Of an address or a name, in bytes. Consensus checks what they say.
    private static let maximumText = 512
    private static let maximumKey = 64

    public func encode(into writer: inout ByteWriter) {
        func begin(_ kind: UInt8, _ id: NodeID) {
            writer.write(kind)
            writer.write(id.rawValue)
        }
        switch self {
        case .add(let member):
            begin(1, member.id)
            writer.write(member.role.rawValue)
            writer.write(member.promoteWhenCaughtUp)
            for text in [member.name, member.peerAddress, member.clientAddress, member.httpAddress] {
                writer.write(text)
            }
            writer.writePrefixed(member.publicKey)
            writer.writePrefixed(member.nextPublicKey ?? [])
        case .remove(let id): begin(2, id)
        case .setRole(let id, let role):
            begin(3, id)
            writer.write(role.rawValue)
        case .setPromoteWhenCaughtUp(let id, let promotes):
            begin(4, id)
            writer.write(promotes)
        case .setAddresses(let id, let peer, let client, let http):
            begin(5, id)
            for text in [peer, client, http] { writer.write(text) }
        case .setNextKey(let id, let key):
            begin(6, id)
            writer.writePrefixed(key ?? [])
        case .adoptNextKey(let id): begin(7, id)
        }
    }

    public init(from reader: inout ByteReader) throws(MalformedBytes) {
        let kind = try reader.readByte("kind of a member change")
        let id = NodeID(try reader.readUInt64("node id"))
        switch kind {
        case 1:
            let role = try Self.role(from: &reader)
            let promotes = try reader.readBool("promote when caught up")
            let name = try Self.text("member name", from: &reader)
            let peer = try Self.text("peer address", from: &reader)
            let client = try Self.text("client address", from: &reader)
            let http = try Self.text("HTTP address", from: &reader)
            let key = try Self.key("public key", from: &reader)
            let next = try Self.key("next public key", from: &reader)
            self = .add(
                Member(
                    id: id, name: name, peerAddress: peer, clientAddress: client, httpAddress: http, role: role,
                    publicKey: key, nextPublicKey: next.isEmpty ? nil : next, promoteWhenCaughtUp: promotes))
        case 2: self = .remove(id)
        case 3: self = .setRole(id, try Self.role(from: &reader))
        case 4: self = .setPromoteWhenCaughtUp(id, try reader.readBool("promote when caught up"))
        case 5:
            let peer = try Self.text("peer address", from: &reader)
            let client = try Self.text("client address", from: &reader)
            self = .setAddresses(id, peer: peer, client: client, http: try Self.text("HTTP address", from: &reader))
        case 6:
            let key = try Self.key("next public key", from: &reader)
            self = .setNextKey(id, key.isEmpty ? nil : key)
        case 7: self = .adoptNextKey(id)
        default: throw MalformedBytes("member change of unknown kind \(kind)", at: reader.offset - 9)
        }
    }

    private static func role(from reader: inout ByteReader) throws(MalformedBytes) -> Member.Role {
        let code = try reader.readByte("member role")
        guard let role = Member.Role(rawValue: code) else {
            throw MalformedBytes("member role \(code)", at: reader.offset - 1)
        }
        return role
    }

    private static func text(_ what: String, from reader: inout ByteReader) throws(MalformedBytes) -> String {
        let text = try reader.readString(what)
        guard text.utf8.count <= maximumText else {
            throw MalformedBytes(
                "\(what) of \(text.utf8.count) bytes; the limit is \(maximumText)", at: reader.offset)
        }
        return text
    }

    private static func key(_ what: String, from reader: inout ByteReader) throws(MalformedBytes) -> [UInt8] {
        let key = try reader.readPrefixedArray(what)
        guard key.count <= maximumKey else {
            throw MalformedBytes("\(what) of \(key.count) bytes; the limit is \(maximumKey)", at: reader.offset)
        }
        return key
    }
}

extension ClusterOutcome {
    private static let maximumSentence = 4_096

    public func encode(into writer: inout ByteWriter) {
        switch self {
        case .changed(let index):
            writer.write(UInt8(1))
            writer.write(index.rawValue)
        case .transferred(let id, let term):
            writer.write(UInt8(2))
            writer.write(id.rawValue)
            writer.write(term.rawValue)
        case .refused(let code, let sentence):
            writer.write(UInt8(3))
            writer.write(code)
            writer.write(sentence)
        case .unknown(let sentence):
            writer.write(UInt8(4))
            writer.write(sentence)
        }
    }

    public init(from reader: inout ByteReader) throws(MalformedBytes) {
        let kind = try reader.readByte("kind of a cluster outcome")
        switch kind {
        case 1: self = .changed(LogIndex(try reader.readUInt64("log index")))
        case 2:
            let id = NodeID(try reader.readUInt64("node id"))
            self = .transferred(to: id, Term(try reader.readUInt64("term")))
        case 3:
            let code = try Self.text("code", from: &reader)
            self = .refused(code: code, sentence: try Self.text("sentence", from: &reader))
        case 4: self = .unknown(try Self.text("sentence", from: &reader))
        default: throw MalformedBytes("cluster outcome of unknown kind \(kind)", at: reader.offset - 1)
        }
    }

    private static func text(_ what: String, from reader: inout ByteReader) throws(MalformedBytes) -> String {
        let text = try reader.readString(what)
        guard text.utf8.count <= maximumSentence else {
            throw MalformedBytes(
                "\(what) of \(text.utf8.count) bytes; the limit is \(maximumSentence)", at: reader.offset)
        }
        return text
    }
}
