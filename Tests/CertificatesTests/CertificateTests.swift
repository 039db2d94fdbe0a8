import Crypto
import Foundation
import SwiftASN1
import Testing
import X509
import ZeroMQ

@testable import Certificates

@Suite("Certificates")
struct CertificateTests {
    let now = Date(timeIntervalSince1970: 1_800_000_000)
    let key: CurvePublicKey
    let authority: CertificateAuthority

    init() throws {
        key = try CurveKeyPair.generate().publicKey
        authority = try CertificateAuthority(named: "ours", days: 100, now: now)
    }

    private func check(
        _ chain: [Certificate], by authorities: [Certificate]? = nil, now: Date? = nil
    ) async -> Result<CurvePublicKey, CertificateProblem> {
        do throws(CertificateProblem) {
            return .success(
                try await CertificateCheck.member(
                    of: chain, authorities: authorities ?? [authority.certificate], now: now ?? self.now))
        } catch {
            return .failure(error)
        }
    }

    private func problem(_ result: Result<CurvePublicKey, CertificateProblem>) -> String {
        switch result {
        case .success: "none"
        case .failure(let problem): problem.description
        }
    }

    @Test("say which member they speak for, and on which hosts")
    func valid() async throws {
        // The library's own check of dates looks at the real clock.
        let authority = try CertificateAuthority(named: "ours", days: 100)
        let certificate = try authority.issue(for: key, named: "a", hosts: ["a.example.org", "10.0.0.1"], days: 30)
        #expect(await check([certificate.leaf], by: [authority.certificate], now: Date()) == .success(key))
        #expect(certificate.leaf.hosts == ["a.example.org", "10.0.0.1"])
        #expect(certificate.leaf.subjectName == "a")
        #expect(certificate.leaf.issuerName == "ours")
        #expect(!certificate.leaf.isAuthority && authority.certificate.isAuthority)
        #expect(!"\(certificate)\(authority)".contains("PRIVATE"))
    }

    @Test("are not believed before their time, after it, nor after their authority's")
    func times() async throws {
        let certificate = try authority.issue(for: key, named: "a", hosts: [], days: 30, now: now)
        let late = now + 31 * 86_400
        #expect(
            problem(await check([certificate.leaf], now: late))
                == "certificate of \"a\": expired on 2027-02-14 08:00 UTC")
        let early = now - 25 * 3600
        #expect(
            problem(await check([certificate.leaf], now: early)).contains("is not valid before 2027-01-14 08:00 UTC"))
        // Never longer than the authority.
        let long = try authority.issue(for: key, named: "a", hosts: [], days: 3_000, now: now)
        #expect(long.expires == authority.expires)
        #expect(throws: CertificateProblem.self) {
            try authority.issue(for: key, named: "a", hosts: [], days: 1, now: now + 101 * 86_400)
        }
    }

    @Test("of another authority are not believed, though it has the same name")
    func foreign() async throws {
        let real = Date()
        let ours = try CertificateAuthority(named: "ours", days: 100)
        for name in ["theirs", "ours"] {
            let other = try CertificateAuthority(named: name, days: 100)
            let certificate = try other.issue(for: key, named: "a", hosts: [], days: 30)
            let text = problem(await check([certificate.leaf], by: [ours.certificate], now: real))
            #expect(text.contains("was issued by \"\(name)\", and not by an authority that is trusted here: \"ours\""))
            // Bringing the authority along does not help.
            let pair = [certificate.leaf, other.certificate]
            #expect(problem(await check(pair, by: [ours.certificate], now: real)).contains("was issued by"))
            // Trusting both does.
            #expect(await check(pair, by: [ours.certificate, other.certificate], now: real) == .success(key))
        }
        #expect(problem(await check([])) == "certificate: none was shown")
    }

    @Test("that were changed are not believed")
    func changed() async throws {
        let ours = try CertificateAuthority(named: "ours", days: 100)
        let bytes = try ours.issue(for: key, named: "a", hosts: [], days: 30).leaf.encoded()
        var believed = 0
        var readable = 0
        // What is signed: a sequence within the outer one, both with lengths of two bytes. Behind it stands the name of the signature's
        // algorithm once more, which says nothing that could be believed.
        try #require(bytes[4] == 0x30 && bytes[5] == 0x82)
        let signed = 8..<8 + Int(bytes[6]) << 8 + Int(bytes[7])
        for position in signed {
            var changed = bytes
            changed[position] ^= 1
            guard let certificate = try? Certificate(derEncoded: changed) else { continue }
            readable += 1
            if case .success = await check([certificate], by: [ours.certificate], now: Date()) { believed += 1 }
        }
        #expect(readable > 150)
        #expect(believed == 0)
    }

    @Test("of an authority itself, or without a member's key, or with two, open nothing")
    func notANode() async throws {
        let ours = try CertificateAuthority(named: "ours", days: 100)
        #expect(
            problem(await check([ours.certificate], by: [ours.certificate], now: Date()))
                == "certificate of \"ours\": is an authority's, and not a server's")
        let other = try CurveKeyPair.generate().publicKey
        for (names, expected) in [
            ([], "names no member's key"),
            ([.uniformResourceIdentifier("urn:starling:member:12")], "names no member's key"),
            ([GeneralName.dnsName(MemberKeyName.uri(for: key))], "names no member's key"),
            (
                [key, other].map { .uniformResourceIdentifier(MemberKeyName.uri(for: $0)) }, "names no member's key"
            ),
        ] as [([GeneralName], String)] {
            let root = Certificate.PrivateKey(P256.Signing.PrivateKey())
            let name = try DistinguishedName { CommonName("made by hand") }
            func make(_ extensions: Certificate.Extensions) throws -> Certificate {
                try Certificate(
                    version: .v3, serialNumber: .init(), publicKey: root.publicKey, notValidBefore: Date() - 60,
                    notValidAfter: Date() + 60, issuer: name, subject: name, signatureAlgorithm: .ecdsaWithSHA256,
                    extensions: extensions, issuerPrivateKey: root)
            }
            let trusted = try make(
                Certificate.Extensions { Critical(BasicConstraints.isCertificateAuthority(maxPathLength: 0)) })
            let leaf = try make(
                Certificate.Extensions {
                    Critical(BasicConstraints.notCertificateAuthority)
                    SubjectAlternativeNames(names)
                })
            #expect(problem(await check([leaf], by: [trusted], now: Date())).contains(expected), "\(names)")
        }
    }

    @Test("write a key as hexadecimal digits, and read nothing else")
    func keyNames() throws {
        let uri = MemberKeyName.uri(for: key)
        #expect(uri.utf8.count == "urn:starling:member:".utf8.count + 64)
        #expect(MemberKeyName.key(in: uri) == key)
        for wrong in [
            "", "urn:starling:member:", String(uri.dropLast()), uri + "0", uri.uppercased(),
            "urn:starling:member:" + String(repeating: "g", count: 64),
        ] { #expect(MemberKeyName.key(in: wrong) == nil, "\(wrong)") }
    }
}
