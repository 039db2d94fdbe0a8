import ByteCoding
import Raft
import ZeroMQ

/// What one server is told of the cluster that it begins with: `starling serve --plan`. Holds the server's secret key.
public struct ServerPlan: Equatable, Sendable, CustomStringConvertible {
    public var cluster: ClusterID
    /// This server's name.
    public var name: String
    public var keys: CurveKeyPair
    /// All servers, this one among them, in order of name.
    public var servers: [PlannedServer]
    /// Whose keys this server takes changes of the cluster from. Each server decides that for itself.
    public var operators: [CurvePublicKey]

    /// - Precondition: one of the servers has this name.
    public init(
        cluster: ClusterID, name: String, keys: CurveKeyPair, servers: [PlannedServer],
        operators: [CurvePublicKey] = []
    ) {
        precondition(servers.contains { $0.name == name }, "a server's plan lists the server")
        self.cluster = cluster
        self.name = name
        self.keys = keys
        self.servers = servers.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
        self.operators = operators
    }

    public var own: PlannedServer {
        // The initialiser and the decoder both see to it that there is one.
        servers.first { $0.name == name }!
    }

    /// Of everything that all servers of a plan must agree on. Tells honest mistakes apart, not forgeries: those the keys stop.
    public var digest: UInt64 {
        var writer = ByteWriter()
        writer.write(cluster.rawValue)
        for server in servers {
            for text in [server.name, server.peerAddress, server.clientAddress, server.httpAddress] {
                writer.write(text)
            }
            writer.writePrefixed(server.publicKey.bytes)
        }
        var hash = StableHash()
        writer.bytes.withUnsafeBytes { hash.mix($0) }
        return hash.value
    }

    /// Without the secret.
    public var description: String { "plan of server \(name) in cluster \(cluster) of \(servers.count)" }
}

/// What clients are told: where the servers are, and by which keys to know them. No secrets.
public struct ClientPlan: Equatable, Sendable {
    public struct Server: Equatable, Sendable {
        public var name: String
        public var clientAddress: String
        public var httpAddress: String
        public var publicKey: CurvePublicKey

        public init(name: String, clientAddress: String, httpAddress: String, publicKey: CurvePublicKey) {
            self.name = name
            self.clientAddress = clientAddress
            self.httpAddress = httpAddress
            self.publicKey = publicKey
        }
    }

    public var cluster: ClusterID
    public var servers: [Server]

    public init(cluster: ClusterID, servers: [Server]) {
        self.cluster = cluster
        self.servers = servers
    }
}

/// Who may change the cluster: the owner of this key. Holds a secret.
public struct OperatorKey: Equatable, Sendable, CustomStringConvertible {
    public var cluster: ClusterID
    public var keys: CurveKeyPair

    public init(cluster: ClusterID, keys: CurveKeyPair) {
        self.cluster = cluster
        self.keys = keys
    }

    /// Without the secret.
    public var description: String { "operator's key \(keys.publicKey) of cluster \(cluster)" }
}

/// A new cluster: what `starling cluster plan` makes.
public struct ClusterPlan: Sendable {
    public let servers: [ServerPlan]
    public let client: ClientPlan
    public let operatorKey: OperatorKey

    /// Makes a cluster id, each server's key pair, and the operator's.
    /// - Throws: if there is no server, or two have one name or one address.
    public init(_ placements: [ServerPlacement]) throws(PlanError) {
        guard !placements.isEmpty else { throw PlanError("--servers", "a cluster needs a server") }
        let cluster = ClusterID(UInt64.random(in: 1 ... .max))
        var planned: [PlannedServer] = []
        var keys: [CurveKeyPair] = []
        for placement in placements {
            let pair: CurveKeyPair
            do { pair = try CurveKeyPair.generate() } catch { throw PlanError("keys", error.description) }
            keys.append(pair)
            planned.append(
                PlannedServer(
                    name: placement.name, peerAddress: placement.peerAddress, clientAddress: placement.clientAddress,
                    httpAddress: placement.httpAddress, publicKey: pair.publicKey))
        }
        if let problem = Self.problem(in: planned) { throw PlanError("--servers", problem) }
        let own: CurveKeyPair
        do { own = try CurveKeyPair.generate() } catch { throw PlanError("keys", error.description) }
        operatorKey = OperatorKey(cluster: cluster, keys: own)
        servers = zip(planned, keys).map {
            ServerPlan(
                cluster: cluster, name: $0.name, keys: $1, servers: planned, operators: [own.publicKey])
        }
        client = ClientPlan(
            cluster: cluster,
            servers: planned.map {
                .init(
                    name: $0.name, clientAddress: $0.clientAddress, httpAddress: $0.httpAddress, publicKey: $0.publicKey
                )
            })
    }

    /// What makes a list of servers impossible; nil if nothing does.
    static func problem(in servers: [PlannedServer]) -> String? {
        var names: [String] = []
        var addresses: [String] = []
        for server in servers {
            if names.contains(server.name) { return "name \(server.name) is there twice" }
            names.append(server.name)
            for address in [server.peerAddress, server.clientAddress, server.httpAddress] {
                if addresses.contains(address) { return "address \(address) is there twice" }
                addresses.append(address)
            }
        }
        return nil
    }
}
