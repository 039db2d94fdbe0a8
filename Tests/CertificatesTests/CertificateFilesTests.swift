import Foundation
import Glibc
import Testing
import ZeroMQ

@testable import Certificates

@Suite("Files of certificates")
final class CertificateFilesTests {
    let directory: String
    let files: CertificateFiles
    let key: CurvePublicKey
    let authority: CertificateAuthority

    init() throws {
        directory = FileManager.default.temporaryDirectory.appendingPathComponent("starling-\(UUID())").path
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        files = CertificateFiles(inDirectory: directory, ofServer: "a")
        key = try CurveKeyPair.generate().publicKey
        authority = try CertificateAuthority(named: "ours", days: 100)
        try authority.issue(for: key, named: "a", hosts: [], days: 30).write(to: files, authority: authority)
    }

    deinit { try? FileManager.default.removeItem(atPath: directory) }

    private func mode(_ path: String) throws -> Int {
        let attributes = try FileManager.default.attributesOfItem(atPath: path)
        return try #require(attributes[.posixPermissions] as? Int)
    }

    private func put(_ text: String, _ path: String) throws {
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
    }

    private var problem: String {
        do throws(CertificateProblem) {
            _ = try files.load(for: key)
            return "none"
        } catch {
            return error.description
        }
    }

    @Test("are read as they were written, keys for their owner only")
    func roundTrip() throws {
        let loaded = try files.load(for: key)
        #expect(loaded.authorities == [authority.certificate])
        #expect(loaded.own.leaf.memberKey == key)
        #expect(try mode(files.key) == 0o600)
        #expect(try mode(files.certificate) == 0o644)
    }

    @Test("of an authority are never overwritten, and are read again")
    func authorityFiles() throws {
        let other = directory + "/authority"
        try FileManager.default.createDirectory(atPath: other, withIntermediateDirectories: true)
        let written = try authority.write(to: other)
        #expect(try mode(CertificateFiles.authorityKeyFile(in: other)) == 0o600)
        #expect(throws: CertificateProblem(written[0], "exists already, and is not overwritten")) {
            try authority.write(to: other)
        }
        let read = try CertificateAuthority(readFrom: other)
        #expect(read.certificate == authority.certificate)
        // The key of another authority beside it.
        unlink(CertificateFiles.authorityKeyFile(in: other))
        try put(try CertificateAuthority(named: "x", days: 1).keyText(), CertificateFiles.authorityKeyFile(in: other))
        #expect(throws: CertificateProblem.self) { try CertificateAuthority(readFrom: other) }
    }

    @Test("keep the authorities that are trusted already when another one's certificate is written")
    func anotherAuthority() throws {
        let new = try CertificateAuthority(named: "new", days: 100)
        chmod(files.key, 0o640)
        try new.issue(for: key, named: "a", hosts: [], days: 30).write(to: files, authority: new)
        let loaded = try files.load(for: key)
        #expect(loaded.authorities == [authority.certificate, new.certificate])
        #expect(loaded.own.leaf.issuerName == "new")
        #expect(try mode(files.key) == 0o640, "whoever could read the old one can read the new one")
        try new.issue(for: key, named: "a", hosts: [], days: 30).write(to: files, authority: new)
        #expect(try files.load(for: key).authorities.count == 2, "not twice")
    }

    @Test("that are wrong are named, with what is wrong")
    func wrong() throws {
        let good = try String(contentsOfFile: files.certificate, encoding: .utf8)
        let text = try authority.certificateText()
        for (path, content, expected) in [
            (files.certificate, "", "holds no certificate"), (files.certificate, "hello", "certificate"),
            (files.certificate, good.replacing("\n", with: "\nAAAA", maxReplacements: 3), "can be read"),
            (files.certificate, text, "is not the key of \(files.certificate)"),
            (files.key, "hello", "holds no private key that can be read"), (files.key, good, "no private key"),
            (files.key, try authority.keyText(), "is not the key of \(files.certificate)"),
            (files.authority, good, "a is not an authority's certificate"),
            (files.authority, "", "holds no certificate"),
            (files.authority, String(repeating: "x", count: 1_100_000), "is larger than 1048576 bytes"),
        ] {
            let before = try Data(contentsOf: URL(fileURLWithPath: path))
            try put(content, path)
            #expect(problem.contains(expected), "\(problem)")
            #expect(problem.hasPrefix(expected.hasPrefix("is not the key") ? files.key : path), "\(problem)")
            try before.write(to: URL(fileURLWithPath: path))
            #expect(problem == "none")
        }
        for path in [files.certificate, files.key, files.authority] {
            rename(path, path + ".away")
            #expect(problem.hasPrefix("\(path): cannot be read"), "\(problem)")
            rename(path + ".away", path)
        }
    }

    @Test("for another member, or expired, are of no use")
    func notOurs() throws {
        let other = try CurveKeyPair.generate().publicKey
        #expect(throws: CertificateProblem.self) { try files.load(for: other) }
        do throws(CertificateProblem) {
            _ = try files.load(for: other)
        } catch {
            #expect(error.problem.hasPrefix("is for a server with the key \(key), and this one has \(other)"))
        }
        do throws(CertificateProblem) {
            _ = try files.load(for: key, now: Date() + 31 * 86_400)
            Issue.record("an expired certificate was taken")
        } catch {
            #expect(error.problem.hasPrefix("expired on "))
            #expect(error.problem.hasSuffix("`starling cert node` makes a new one"))
        }
    }

    @Test("have another stamp whenever one was replaced or written to")
    func stamps() throws {
        var seen = [files.stamp]
        #expect(files.stamp == seen[0])
        try authority.issue(for: key, named: "a", hosts: [], days: 30).write(to: files, authority: authority)
        seen.append(files.stamp)
        try put("x", files.authority)
        seen.append(files.stamp)
        unlink(files.key)
        seen.append(files.stamp)
        for (i, stamp) in seen.enumerated() { #expect(!seen[..<i].contains(stamp)) }
    }
}
