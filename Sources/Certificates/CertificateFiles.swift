import Foundation
import Glibc
import X509
import ZeroMQ

/// Where a server's certificate, its TLS key and the authorities that it trusts are.
public struct CertificateFiles: Equatable, Sendable {
    /// PEM: the server's own certificate first, then intermediate ones, if there are any.
    public var certificate: String
    public var key: String
    /// PEM: one or more authorities' certificates.
    public var authority: String

    public init(certificate: String, key: String, authority: String) {
        self.certificate = certificate
        self.key = key
        self.authority = authority
    }

    /// As `starling cert` names them in a directory.
    public init(inDirectory directory: String, ofServer name: String) {
        self.init(
            certificate: "\(directory)/\(name).cert.pem", key: "\(directory)/\(name).key.pem",
            authority: Self.authorityFile(in: directory))
    }

    public static func authorityFile(in directory: String) -> String { "\(directory)/authority.cert.pem" }
    public static func authorityKeyFile(in directory: String) -> String { "\(directory)/authority.key.pem" }

    private var paths: [String] { [certificate, key, authority] }

    /// Reads and checks all of it.
    /// - Parameter member: whose certificate it must be.
    /// - Throws: what is wrong, with the file's name, and what to do about it.
    public func load(for member: CurvePublicKey, now: Date = Date()) throws(CertificateProblem) -> LoadedCertificates {
        let authorities = try PEM.certificates(at: authority)
        for found in authorities where !found.isAuthority {
            throw CertificateProblem(authority, "\(found.subjectName) is not an authority's certificate")
        }
        let chain = try PEM.certificates(at: certificate)
        let privateKey = try PEM.key(at: key)
        guard chain[0].publicKey == privateKey.publicKey else {
            throw CertificateProblem(key, "is not the key of \(certificate)")
        }
        guard let named = chain[0].memberKey else {
            throw CertificateProblem(
                certificate, "names no member's key: `starling cert node` makes certificates that do")
        }
        guard named == member else {
            throw CertificateProblem(
                certificate,
                "is for a server with the key \(named), and this one has \(member): `starling cert node` with its present plan file makes one"
            )
        }
        if let problem = CertificateCheck.timeProblem(chain[0], now: now) {
            throw CertificateProblem(certificate, "\(problem): `starling cert node` makes a new one")
        }
        return LoadedCertificates(own: NodeCertificate(chain: chain, key: privateKey), authorities: authorities)
    }

    /// Changes whenever one of the files has been replaced or written to.
    public var stamp: Stamp { Stamp(files: paths.map(FileStamp.init(of:))) }

    public struct Stamp: Equatable, Sendable {
        var files: [FileStamp]
    }
}

/// What `CertificateFiles` held when they were read.
public struct LoadedCertificates: Sendable {
    public let own: NodeCertificate
    public let authorities: [Certificate]

    public init(own: NodeCertificate, authorities: [Certificate]) {
        self.own = own
        self.authorities = authorities
    }

    public var expires: Date { own.expires }
}

extension CertificateAuthority {
    /// Reads what `write(to:)` wrote.
    public init(readFrom directory: String) throws(CertificateProblem) {
        let path = CertificateFiles.authorityFile(in: directory)
        try self.init(
            certificate: PEM.certificates(at: path)[0],
            key: PEM.key(at: CertificateFiles.authorityKeyFile(in: directory)), place: path)
    }

    /// Writes two new files into a directory, the key readable by its owner only.
    /// - Returns: their paths.
    /// - Throws: if one of them exists.
    public func write(to directory: String) throws(CertificateProblem) -> [String] {
        let files = [
            (CertificateFiles.authorityKeyFile(in: directory), try keyText(), mode_t(0o600)),
            (CertificateFiles.authorityFile(in: directory), try certificateText(), mode_t(0o644)),
        ]
        for (path, _, _) in files where access(path, F_OK) == 0 {
            throw CertificateProblem(path, "exists already, and is not overwritten")
        }
        for (path, text, mode) in files {
            do throws(NewFile.Failure) {
                try NewFile.make(path, Array(text.utf8), mode: mode)
            } catch {
                throw CertificateProblem(path, error.description)
            }
        }
        return files.map(\.0)
    }
}

extension NodeCertificate {
    /// Writes, or replaces, a server's key and its certificate, and adds the authority to those it trusts. The key first: a
    /// server that looks in between finds that they do not fit, and looks again.
    public func write(to files: CertificateFiles, authority: CertificateAuthority) throws(CertificateProblem) {
        var changes = [
            (files.key, try keyText(), mode_t(0o600)), (files.certificate, try certificateText(), mode_t(0o644)),
        ]
        var trusted = access(files.authority, F_OK) == 0 ? try PEM.certificates(at: files.authority) : []
        if !trusted.contains(authority.certificate) {
            trusted.append(authority.certificate)
            changes.insert((files.authority, try PEM.text(of: trusted), mode_t(0o644)), at: 0)
        }
        for (path, text, mode) in changes {
            do throws(NewFile.Failure) {
                try NewFile.replace(path, Array(text.utf8), mode: mode)
            } catch {
                throw CertificateProblem(path, error.description)
            }
        }
    }
}
