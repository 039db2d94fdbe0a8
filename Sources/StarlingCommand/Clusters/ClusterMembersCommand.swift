import ArgumentParser
import Cluster
import Foundation
import Raft
import StarlingClient
import ZeroMQ

struct ClusterMembersCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "members",
        abstract: "Show the members: roles, how far each is, addresses, versions; and who asks to join.",
        discussion: """
            As the server sees it that answers. `--json` prints what `serve --members` reads: a server that was away while \
            all others changed their addresses or keys finds them by it.

              starling cluster members --json > members.json
            """)

    @OptionGroup var connection: ConnectionOptions
    @Flag(help: "Print JSON, as GET /v1/cluster answers.")
    var json = false

    @Option(
        help: ArgumentHelp(
            "Also write a new client file, with the present members' addresses and keys.", valueName: "file"))
    var saveClientFile: String?

    func run() async throws {
        let text = try await connection.withClient { client in try await client.status() }
        let report = try ClusterReport(json: Array(text.utf8))
        if let saveClientFile { try save(report, UserDirectories.expanded(saveClientFile)) }
        if json { return Terminal.line(text) }
        Terminal.line("cluster \(report.clusterId), seen by server \(report.server)")
        for line in report.memberLines { Terminal.line(line) }
        for joiner in report.joining {
            Terminal.line(
                "asks to join: \(joiner.name), id \(joiner.node), peers at \(joiner.peer), key \(joiner.publicKey)")
        }
    }
}

extension ClusterMembersCommand {
    private func save(_ report: ClusterReport, _ path: String) throws(Complaint) {
        guard let id = UInt64(report.clusterId, radix: 16) else {
            throw Complaint(.failed, "the server says that its cluster is \"\(report.clusterId)\", which is no id")
        }
        var servers: [ClientPlan.Server] = []
        for member in report.members {
            guard let key = CurvePublicKey(z85: member.publicKey) else {
                throw Complaint(.failed, "\(member.name) has no key: without encryption there is no client file")
            }
            servers.append(
                .init(name: member.name, clientAddress: member.client, httpAddress: member.http, publicKey: key))
        }
        do {
            let data = try ClientPlan(cluster: ClusterID(id), servers: servers).encoded()
            try data.write(to: URL(fileURLWithPath: path), options: .atomic)
        } catch {
            throw Complaint(.failed, "\(path) cannot be written: \(error.localizedDescription)")
        }
        Terminal.progress("\(path) is for clients now\n")
    }
}

extension ClusterReport {
    /// A line a member.
    var memberLines: [String] {
        var table = Table(
            ("", .left), ("SERVER", .left), ("ID", .left), ("ROLE", .left), ("VOTER", .left), ("TERM", .right),
            ("COMMIT", .right), ("APPLIED", .right), ("TRAILS BY", .right), ("ROUND TRIP", .right), ("VERSION", .left),
            ("PEERS AT", .left))
        for member in members {
            table.add(
                Self.mark(member), member.name, member.node.description, member.reachable ? member.role : "unreachable",
                member.voter ? "yes" : member.promotedWhenCaughtUp ? "soon" : "no", Self.text(member.term),
                Self.text(member.commitIndex), Self.text(member.appliedIndex), Self.text(member.trailsBy),
                member.roundTripMs.map { "\(Figures.decimal($0, 2)) ms" } ?? "-", member.version ?? "-", member.peer)
        }
        return table.lines
    }
}
