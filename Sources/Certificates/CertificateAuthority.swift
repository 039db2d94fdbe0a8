import Crypto
import Foundation
import SwiftASN1
import X509
import ZeroMQ

/// A private authority of one cluster: it says which TLS keys speak for which members. Holds a secret.
public struct CertificateAuthority: Sendable, CustomStringConvertible {
    public let certificate: Certificate
    private let key: Certificate.PrivateKey

    /// For clocks that differ, as those do that were set to local time.
    private static let leeway: TimeInterval = 86_400

    /// Makes a new one, with a new key (P-256).
    /// - Parameters:
    ///   - name: a common name for people; it decides nothing.
    ///   - days: how long it is valid, from now.
    public init(named name: String, days: Int, now: Date = Date()) throws(CertificateProblem) {
        let key = Certificate.PrivateKey(P256.Signing.PrivateKey())
        self.key = key
        do {
            let subject = try DistinguishedName { CommonName(name) }
            certificate = try Certificate(
                version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: key.publicKey,
                notValidBefore: now - Self.leeway, notValidAfter: now + Double(days) * 86_400, issuer: subject,
                subject: subject, signatureAlgorithm: .ecdsaWithSHA256,
                extensions: try Certificate.Extensions {
                    Critical(BasicConstraints.isCertificateAuthority(maxPathLength: 0))
                    Critical(KeyUsage(keyCertSign: true, cRLSign: true))
                    SubjectKeyIdentifier(hash: key.publicKey)
                }, issuerPrivateKey: key)
        } catch {
            throw CertificateProblem("authority \(name)", "cannot be made: \(error)")
        }
    }

    /// - Throws: if the certificate is not an authority's, or the key not its own; `place` says where they come from.
    init(certificate: Certificate, key: Certificate.PrivateKey, place: String) throws(CertificateProblem) {
        guard certificate.isAuthority else {
            throw CertificateProblem(place, "is a node's certificate, and not an authority's")
        }
        guard certificate.publicKey == key.publicKey else {
            throw CertificateProblem(place, "the key beside it belongs to another certificate")
        }
        self.certificate = certificate
        self.key = key
    }

    /// Certifies a new TLS key (P-256) of a member.
    /// - Parameters:
    ///   - member: its key in the members' list, by which the others know it.
    ///   - hosts: names or IPv4 addresses of its machine, for tools that check them; Starling's servers do not, as a member may
    ///     move.
    ///   - days: how long it is valid, from now; never longer than the authority itself.
    public func issue(
        for member: CurvePublicKey, named name: String, hosts: [String], days: Int, now: Date = Date()
    ) throws(CertificateProblem) -> NodeCertificate {
        let key = Certificate.PrivateKey(P256.Signing.PrivateKey())
        let end = min(now + Double(days) * 86_400, certificate.notValidAfter)
        guard end > now else {
            throw CertificateProblem(
                "authority \(certificate.subjectName)",
                "expired on \(certificate.notValidAfter.dayAndTime): make a new one")
        }
        do {
            var names: [GeneralName] = [.uniformResourceIdentifier(MemberKeyName.uri(for: member))]
            for host in hosts { names.append(Self.name(of: host)) }
            let leaf = try Certificate(
                version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: key.publicKey,
                notValidBefore: max(now - Self.leeway, certificate.notValidBefore), notValidAfter: end,
                issuer: certificate.subject, subject: try DistinguishedName { CommonName(name) },
                signatureAlgorithm: .ecdsaWithSHA256,
                extensions: try Certificate.Extensions {
                    Critical(BasicConstraints.notCertificateAuthority)
                    Critical(KeyUsage(digitalSignature: true))
                    try ExtendedKeyUsage([.serverAuth, .clientAuth])
                    SubjectAlternativeNames(names)
                    SubjectKeyIdentifier(hash: key.publicKey)
                    try AuthorityKeyIdentifier(
                        keyIdentifier: certificate.extensions.subjectKeyIdentifier?.keyIdentifier)
                }, issuerPrivateKey: self.key)
            return NodeCertificate(chain: [leaf], key: key)
        } catch {
            throw CertificateProblem("certificate of \(name)", "cannot be made: \(error)")
        }
    }

    private static func name(of host: String) -> GeneralName {
        let parts = host.split(separator: ".", omittingEmptySubsequences: false).map { UInt8($0) }
        guard parts.count == 4, !parts.contains(nil) else { return .dnsName(host) }
        return .ipAddress(ASN1OctetString(contentBytes: ArraySlice(parts.compactMap { $0 })))
    }

    public var expires: Date { certificate.notValidAfter }

    /// Without the secret.
    public var description: String { "certificate authority \(certificate.subjectName)" }

    public func certificateText() throws(CertificateProblem) -> String { try PEM.text(of: [certificate]) }
    public func keyText() throws(CertificateProblem) -> String { try PEM.text(of: key) }
}

/// A member's certificate, perhaps with intermediate ones behind it, and its TLS key. Holds a secret.
public struct NodeCertificate: Sendable, CustomStringConvertible {
    /// The member's own first.
    public let chain: [Certificate]
    private let key: Certificate.PrivateKey

    init(chain: [Certificate], key: Certificate.PrivateKey) {
        self.chain = chain
        self.key = key
    }

    public var leaf: Certificate { chain[0] }
    public var expires: Date { leaf.notValidAfter }

    /// Without the secret.
    public var description: String { "certificate of \(leaf.subjectName)" }

    public func certificateText() throws(CertificateProblem) -> String { try PEM.text(of: chain) }
    public func keyText() throws(CertificateProblem) -> String { try PEM.text(of: key) }
}
