import ArgumentParser
import Cluster
import Raft
import Replica

struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve", abstract: "Run one server of a cluster.",
        discussion: """
            Make the plan once, then start every server with its own file:

              starling cluster plan --servers a=127.0.0.1:7440,b=127.0.0.1:7441,c=127.0.0.1:7442 --out plan
              starling serve --data a --name a --plan plan/a.plan.json

            The server listens where the plan says, unless the flags say otherwise, and says a line at each \
            milestone. The first \
            start of a cluster waits until all its servers are there. Ctrl-C or SIGTERM ends it in order, a second \
            one at once; \
            after kill -9 it goes on from its data directory. SIGUSR1 has it take a snapshot now.
            """)

    @Option(help: ArgumentHelp("The data directory, made if need be. (STARLING_DATA)", valueName: "directory"))
    var data: String?
    @Option(help: ArgumentHelp("This server's name in the plan. (STARLING_NAME)", valueName: "name"))
    var name: String?
    @Option(help: ArgumentHelp("This server's plan file. (STARLING_PLAN)", valueName: "file"))
    var plan: String?
    @Option(help: ArgumentHelp("Where to listen for the other servers. (STARLING_PEER)", valueName: "host:port"))
    var peer: String?
    @Option(help: ArgumentHelp("Where to listen for native clients. (STARLING_CLIENT)", valueName: "host:port"))
    var client: String?
    @Option(help: ArgumentHelp("Where to listen for HTTP. (STARLING_HTTP)", valueName: "host:port"))
    var http: String?
    @Option(help: ArgumentHelp("How servers speak with each other: zeromq. (STARLING_TRANSPORT)", valueName: "name"))
    var transport: String?
    @Flag(
        name: .customLong("no-curve"),
        help: "No encryption for peers and clients, on all servers alike. For tests and measuring. (STARLING_CURVE=no)")
    var noCurve = false
    @Option(
        help: ArgumentHelp(
            "Log entries after which a snapshot is taken, while the state is small; 200000. (STARLING_SNAPSHOT_ENTRIES)",
            valueName: "count"))
    var snapshotEntries: String?
    @Option(
        help: ArgumentHelp(
            "Log entries kept behind a snapshot for servers that are a little behind; 10000. (STARLING_TRAILING_ENTRIES)",
            valueName: "count"))
    var trailingEntries: String?
    @Option(
        help: ArgumentHelp(
            "MiB of them at the most: a restart has to read and apply them; 64. (STARLING_TRAILING_MEBIBYTES)",
            valueName: "count"))
    var trailingMebibytes: String?
    @Flag(
        name: .customLong("lease-reads"),
        help: """
            While it leads, answer linearizable reads without asking the others. Right only if over a tenth of a second no \
            server's clock runs faster than another's by half; a virtual machine that is paused and resumed with its clock \
            set back breaks that. Off unless given. (STARLING_LEASE_READS=yes)
            """)
    var leaseReads = false
    @Option(help: ArgumentHelp("The config file. (STARLING_CONFIG)", valueName: "file"))
    var config: String?
    @Flag(help: ArgumentHelp("End when standard input ends: whoever started this server is gone.", visibility: .hidden))
    var endsWithInput = false

    func run() async throws {
        let settings = try Settings(
            flags: [
                .data: data, .name: name, .plan: plan, .peer: peer, .client: client, .http: http, .transport: transport,
                .curve: noCurve ? "no" : nil, .leaseReads: leaseReads ? "yes" : nil,
                .snapshotEntries: snapshotEntries, .trailingEntries: trailingEntries,
                .trailingMebibytes: trailingMebibytes,
            ], config: config)
        try await ServerProcess(try ServePlan(settings), endsWithInput: endsWithInput).run()
    }
}

/// What `serve` was told, checked.
struct ServePlan {
    var configuration: ServerConfiguration
    var http: ListenAddress

    init(_ settings: Settings) throws(Complaint) {
        let transport = settings[.transport] ?? ""
        guard transport == "zeromq" else {
            throw Complaint(
                .wrongUsage,
                "\(settings.origin(of: .transport)): the transport is zeromq, and not \"\(transport)\"; http comes "
                    + "later"
            )
        }
        let path = UserDirectories.expanded(try settings.required(.plan))
        let name = try settings.required(.name)
        let data = UserDirectories.expanded(try settings.required(.data))
        let plan: ServerPlan
        do throws(PlanError) {
            plan = try ServerPlan.read(from: path)
        } catch {
            throw Complaint(.failed, "the plan is not usable: \(error)\n`starling cluster plan` makes plan files.")
        }
        guard plan.name == name else {
            throw Complaint(
                .wrongUsage,
                "the plan file \(path) is for server \(plan.name), and not for \(name): each server needs its own")
        }
        configuration = ServerConfiguration(dataDirectory: data, plan: plan)
        configuration.peerAddress = try Self.address(.peer, settings, plan.own.peerAddress)
        configuration.clientAddress = try Self.address(.client, settings, plan.own.clientAddress)
        http = try ListenAddress(settings[.http] ?? plan.own.httpAddress, Self.called(.http, settings))
        configuration.isEncrypted = try settings.flag(.curve)
        configuration.settings.raft.leaseReads = try settings.flag(.leaseReads)
        configuration.settings.snapshotEntries = try settings.count(.snapshotEntries)
        configuration.settings.trailingEntries = try settings.count(.trailingEntries)
        configuration.settings.trailingBytes = try settings.count(.trailingMebibytes) << 20
    }

    private static func address(_ setting: Setting, _ settings: Settings, _ planned: String) throws(Complaint) -> String
    {
        try ListenAddress(settings[setting] ?? planned, called(setting, settings)).description
    }

    private static func called(_ setting: Setting, _ settings: Settings) -> String {
        settings[setting] == nil ? "the plan's \(setting.key) address" : settings.origin(of: setting)
    }
}
