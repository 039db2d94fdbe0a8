import Foundation
import X509
import ZeroMQ

/// What a certificate says, for people.
public struct CertificateSummary: Sendable {
    public var name: String
    public var issuer: String
    public var isAuthority: Bool
    /// Z85 text of the key of the member that it is for; nil if it is for none.
    public var memberKey: String?
    public var hosts: [String]
    public var notValidBefore: Date
    public var notValidAfter: Date

    init(_ certificate: Certificate) {
        name = certificate.subjectName
        issuer = certificate.issuerName
        isAuthority = certificate.isAuthority
        memberKey = certificate.memberKey?.z85
        hosts = certificate.hosts
        notValidBefore = certificate.notValidBefore
        notValidAfter = certificate.notValidAfter
    }

    /// Whole days; negative when it has expired.
    public func daysLeft(now: Date = Date()) -> Int {
        Int((notValidAfter.timeIntervalSince(now) / 86_400).rounded(.down))
    }
}

extension CertificateFiles {
    /// Of all certificates in a PEM file.
    public static func summaries(of path: String) throws(CertificateProblem) -> [CertificateSummary] {
        try PEM.certificates(at: path).map(CertificateSummary.init)
    }
}
