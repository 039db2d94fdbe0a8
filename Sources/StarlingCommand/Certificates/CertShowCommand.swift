import ArgumentParser
import Certificates
import Foundation
import Gateways

struct CertShowCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show what certificates say: for which member, by whom, until when.",
        discussion: "  starling cert show plan/*.cert.pem")

    @Argument(help: ArgumentHelp("PEM files with certificates.", valueName: "file"))
    var files: [String]
    @Flag(help: "Print JSON.")
    var json = false

    func run() throws {
        let found = try files.flatMap { path in
            try CertificateFiles.summaries(of: UserDirectories.expanded(path)).map { (path, $0) }
        }
        if json {
            Terminal.line(JSON.array(found.map { Self.json($0, $1) }).text)
            return
        }
        var table = Table(
            ("FILE", .left), ("NAME", .left), ("VALID UNTIL", .left), ("DAYS", .right), ("ISSUED BY", .left),
            ("KEY", .left),
            ("HOSTS", .left))
        for (path, summary) in found {
            table.add(
                path, summary.name, summary.notValidAfter.dayAndTime, "\(summary.daysLeft())", summary.issuer,
                summary.isAuthority ? "(an authority)" : summary.memberKey ?? "(no member's)",
                summary.hosts.joined(separator: ", "))
        }
        for line in table.lines { Terminal.line(line) }
    }

    private static func json(_ path: String, _ summary: CertificateSummary) -> JSON {
        .object([
            .init("file", .string(path)), .init("name", .string(summary.name)),
            .init("issuer", .string(summary.issuer)), .init("authority", .bool(summary.isAuthority)),
            .init("publicKey", summary.memberKey.map { .string($0) } ?? .null),
            .init("hosts", .array(summary.hosts.map { .string($0) })),
            .init("validFrom", .string(summary.notValidBefore.ISO8601Format())),
            .init("validUntil", .string(summary.notValidAfter.ISO8601Format())),
            .init("daysLeft", .int(Int64(summary.daysLeft()))),
        ])
    }
}
