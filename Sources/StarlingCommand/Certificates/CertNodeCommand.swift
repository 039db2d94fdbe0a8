import ArgumentParser
import Certificates
import Cluster
import Foundation
import ZeroMQ

struct CertNodeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "node", abstract: "Make servers' certificates, or new ones in their place.",
        discussion: """
              starling cert node --authority plan --plan plan/a.plan.json plan/b.plan.json plan/c.plan.json

            Beside each plan file it writes NAME.cert.pem, NAME.key.pem and authority.cert.pem, each with a new key. A \
            server that joins has its plan in DATA/plan.json after its first start. A server that runs uses new files within \
            a second, and connections that stand go on.

            The certificate says which member it speaks for by the public key in the plan: after `starling cluster \
            rotate-key` it needs a new one.
            """)

    @Option(help: ArgumentHelp("Where `starling cert authority` wrote its files.", valueName: "directory"))
    var authority: String
    @Option(parsing: .upToNextOption, help: ArgumentHelp("The servers' plan files.", valueName: "file"))
    var plan: [String]
    @Option(help: ArgumentHelp("Instead of beside each plan; made if need be.", valueName: "directory"))
    var out: String?
    @Option(
        help: ArgumentHelp(
            "A further name or address of the servers' machine, for tools that check it; may be repeated.",
            valueName: "host"))
    var host: [String] = []
    @Option(help: ArgumentHelp("Valid for so long, 1 to 36500, and no longer than the authority.", valueName: "days"))
    var days = 365

    func validate() throws {
        try CertificateDays.check(days)
        for name in host where Endpoint("\(name):1") == nil || name == "*" {
            throw ValidationError("--host: \"\(name)\" is neither a host's name nor an IPv4 address")
        }
    }

    func run() throws {
        let authority = try CertificateAuthority(readFrom: UserDirectories.expanded(self.authority))
        // All plans before any file.
        let plans = try plan.map { path in
            (path: UserDirectories.expanded(path), plan: try ServerPlan.read(from: UserDirectories.expanded(path)))
        }
        let out = try self.out.map { try CertDirectory.made($0) }
        for (path, plan) in plans {
            let directory = out ?? URL(fileURLWithPath: path).deletingLastPathComponent().relativePath
            try make(plan, authority, in: directory)
        }
    }

    private func make(_ plan: ServerPlan, _ authority: CertificateAuthority, in directory: String) throws {
        var hosts = host
        if let own = Endpoint(plan.own.peerAddress)?.host, !hosts.contains(own) { hosts.insert(own, at: 0) }
        let files = CertificateFiles(inDirectory: directory, ofServer: plan.name)
        let certificate = try authority.issue(for: plan.keys.publicKey, named: plan.name, hosts: hosts, days: days)
        try certificate.write(to: files, authority: authority)
        // As a server will.
        _ = try files.load(for: plan.keys.publicKey)
        Terminal.line("server \(plan.name): \(files.certificate), valid until \(certificate.expires.dayAndTime)")
    }
}
