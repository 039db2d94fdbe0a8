/// What can be said by a flag, in the environment, in the config file, or in a saved context; in this order of
/// precedence.
enum Setting: String, CaseIterable {
    case servers
    case clientFile = "client-file"
    case operatorFile = "operator-file"
    case token
    case tokenFile = "token-file"
    case requestTimeout = "request-timeout"
    case curve
    case user
    case data
    case name
    case plan
    case join
    case members
    case peer
    case client
    case http
    case open
    case transport
    case certificate
    case certificateKey = "certificate-key"
    case authority
    case snapshotEntries = "snapshot-entries"
    case trailingEntries = "trailing-entries"
    case trailingMebibytes = "trailing-mebibytes"
    case segmentMebibytes = "segment-mebibytes"
    case leaseReads = "lease-reads"
    case logFormat = "log-format"
    case logLevel = "log-level"

    /// As it is called in the config file; the flag is this behind two hyphens.
    var key: String { rawValue }

    var environmentName: String {
        "STARLING_" + String(key.uppercased().map { $0 == "-" ? "_" : $0 })
    }

    /// Nil: none, or made from other settings.
    var standard: String? {
        switch self {
        case .requestTimeout: "10"
        case .curve: "yes"
        case .transport: "zeromq"
        case .leaseReads, .open: "no"
        case .logFormat: "plain"
        case .logLevel: "info"
        case .snapshotEntries: "200000"
        case .trailingEntries: "10000"
        case .trailingMebibytes: "64"
        case .segmentMebibytes: "16"
        default: nil
        }
    }

    /// A path, which in a config file is relative to that file.
    var isPath: Bool {
        switch self {
        case .clientFile, .operatorFile, .tokenFile, .data, .plan, .members, .certificate, .certificateKey, .authority:
            true
        default: false
        }
    }

    /// Not to be shown.
    var isSecret: Bool { self == .token }

    /// What `serve` reads.
    var isOfServer: Bool {
        switch self {
        case .servers, .operatorFile, .token, .tokenFile, .requestTimeout, .user: false
        default: true
        }
    }

    var meaning: String {
        switch self {
        case .servers: "client addresses of one or more servers, HOST:PORT,…"
        case .clientFile: "the file with the servers' public keys that `starling cluster plan` wrote"
        case .operatorFile: "the file with the operator's secret key that `starling cluster plan` wrote"
        case .token: "the token that says who you are, as `starling admin token create` printed it"
        case .tokenFile: "the file in which it stands"
        case .requestTimeout: "seconds for which a request is tried at one server after another"
        case .curve: "whether connections are encrypted (yes or no)"
        case .user: "the name under which `starling post` posts"
        case .data: "serve: the server's data directory"
        case .name: "serve: the server's name in the plan"
        case .plan: "serve: the server's plan file"
        case .join: "serve: client addresses of servers of the cluster that this one wants to join, HOST:PORT,…"
        case .members: "serve: members to know from the start, as `starling cluster members --json` prints them"
        case .open: "serve: whether clients and browsers of other machines are let in (yes or no)"
        case .peer: "serve: where to listen for the other servers, HOST:PORT"
        case .client: "serve: where to listen for native clients, HOST:PORT"
        case .http: "serve: where to listen for HTTP, HOST:PORT"
        case .transport: "serve: how servers speak with each other, zeromq or http; all of them alike"
        case .certificate:
            "serve, with transport http: this server's certificate, PEM; else NAME.cert.pem beside the plan"
        case .certificateKey: "serve, with transport http: its private key, PEM; else NAME.key.pem beside the plan"
        case .authority:
            "serve, with transport http: certificates of the authorities that are trusted, PEM; else authority.cert.pem beside the plan"
        case .logFormat: "serve: plain, text (with time and level) or json"
        case .logLevel: "serve: trace, debug (every HTTP request), info, notice, warning, error or critical"
        case .leaseReads: "serve: whether reads rest on clocks that run evenly (yes or no)"
        case .snapshotEntries: "serve: log entries after which a snapshot is taken, while the state is small"
        case .trailingEntries: "serve: log entries kept behind a snapshot, for servers that are a little behind"
        case .segmentMebibytes:
            "serve: MiB of a log segment, 1 to 1024; a few of them are made ahead, so small disks want small ones"
        case .trailingMebibytes: "serve: MiB of them at the most; a restart reads and applies them"
        }
    }
}

/// Where a value comes from. Earlier cases win over later ones.
enum SettingSource: Equatable {
    case flag
    case environment(String)
    case file(String)
    case context(String)
    case standard

    var rank: Int {
        switch self {
        case .flag: 0
        case .environment: 1
        case .file: 2
        case .context: 3
        case .standard: 4
        }
    }

    var text: String {
        switch self {
        case .flag: "flag"
        case .environment(let name): "environment: \(name)"
        case .file(let path): "config file: \(path)"
        case .context(let path): "saved context: \(path)"
        case .standard: "default"
        }
    }
}

struct SettingValue: Equatable {
    var text: String
    var source: SettingSource
}
