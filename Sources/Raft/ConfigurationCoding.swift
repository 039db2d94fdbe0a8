import ByteCoding

/// The bytes of a configuration, in entries and snapshots. Decoding checks every bound and never traps; whether what
/// it says makes sense is for `Configuration.isSound`.
extension Configuration {
    /// Version 1 unless the configuration is joint, which only version 2 can say; so an older program reads what it
    /// can.
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

extension Configuration {
    init(decoding payload: [UInt8]) throws(MalformedBytes) {
        let result: Result<Configuration, MalformedBytes> = payload.withUnsafeBytes { raw in
            do throws(MalformedBytes) {
                var reader = ByteReader(raw)
                let configuration = try Configuration(from: &reader)
                try reader.requireEnd("configuration")
                return .success(configuration)
            } catch {
                return .failure(error)
            }
        }
        self = try result.get()
    }

    /// The payload of the entry that brings this configuration into force.
    var encoded: [UInt8] {
        var writer = ByteWriter()
        encode(into: &writer)
        return writer.take()
    }
}
