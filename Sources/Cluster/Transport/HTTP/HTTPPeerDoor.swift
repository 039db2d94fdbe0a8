import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization
import ZeroMQ

/// Where the others connect to this server.
final class HTTPPeerDoor: Sendable {
    struct Refusal: Error, CustomStringConvertible {
        let description: String
    }

    let limits: TransportLimits
    let inbox: HTTPPeerInbox
    private let certificates: PeerCertificates?
    private let tell: RepeatedTelling
    private let admitted = Mutex<Set<CurvePublicKey>>([])
    private let open = Atomic<Int>(0)

    init(
        limits: TransportLimits, inbox: HTTPPeerInbox, certificates: PeerCertificates?, tell: RepeatedTelling
    ) {
        self.limits = limits
        self.inbox = inbox
        self.certificates = certificates
        self.tell = tell
    }

    func admit(_ keys: Set<CurvePublicKey>) { admitted.withLock { $0 = keys } }

    /// Listens at the endpoint; blocks until it does.
    func listen(at endpoint: Endpoint, on group: any EventLoopGroup) throws -> any Channel {
        let host = endpoint.host == "*" ? "0.0.0.0" : endpoint.host
        return try ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 128)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.socketOption(.tcp_nodelay), value: 1)
            .childChannelInitializer { [self] channel in
                channel.eventLoop.makeCompletedFuture { try receive(channel) }
            }
            .bind(host: host, port: Int(endpoint.port)).wait()
    }

    private func receive(_ channel: any Channel) throws {
        guard open.add(1, ordering: .relaxed).newValue <= limits.incomingConnections else {
            open.subtract(1, ordering: .relaxed)
            throw Refusal(description: "\(limits.incomingConnections) connections are open")
        }
        channel.closeFuture.whenComplete { [self] _ in open.subtract(1, ordering: .relaxed) }
        let visitor = HTTPPeerReceiver.Visitor()
        let pipeline = channel.pipeline.syncOperations
        if let certificates {
            let address = channel.remoteAddress?.ipAddress ?? "an unknown address"
            try pipeline.addHandler(
                certificates.serverHandler(
                    onVerified: { visitor.member = $0 },
                    onRefusal: { [tell] reason in tell("refused a peer's connection from \(address): \(reason)") }))
        }
        try pipeline.configureHTTPServerPipeline(withPipeliningAssistance: false)
        try pipeline.addHandler(HTTPPeerReceiver(self, visitor))
    }

    /// What a connection has proved, if whoever made it may come in now.
    func proof(of visitor: HTTPPeerReceiver.Visitor) -> Result<HTTPPeerInbox.Proof, Refusal> {
        guard certificates != nil else { return .success(.notNeeded) }
        guard let member = visitor.member, admitted.withLock({ $0.contains(member) }) else {
            return .failure(Refusal(description: "the certificate is good, but its key is no member's here"))
        }
        return .success(.key(Array(member.z85.utf8)))
    }
}
