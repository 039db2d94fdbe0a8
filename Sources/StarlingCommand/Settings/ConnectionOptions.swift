import ArgumentParser
import ClientProtocol
import Cluster
import Foundation
import Raft
import StarlingClient
import ZeroMQ

/// Which cluster a command speaks with.
struct ConnectionOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Client addresses of one or more servers; the rest is found. (STARLING_SERVERS)", valueName: "host:port,…"))
    var servers: String?

    @Option(
        help: ArgumentHelp(
            "The file with the servers' public keys that `starling cluster plan` wrote. (STARLING_CLIENT_FILE)",
            valueName: "file"))
    var clientFile: String?

    @Option(
        help: ArgumentHelp(
            "The file with the operator's key, for commands that change the cluster. (STARLING_OPERATOR_FILE)",
            valueName: "file"))
    var operatorFile: String?

    @Option(
        help: ArgumentHelp(
            "The file with the token that says who you are. (STARLING_TOKEN_FILE, or the token itself: STARLING_TOKEN)",
            valueName: "file"))
    var tokenFile: String?

    @Option(
        help: ArgumentHelp("How long a request is tried, in seconds. (STARLING_REQUEST_TIMEOUT)", valueName: "seconds"))
    var requestTimeout: String?

    @Flag(
        name: .customLong("no-curve"),
        help: "Connect unencrypted, to servers that run with --no-curve. (STARLING_CURVE=no)")
    var noCurve = false

    @Option(help: ArgumentHelp("The config file. (STARLING_CONFIG)", valueName: "file"))
    var config: String?

    func settings(_ more: [Setting: String?] = [:]) throws(Complaint) -> Settings {
        var flags: [Setting: String?] = [
            .servers: servers, .clientFile: clientFile, .operatorFile: operatorFile, .tokenFile: tokenFile,
            .requestTimeout: requestTimeout,
            .curve: noCurve ? "no" : nil,
        ]
        for (setting, text) in more { flags[setting] = text }
        return try Settings(flags: flags, config: config)
    }
}

/// The servers to speak with and their keys.
struct ClusterAddress {
    var endpoints: [ServerEndpoint]
    /// 0: any.
    var cluster: UInt64
    var timeout: UInt64
    /// Nil: a new one for each connection.
    var keys: CurveKeyPair?
    /// Empty: none is shown.
    var token = ""

    /// How a command shows who it is.
    enum Role {
        /// By a token, if one is set.
        case user
        /// By the operator's key, which is needed.
        case `operator`
        /// By the operator's key or by a token, whichever is said more explicitly.
        case admin
    }

    /// - place: the setting that names the servers.
    init(_ settings: Settings, place: Setting = .servers, as role: Role = .user) throws(Complaint) {
        timeout = try settings.milliseconds(.requestTimeout)
        let isEncrypted = try settings.flag(.curve)
        let file = try Self.clientFile(settings)
        cluster = file?.cluster ?? 0
        let servers = settings.values[place]
        let fileRank = settings.values[.clientFile]?.source.rank ?? .max
        if let file, fileRank < (servers?.source.rank ?? .max) {
            // A client file said more explicitly than the servers brings its own.
            endpoints = file.endpoints
        } else if let servers {
            endpoints = try Self.endpoints(servers.text, place, settings)
            for index in endpoints.indices {
                endpoints[index].publicKey = file?.endpoints.first { $0.address == endpoints[index].address }?.publicKey
            }
        } else {
            throw Complaint(
                .wrongUsage,
                """
                no servers are known. Name them with --servers HOST:PORT,… and --client-file FILE (or \
                STARLING_SERVERS and \
                STARLING_CLIENT_FILE), or start `starling demo`, which saves its own for you.
                """)
        }
        token = try Self.token(settings, for: role)
        guard isEncrypted else {
            for index in endpoints.indices { endpoints[index].publicKey = nil }
            return
        }
        for endpoint in endpoints where endpoint.publicKey == nil {
            throw Complaint(
                .wrongUsage,
                """
                the public key of server \(endpoint) is not \
                known\(file == nil ? "" : ": \(settings[.clientFile] ?? "the client file") does not list it"). \
                Name the cluster's client file with --client-file, or say --no-curve if its servers run unencrypted.
                """)
        }
        switch role {
        case .user: break
        case .operator: keys = try Self.operatorKeys(settings, cluster)
        case .admin where token.isEmpty && settings[.operatorFile] != nil:
            keys = try Self.operatorKeys(settings, cluster)
        case .admin: break
        }
    }

    private static func token(_ settings: Settings, for role: Role) throws(Complaint) -> String {
        let rank = { (setting: Setting) in settings.values[setting]?.source.rank ?? .max }
        let setting = rank(.tokenFile) < rank(.token) ? Setting.tokenFile : .token
        guard rank(setting) < .max, role != .operator else { return "" }
        if role == .admin, rank(.operatorFile) <= rank(setting) { return "" }
        var token = settings[setting] ?? ""
        if setting == .tokenFile {
            let path = UserDirectories.expanded(token)
            guard let data = FileManager.default.contents(atPath: path) else {
                throw Complaint(
                    .wrongUsage, "the token file \(path) (from \(settings.origin(of: .tokenFile))) cannot be read")
            }
            token = String(decoding: data, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
        }
        let isToken = (1...FrameLimits.tokenBytes).contains(token.utf8.count) && !token.contains(where: \.isWhitespace)
        guard isToken else {
            throw Complaint(
                .wrongUsage,
                "\(settings.origin(of: setting)): a token has 1 to \(FrameLimits.tokenBytes) bytes and no white space")
        }
        return token
    }

    private static func operatorKeys(_ settings: Settings, _ cluster: UInt64) throws(Complaint) -> CurveKeyPair {
        guard let path = settings[.operatorFile].map(UserDirectories.expanded) else {
            throw Complaint(
                .wrongUsage,
                """
                only an operator may change the cluster. Name the operator file that `starling cluster plan` wrote with \
                --operator-file (or STARLING_OPERATOR_FILE).
                """)
        }
        do throws(PlanError) {
            let key = try OperatorKey.read(from: path)
            guard cluster == 0 || key.cluster.rawValue == cluster else {
                throw PlanError(
                    path, "is of cluster \(key.cluster), and the client file is of cluster \(ClusterID(cluster))")
            }
            return key.keys
        } catch {
            throw Complaint(.wrongUsage, "the operator file is not usable: \(error)")
        }
    }

    private static func clientFile(_ settings: Settings) throws(Complaint) -> ClientFile? {
        guard let path = settings[.clientFile].map(UserDirectories.expanded) else { return nil }
        guard let data = FileManager.default.contents(atPath: path) else {
            throw Complaint(
                .wrongUsage,
                "the client file \(path) (from \(settings.origin(of: .clientFile))) cannot be read. `starling cluster "
                    + "plan` writes one."
            )
        }
        do throws(ClientFile.Invalid) {
            return try ClientFile(json: Array(data))
        } catch {
            throw Complaint(.wrongUsage, "\(path): \(error)")
        }
    }

    /// - Precondition: the setting is set.
    static func endpoints(of place: Setting, _ settings: Settings) throws(Complaint) -> [ServerEndpoint] {
        try endpoints(try settings.required(place), place, settings)
    }

    private static func endpoints(_ text: String, _ place: Setting, _ settings: Settings) throws(Complaint)
        -> [ServerEndpoint]
    {
        var endpoints: [ServerEndpoint] = []
        for item in text.split(separator: ",", omittingEmptySubsequences: false) {
            let item = item.filter { $0 != " " }
            guard let address = Endpoint(item), address.port > 0 else {
                throw Complaint(.wrongUsage, "\(settings.origin(of: place)): \"\(item)\" is not HOST:PORT")
            }
            let host = address.host == "localhost" ? "127.0.0.1" : address.host
            endpoints.append(ServerEndpoint(Endpoint(host: host, port: address.port)))
        }
        return endpoints
    }

    func client() throws(Complaint) -> StarlingClient {
        var settings = ClientSettings()
        settings.cluster = cluster
        settings.operationTimeout = timeout
        settings.keys = keys
        settings.token = token
        do throws(ZeroMQError) {
            return try StarlingClient(servers: endpoints, settings: settings)
        } catch {
            throw Complaint(.failed, "no connection can be made: \(error)")
        }
    }
}

extension ConnectionOptions {
    /// Gives a client to the body and closes it afterwards.
    func withClient<Result>(
        as role: ClusterAddress.Role = .user, _ body: (StarlingClient) async throws -> Result
    ) async throws -> Result {
        let client = try ClusterAddress(try settings(), as: role).client()
        do {
            let result = try await body(client)
            await client.close()
            return result
        } catch {
            await client.close()
            throw error
        }
    }
}
