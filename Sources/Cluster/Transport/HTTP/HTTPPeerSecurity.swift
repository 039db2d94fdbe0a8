import Certificates
import ZeroMQ

/// Whether peers prove who they are over HTTP.
enum HTTPPeerSecurity: Sendable {
    /// Plain HTTP, and everybody is believed: for tests and for measuring what encryption costs.
    case none
    /// TLS 1.3 in which both sides show a certificate that names their member's key.
    case tls(CertificateFiles, member: CurvePublicKey)
}
