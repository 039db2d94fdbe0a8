import FoundationEssentials
import ZeroMQ

/// The file that `starling cluster plan` writes for clients: the servers and their keys. It holds no secret.
///
///     {"cluster": "16 hex digits",
///      "servers": [{"name": "a", "client": "HOST:PORT", "http": "HOST:PORT", "publicKey": "Z85, 40 characters"}]}
public struct ClientFile: Equatable, Sendable {
    public struct Server: Equatable, Sendable {
        public var name: String
        public var endpoint: ServerEndpoint
        public var http: String
    }

    /// What is wrong with a client file, in a sentence.
    public struct Invalid: Error, Equatable, Sendable, CustomStringConvertible {
        public var description: String
    }

    public var cluster: UInt64
    /// At least one.
    public var servers: [Server]

    public init(json: [UInt8]) throws(Invalid) {
        let shape: Shape
        do {
            shape = try JSONDecoder().decode(Shape.self, from: Data(json))
        } catch {
            throw Invalid(description: "the client file is not the JSON that cluster plan writes: \(error)")
        }
        guard shape.cluster.utf8.count == 16, let cluster = UInt64(shape.cluster, radix: 16) else {
            throw Invalid(description: "cluster \"\(shape.cluster)\" in the client file is not 16 hex digits")
        }
        guard !shape.servers.isEmpty else { throw Invalid(description: "the client file names no server") }
        self.cluster = cluster
        servers = []
        for server in shape.servers { servers.append(try Server(server)) }
    }

    public var endpoints: [ServerEndpoint] { servers.map(\.endpoint) }

    fileprivate struct Shape: Decodable {
        struct Server: Decodable {
            var name: String
            var client: String
            var http: String?
            var publicKey: String?
        }
        var cluster: String
        var servers: [Server]
    }
}

extension ClientFile.Server {
    fileprivate init(_ shape: ClientFile.Shape.Server) throws(ClientFile.Invalid) {
        var key: CurvePublicKey?
        if let text = shape.publicKey, !text.isEmpty {
            key = CurvePublicKey(z85: text)
            // A key that cannot be read must not become "no encryption".
            guard key != nil else {
                throw ClientFile.Invalid(
                    description: "the public key of server \(shape.name) is not 40 characters of Z85")
            }
        }
        guard let endpoint = ServerEndpoint(shape.client, publicKey: key) else {
            throw ClientFile.Invalid(
                description: "client address \"\(shape.client)\" of server \(shape.name) is not HOST:PORT")
        }
        self.init(name: shape.name, endpoint: endpoint, http: shape.http ?? "")
    }
}
