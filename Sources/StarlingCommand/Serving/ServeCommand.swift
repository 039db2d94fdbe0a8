import ArgumentParser
import Certificates
import Cluster
import Foundation
import Raft
import Replica
import WriteAheadLog

struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve", abstract: "Run one server of a cluster.",
        discussion: """
            Make the plan once, then start every server with its own file:

              starling cluster plan --servers a=127.0.0.1:7440,b=127.0.0.1:7441,c=127.0.0.1:7442 --out plan
              starling serve --data a --name a --plan plan/a.plan.json

            Or add a server to a cluster that runs; `starling cluster add --help` shows both sides:

              starling serve --data d --name d --join 127.0.0.1:7460 --client-file plan/client.json \\
                --peer 127.0.0.1:7443 --client 127.0.0.1:7463 --http 127.0.0.1:7483

            (With --open on other machines: it lets their clients and browsers in.)

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
    @Option(
        help: ArgumentHelp(
            "Instead of a plan: client addresses of a cluster that runs, to be added to it. (STARLING_JOIN)",
            valueName: "host:port,…"))
    var join: String?
    @Option(
        help: ArgumentHelp(
            "With --join: the cluster's client file, that holds its servers' keys. (STARLING_CLIENT_FILE)",
            valueName: "file"))
    var clientFile: String?
    @Option(
        help: ArgumentHelp(
            "Members to know from the start, as `starling cluster members --json` prints them: for a server that was away "
                + "while the others moved. (STARLING_MEMBERS)", valueName: "file"))
    var members: String?
    @Option(help: ArgumentHelp("Where to listen for the other servers. (STARLING_PEER)", valueName: "host:port"))
    var peer: String?
    @Option(help: ArgumentHelp("Where to listen for native clients. (STARLING_CLIENT)", valueName: "host:port"))
    var client: String?
    @Option(help: ArgumentHelp("Where to listen for HTTP. (STARLING_HTTP)", valueName: "host:port"))
    var http: String?
    @Flag(
        help: """
            Let clients and browsers of other machines in. There are no accounts yet: whoever reaches the two ports reads and \
            writes everything. (STARLING_OPEN=yes)
            """)
    var open = false
    @Option(
        help: ArgumentHelp(
            "How servers speak with each other, all of them alike: zeromq, or http with certificates; see `starling cert`. "
                + "(STARLING_TRANSPORT)", valueName: "name"))
    var transport: String?
    @Option(
        help: ArgumentHelp(
            "With --transport http: this server's certificate; else NAME.cert.pem beside the plan. A changed file is used without a "
                + "restart, as the next two are. (STARLING_CERTIFICATE)", valueName: "file"))
    var certificate: String?
    @Option(
        help: ArgumentHelp(
            "Its private key; else NAME.key.pem beside the plan. (STARLING_CERTIFICATE_KEY)", valueName: "file"))
    var certificateKey: String?
    @Option(
        help: ArgumentHelp(
            "Who may have issued the others' certificates; else authority.cert.pem beside the plan. (STARLING_AUTHORITY)",
            valueName: "file"))
    var authority: String?
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
    @Option(
        help: ArgumentHelp(
            "MiB of a log segment, 1 to 1024; 16. A few are made ahead: small disks want small ones. (STARLING_SEGMENT_MEBIBYTES)",
            valueName: "count"))
    var segmentMebibytes: String?
    @Flag(
        name: .customLong("lease-reads"),
        help: """
            While it leads, answer linearizable reads without asking the others. Right only if over a tenth of a second no \
            server's clock runs faster than another's by half; a virtual machine that is paused and resumed with its clock \
            set back breaks that. Off unless given. (STARLING_LEASE_READS=yes)
            """)
    var leaseReads = false
    @Option(
        help: ArgumentHelp(
            "How log lines look: plain, text (with time and level) or json. (STARLING_LOG_FORMAT)", valueName: "format")
    )
    var logFormat: String?
    @Option(
        help: ArgumentHelp(
            "From which level on there is a line: trace, debug (every HTTP request), info, notice, warning, error or critical. "
                + "(STARLING_LOG_LEVEL)", valueName: "level"))
    var logLevel: String?
    @Option(help: ArgumentHelp("The config file. (STARLING_CONFIG)", valueName: "file"))
    var config: String?
    @Flag(help: ArgumentHelp("End when standard input ends: whoever started this server is gone.", visibility: .hidden))
    var endsWithInput = false
    @Option(
        help: ArgumentHelp(
            "Be as old a program as one that supports no more than this feature level: for tests of upgrades.",
            visibility: .hidden))
    var featureLevel: UInt32?

    func validate() throws {
        if let featureLevel, !(1...Configuration.supportedFeatureLevel).contains(featureLevel) {
            throw ValidationError(
                "--feature-level is 1 to \(Configuration.supportedFeatureLevel), and not \(featureLevel)")
        }
    }

    func run() async throws {
        let settings = try Settings(
            flags: [
                .data: data, .name: name, .plan: plan, .join: join, .clientFile: clientFile,
                .members: members, .open: open ? "yes" : nil, .peer: peer, .client: client, .http: http,
                .transport: transport, .certificate: certificate, .certificateKey: certificateKey,
                .authority: authority,
                .curve: noCurve ? "no" : nil, .leaseReads: leaseReads ? "yes" : nil,
                .snapshotEntries: snapshotEntries, .trailingEntries: trailingEntries,
                .trailingMebibytes: trailingMebibytes, .segmentMebibytes: segmentMebibytes, .logFormat: logFormat,
                .logLevel: logLevel,
            ], config: config)
        var plan = try await ServePlan(settings)
        if let featureLevel { plan.configuration.settings.raft.supportedFeatureLevel = featureLevel }
        try await ServerProcess(plan, endsWithInput: endsWithInput).run()
    }
}

/// What `serve` was told, checked.
struct ServePlan {
    var configuration: ServerConfiguration
    var http: ListenAddress
    var log: ServerLog
    /// Not nil for a server that is to say that it waits to be added.
    var joining: (how: Joining, report: ClusterReport)?
    /// It was to join, and nobody answered: good enough for a member only.
    var mustBeMember = false

    init(_ settings: Settings) async throws {
        let transport = try Self.transport(settings)
        let name = try settings.required(.name)
        log = try ServerLog(settings, server: name)
        let data = UserDirectories.expanded(try settings.required(.data))
        let plan = try await Self.plan(settings, name, data, log, &joining)
        configuration = ServerConfiguration(dataDirectory: data, plan: plan)
        configuration.joins = settings[.plan] == nil
        mustBeMember = configuration.joins && joining == nil && settings[.members] == nil
        if let path = settings[.members] {
            configuration.memberFile = try Self.members(UserDirectories.expanded(path), of: plan.cluster)
        } else if let report = joining?.report {
            configuration.memberFile = try report.records()
        }
        let isOpen = try settings.flag(.open)
        configuration.isEncrypted = try settings.flag(.curve)
        if transport == .http {
            configuration.transport = .http(
                try Self.certificates(settings, name, data, isNeeded: configuration.isEncrypted))
        }
        // Nobody but the members gets anywhere at the peers' door, if they must show their keys there.
        configuration.peerAddress = try Self.address(
            .peer, settings, plan.own.peerAddress, isOpen: isOpen || configuration.isEncrypted)
        configuration.clientAddress = try Self.address(.client, settings, plan.own.clientAddress, isOpen: isOpen)
        http = try ListenAddress(
            settings[.http] ?? plan.own.httpAddress, Self.called(.http, settings), isOpen: isOpen)
        configuration.settings.raft.leaseReads = try settings.flag(.leaseReads)
        configuration.settings.snapshotEntries = try settings.count(.snapshotEntries)
        configuration.settings.trailingEntries = try settings.count(.trailingEntries)
        configuration.settings.trailingBytes = try settings.count(.trailingMebibytes) << 20
        configuration.log.segmentBytes = UInt64(try settings.count(.segmentMebibytes, atMost: 1_024)) << 20
    }

    private static func transport(_ settings: Settings) throws(Complaint) -> TransportName {
        let text = settings[.transport] ?? ""
        guard let name = TransportName(rawValue: text) else {
            throw Complaint(
                .wrongUsage, "\(settings.origin(of: .transport)): the transport is zeromq or http, and not \"\(text)\"")
        }
        return name
    }

    /// Of a server whose plan is there.
    private static func certificates(
        _ settings: Settings, _ name: String, _ data: String, isNeeded: Bool
    ) throws(Complaint) -> CertificateFiles {
        let plan = settings[.plan].map(UserDirectories.expanded) ?? PlanSource.pathOfJoined(data)
        let directory = URL(fileURLWithPath: plan).deletingLastPathComponent().relativePath
        var files = CertificateFiles(inDirectory: directory, ofServer: name)
        if let path = settings[.certificate] { files.certificate = UserDirectories.expanded(path) }
        if let path = settings[.certificateKey] { files.key = UserDirectories.expanded(path) }
        if let path = settings[.authority] { files.authority = UserDirectories.expanded(path) }
        if isNeeded, !FileManager.default.fileExists(atPath: files.certificate) {
            throw Complaint(
                .failed,
                """
                server \(name) has no certificate: \(files.certificate) is not there. Make one where the authority's key is, \
                with this server's plan file:
                  starling cert node --authority DIRECTORY --plan \(plan)
                """)
        }
        return files
    }

    private static func plan(
        _ settings: Settings, _ name: String, _ data: String, _ log: ServerLog,
        _ joining: inout (how: Joining, report: ClusterReport)?
    ) async throws -> ServerPlan {
        if let path = settings[.plan] {
            guard settings[.join] == nil else {
                throw Complaint(
                    .wrongUsage,
                    "a server begins with a plan or joins a cluster: give either \(settings.origin(of: .plan)) or \(settings.origin(of: .join))"
                )
            }
            return try PlanSource.read(UserDirectories.expanded(path), name: name)
        }
        let own = PlanSource.pathOfJoined(data)
        let hasJoined = FileManager.default.fileExists(atPath: own)
        guard settings[.join] != nil else {
            if hasJoined { return try PlanSource.read(own, name: name) }
            throw Complaint(
                .wrongUsage,
                "which cluster? Give --plan, the file that `starling cluster plan` made for this server; or --join, to become a member of a "
                    + "cluster that runs.")
        }
        let how = Joining(address: try ClusterAddress(settings, place: .join), log: log)
        do {
            joining = (how, try await how.report())
        } catch {
            // One that has been there before knows whom to listen to, and need not be held up.
            guard hasJoined else { throw error }
            log.say(.warning, "no server answers at \(settings[.join] ?? ""): going on with what is in \(data)")
        }
        if hasJoined { return try PlanSource.renew(own, settings, name: name) }
        guard let joining else { preconditionFailure("a report, or an error") }
        return try PlanSource.make(settings, name: name, data: data, joining.report)
    }

    /// What `starling cluster members --json` printed.
    private static func members(_ path: String, of cluster: ClusterID) throws(Complaint) -> [Member] {
        guard let bytes = FileManager.default.contents(atPath: path) else {
            throw Complaint(.wrongUsage, "the member file \(path) cannot be read")
        }
        let report: ClusterReport
        do throws(Complaint) {
            report = try ClusterReport(json: Array(bytes))
        } catch {
            throw Complaint(
                .wrongUsage, "the member file \(path) is not what `starling cluster members --json` prints: \(error)")
        }
        guard report.clusterId == cluster.description else {
            throw Complaint(
                .wrongUsage, "the member file \(path) is of cluster \(report.clusterId), and not of \(cluster)")
        }
        return try report.records()
    }

    private static func address(
        _ setting: Setting, _ settings: Settings, _ planned: String, isOpen: Bool
    ) throws(Complaint) -> String {
        try ListenAddress(settings[setting] ?? planned, called(setting, settings), isOpen: isOpen).description
    }

    private static func called(_ setting: Setting, _ settings: Settings) -> String {
        settings[setting] == nil ? "the plan's \(setting.key) address" : settings.origin(of: setting)
    }
}
