import ArgumentParser
import Certificates
import Foundation

struct CertAuthorityCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "authority",
        abstract: "Make a private authority, which issues the certificates of one cluster's servers.",
        discussion: """
            Writes authority.cert.pem, which every server needs, and authority.key.pem: whoever has that can make a \
            certificate for any server, so keep it off the servers. Neither is ever overwritten.
            """)

    @Option(help: ArgumentHelp("The directory for the two files; made if need be.", valueName: "directory"))
    var out: String
    @Option(help: ArgumentHelp("What the authority is called in messages and tools.", valueName: "text"))
    var name = "Starling authority"
    @Option(help: ArgumentHelp("Valid for so long, 1 to 36500.", valueName: "days"))
    var days = 3_650

    func validate() throws {
        try CertificateDays.check(days)
        guard !name.isEmpty, name.utf8.count <= 64 else {
            throw ValidationError("--name is 1 to 64 bytes, and not \(name.utf8.count)")
        }
    }

    func run() throws {
        let directory = try CertDirectory.made(out)
        let authority = try CertificateAuthority(named: name, days: days)
        let files = try authority.write(to: directory)
        Terminal.line("authority \"\(name)\", valid until \(authority.expires.dayAndTime); written:")
        for file in files { Terminal.line("  \(file)") }
        Terminal.line(
            "Keep the key where nobody else gets it. Next: starling cert node --authority \(out) --plan FILE…")
    }
}

enum CertDirectory {
    /// The directory that a flag names, made if need be.
    static func made(_ path: String) throws(Complaint) -> String {
        let directory = UserDirectories.expanded(path)
        do {
            try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        } catch {
            throw Complaint(.failed, "the directory \(directory) cannot be made: \(error.localizedDescription)")
        }
        return directory
    }
}

enum CertificateDays {
    static func check(_ days: Int) throws(ValidationError) {
        guard (1...36_500).contains(days) else { throw ValidationError("--days is 1 to 36500, and not \(days)") }
    }
}
