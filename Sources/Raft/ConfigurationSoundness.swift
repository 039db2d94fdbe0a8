/// What any configuration must be that comes in an entry, a snapshot or an answer, whoever sent it: it decides who
/// decides, so nothing absurd is believed.
extension Configuration {
    /// - Returns: what is wrong, as a sentence; nil if nothing is.
    var flaw: String? {
        guard members.count <= Configuration.maximumMembers + Configuration.maximumVoters else {
            return "\(members.count) members"
        }
        guard zip(members, members.dropFirst()).allSatisfy({ $0.id < $1.id }) else {
            return "members out of order, or repeated"
        }
        guard members.contains(where: { $0.role == .voter }) else { return "no voter" }
        for (i, member) in members.enumerated() {
            if let flaw = member.flaw { return "member \(member.id): \(flaw)" }
            // Who is leaving may already have been replaced by one of the same name.
            let isNamesake = members[..<i].contains { $0.role != .leaving && $0.name == member.name }
            if isNamesake, member.role != .leaving { return "two members are named \(member.name)" }
        }
        return outgoingFlaw
    }

    var isSound: Bool { flaw == nil }

    private var outgoingFlaw: String? {
        guard zip(outgoingVoters, outgoingVoters.dropFirst()).allSatisfy({ $0 < $1 }) else {
            return "outgoing voters out of order, or repeated"
        }
        if let unknown = outgoingVoters.first(where: { self[$0] == nil }) {
            return "outgoing voter \(unknown) is no member"
        }
        if let member = members.first(where: { $0.role == .leaving && !outgoingVoters.contains($0.id) }) {
            return "member \(member.id) is leaving, but is no outgoing voter"
        }
        return nil
    }
}

extension Member {
    static let keyBytes = 32
    static let maximumAddressBytes = 300

    /// What can be wrong with a record whatever the others are.
    fileprivate var flaw: String? {
        if id.rawValue == 0 { return "0 is nobody's id" }
        if !Member.isValid(name: name) { return Member.nameRule(name) }
        if [peerAddress, clientAddress, httpAddress].contains(where: { $0.utf8.count > Member.maximumAddressBytes }) {
            return "an address of more than \(Member.maximumAddressBytes) bytes"
        }
        // Empty: a cluster without encryption, as in simulations.
        if publicKey.count != Member.keyBytes, !publicKey.isEmpty { return "a public key of \(publicKey.count) bytes" }
        if let next = nextPublicKey, next.count != Member.keyBytes { return "a next public key of \(next.count) bytes" }
        return nil
    }

    /// What is wrong with the record by itself, as a sentence; nil: nothing. What a change of members asks beyond it depends on the others.
    public var problem: String? {
        if let flaw { return flaw }
        for address in [peerAddress, clientAddress, httpAddress] where !Member.isValid(address: address) {
            return "the address \"\(address.prefix(60))\" is not host:port, port 1 to 65535"
        }
        return nil
    }

    static func isValid(name: String) -> Bool {
        (1...63).contains(name.utf8.count)
            && name.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"):
                    true
                default: false
                }
            }
    }

    static func nameRule(_ name: String) -> String { "the name \"\(name)\" is not 1 to 63 of a-z, 0-9 and -" }

    /// `host:port`, with an IPv6 address in brackets. Whether it exists is not asked.
    static func isValid(address: String) -> Bool {
        guard address.utf8.count <= maximumAddressBytes, let colon = address.utf8.lastIndex(of: UInt8(ascii: ":"))
        else {
            return false
        }
        let port = address.utf8[colon...].dropFirst()
        guard (1...5).contains(port.count), port.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) })
        else { return false }
        let number = port.reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) }
        guard (1...65_535).contains(number) else { return false }
        var host = address.utf8[..<colon]
        let isBracketed = host.first == UInt8(ascii: "[") && host.last == UInt8(ascii: "]") && host.count > 2
        if isBracketed { host = host.dropFirst().dropLast() }
        return !host.isEmpty && host.allSatisfy { isHostByte($0, inBrackets: isBracketed) }
    }

    private static func isHostByte(_ byte: UInt8, inBrackets: Bool) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"):
            true
        case UInt8(ascii: ":"), UInt8(ascii: "%"): inBrackets
        default: false
        }
    }
}
