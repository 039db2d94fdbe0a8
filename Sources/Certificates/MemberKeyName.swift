import SwiftASN1
import X509
import ZeroMQ

/// How a certificate names the member that it is for: by the member's public key, as a URI among its alternative names. So a
/// member is known by one key whatever carries the messages, and an authority says which TLS key speaks for it.
enum MemberKeyName {
    private static let prefix = "urn:starling:member:"

    static func uri(for key: CurvePublicKey) -> String {
        let digits = Array("0123456789abcdef".utf8)
        var text = Array(prefix.utf8)
        for byte in key.bytes {
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// Nil unless the URI is of this kind.
    static func key(in uri: String) -> CurvePublicKey? {
        guard uri.hasPrefix(prefix) else { return nil }
        let digits = Array(uri.utf8.dropFirst(prefix.utf8.count))
        guard digits.count == 64 else { return nil }
        var bytes: [UInt8] = []
        for i in stride(from: 0, to: 64, by: 2) {
            guard let high = value(digits[i]), let low = value(digits[i + 1]) else { return nil }
            bytes.append(high << 4 | low)
        }
        return CurvePublicKey(bytes: bytes)
    }

    private static func value(_ digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        default: nil
        }
    }
}

extension Certificate {
    private var alternativeNames: [GeneralName] {
        guard let names = try? extensions.subjectAlternativeNames else { return [] }
        return Array(names)
    }

    /// Of the member that this certificate is for; nil if it is for none, or names more than one.
    public var memberKey: CurvePublicKey? {
        let keys = alternativeNames.compactMap { name -> CurvePublicKey? in
            guard case .uniformResourceIdentifier(let uri) = name else { return nil }
            return MemberKeyName.key(in: uri)
        }
        return keys.count == 1 ? keys[0] : nil
    }

    /// Names and IPv4 addresses of the hosts that it is for.
    public var hosts: [String] {
        alternativeNames.compactMap { name in
            switch name {
            case .dnsName(let host): host
            case .ipAddress(let bytes) where bytes.bytes.count == 4: bytes.bytes.map(String.init).joined(separator: ".")
            default: nil
            }
        }
    }

    /// The subject's common name, or all of the subject.
    public var subjectName: String { Self.name(of: subject) }
    public var issuerName: String { Self.name(of: issuer) }

    private static func name(of name: DistinguishedName) -> String {
        for relative in name {
            for attribute in relative where attribute.type == .RDNAttributeType.commonName {
                return String(describing: attribute.value)
            }
        }
        return name.description
    }

    public var isAuthority: Bool {
        guard case .isCertificateAuthority = try? extensions.basicConstraints else { return false }
        return true
    }
}
