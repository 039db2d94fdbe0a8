import Foundation
import X509
import ZeroMQ

/// Says whether a certificate that the other side of a connection shows is to be believed, and if not, why not.
public enum CertificateCheck {
    /// - Parameters:
    ///   - chain: the other side's own certificate first. Its TLS key has been proved by the handshake.
    ///   - authorities: who may have issued it.
    /// - Returns: the key of the member that it speaks for.
    public static func member(
        of chain: [Certificate], authorities: [Certificate], now: Date = Date()
    ) async throws(CertificateProblem) -> CurvePublicKey {
        guard let leaf = chain.first else { throw CertificateProblem("certificate", "none was shown") }
        let place = "certificate of \"\(leaf.subjectName)\""
        if let problem = timeProblem(leaf, now: now) { throw CertificateProblem(place, problem) }
        var verifier = Verifier(rootCertificates: CertificateStore(authorities)) { RFC5280Policy() }
        let result = await verifier.validate(
            leaf: leaf, intermediates: CertificateStore(Array(chain.dropFirst())))
        guard case .validCertificate = result else {
            if let expired = authorities.first(where: {
                $0.subject == leaf.issuer && timeProblem($0, now: now) != nil
            }) {
                throw CertificateProblem(
                    place, "its authority \"\(expired.subjectName)\" \(timeProblem(expired, now: now) ?? "")")
            }
            let trusted = authorities.map { "\"\($0.subjectName)\"" }.joined(separator: ", ")
            throw CertificateProblem(
                place, "was issued by \"\(leaf.issuerName)\", and not by an authority that is trusted here: \(trusted)")
        }
        guard !leaf.isAuthority else { throw CertificateProblem(place, "is an authority's, and not a server's") }
        guard let member = leaf.memberKey else { throw CertificateProblem(place, "names no member's key") }
        return member
    }

    static func timeProblem(_ certificate: Certificate, now: Date) -> String? {
        if certificate.notValidAfter < now { return "expired on \(certificate.notValidAfter.dayAndTime)" }
        if certificate.notValidBefore > now {
            return
                "is not valid before \(certificate.notValidBefore.dayAndTime), and it is \(now.dayAndTime) by this machine's clock"
        }
        return nil
    }
}
