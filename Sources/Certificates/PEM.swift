import Foundation
import SwiftASN1
import X509

/// Certificates and keys as text in files.
enum PEM {
    static func text(of certificates: [Certificate]) throws(CertificateProblem) -> String {
        do {
            return try certificates.map { try $0.serializeAsPEM().pemString + "\n" }.joined()
        } catch {
            throw CertificateProblem("certificate", "cannot be encoded: \(error)")
        }
    }

    static func text(of key: Certificate.PrivateKey) throws(CertificateProblem) -> String {
        do {
            return try key.serializeAsPEM().pemString + "\n"
        } catch {
            throw CertificateProblem("private key", "cannot be encoded: \(error)")
        }
    }

    /// All certificates of a file, in its order.
    static func certificates(at path: String) throws(CertificateProblem) -> [Certificate] {
        let text = try read(path)
        let documents: [PEMDocument]
        do {
            documents = try PEMDocument.parseMultiple(pemString: text)
        } catch {
            throw CertificateProblem(path, "is not a PEM file that can be read")
        }
        let blocks = documents.filter { $0.discriminator == Certificate.defaultPEMDiscriminator }
        guard !blocks.isEmpty else { throw CertificateProblem(path, "holds no certificate") }
        var certificates: [Certificate] = []
        for (i, block) in blocks.enumerated() {
            do {
                certificates.append(try Certificate(pemDocument: block))
            } catch {
                throw CertificateProblem(path, "certificate \(i + 1) of \(blocks.count) cannot be read")
            }
        }
        return certificates
    }

    /// The one key of a file.
    static func key(at path: String) throws(CertificateProblem) -> Certificate.PrivateKey {
        let text = try read(path)
        do {
            return try Certificate.PrivateKey(pemEncoded: text)
        } catch {
            throw CertificateProblem(path, "holds no private key that can be read")
        }
    }

    /// At most so much is read: a chain of certificates has a few thousand bytes.
    private static let limit = 1 << 20

    private static func read(_ path: String) throws(CertificateProblem) -> String {
        let data: Data
        do {
            let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
            defer { try? file.close() }
            data = try file.read(upToCount: limit + 1) ?? Data()
        } catch {
            throw CertificateProblem(path, "cannot be read: \(error.localizedDescription)")
        }
        guard data.count <= limit else { throw CertificateProblem(path, "is larger than \(limit) bytes") }
        guard let text = String(data: data, encoding: .utf8) else {
            throw CertificateProblem(path, "is not a PEM file")
        }
        return text
    }
}

extension Certificate {
    /// In DER.
    public func encoded() throws -> [UInt8] {
        var serializer = DER.Serializer()
        try serializer.serialize(self)
        return serializer.serializedBytes
    }
}

extension Date {
    /// As in sentences: 2026-12-01 03:14 UTC.
    public var dayAndTime: String {
        formatted(
            Date.VerbatimFormatStyle(
                format:
                    "\(year: .defaultDigits)-\(month: .twoDigits)-\(day: .twoDigits) \(hour: .twoDigits(clock: .twentyFourHour, hourCycle: .zeroBased)):\(minute: .twoDigits) UTC",
                timeZone: .gmt, calendar: Calendar(identifier: .gregorian)))
    }
}
