import ClientProtocol
import ZeroMQ

/// Where a server listens for clients, and its key.
public struct ServerEndpoint: Hashable, Sendable, CustomStringConvertible {
    public var address: Endpoint
    /// With a key the connection is encrypted, and made to nobody but its owner. Nil: in the clear.
    public var publicKey: CurvePublicKey?

    public init(_ address: Endpoint, publicKey: CurvePublicKey? = nil) {
        self.address = address
        self.publicKey = publicKey
    }

    /// Nil unless the text is `HOST:PORT`.
    public init?(_ text: String, publicKey: CurvePublicKey? = nil) {
        guard let address = Endpoint(text) else { return nil }
        self.init(address, publicKey: publicKey)
    }

    public var description: String { address.description }
}

extension ServerEndpoint: ExpressibleByStringLiteral {
    /// - Precondition: the literal is `HOST:PORT`.
    public init(stringLiteral text: String) {
        guard let address = Endpoint(text) else { preconditionFailure("\"\(text)\" is not HOST:PORT") }
        self.init(address)
    }
}

/// The servers that a client may use: those it was given, then those that servers named.
struct ServerList: Sendable {
    private(set) var servers: [ServerEndpoint]
    private var index: Int

    /// - Precondition: `servers` is not empty.
    init(_ servers: [ServerEndpoint], startingAt index: Int) {
        self.servers = servers
        self.index = index % servers.count
    }

    var current: ServerEndpoint { servers[index] }
    var count: Int { servers.count }

    mutating func advance() { index = (index + 1) % servers.count }

    /// Adds what a server says of the others. A server that is known stays as it is: nobody takes a key away or changes
    /// it. Over an encrypted connection nothing is learnt that would lead to an unencrypted one.
    mutating func learn(_ named: [Welcome.Server], encrypted: Bool) {
        for server in named {
            guard let address = Endpoint(server.clientAddress), address.port != 0, address.host != "*",
                address.host != "0.0.0.0", !servers.contains(where: { $0.address == address }),
                servers.count < FrameLimits.servers
            else { continue }
            let key = CurvePublicKey(bytes: server.publicKey)
            if encrypted, key == nil { continue }
            servers.append(ServerEndpoint(address, publicKey: key))
        }
    }
}
