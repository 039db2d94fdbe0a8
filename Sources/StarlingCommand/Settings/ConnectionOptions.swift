import ArgumentParser
import Foundation
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
            .servers: servers, .clientFile: clientFile, .requestTimeout: requestTimeout, .curve: noCurve ? "no" : nil,
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

    init(_ settings: Settings) throws(Complaint) {
        timeout = try settings.milliseconds(.requestTimeout)
        let isEncrypted = try settings.flag(.curve)
        let file = try Self.clientFile(settings)
        cluster = file?.cluster ?? 0
        let servers = settings.values[.servers]
        let fileRank = settings.values[.clientFile]?.source.rank ?? .max
        if let file, fileRank < (servers?.source.rank ?? .max) {
            // A client file said more explicitly than the servers brings its own.
            endpoints = file.endpoints
        } else if let servers {
            endpoints = try Self.endpoints(servers.text, settings)
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

    private static func endpoints(_ text: String, _ settings: Settings) throws(Complaint) -> [ServerEndpoint] {
        var endpoints: [ServerEndpoint] = []
        for item in text.split(separator: ",", omittingEmptySubsequences: false) {
            let item = item.filter { $0 != " " }
            guard let address = Endpoint(item), address.port > 0 else {
                throw Complaint(.wrongUsage, "\(settings.origin(of: .servers)): \"\(item)\" is not HOST:PORT")
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
        _ body: (StarlingClient) async throws -> Result
    ) async throws -> Result {
        let client = try ClusterAddress(try settings()).client()
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
