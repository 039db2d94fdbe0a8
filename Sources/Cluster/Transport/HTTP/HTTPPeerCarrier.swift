import Certificates
import NIOCore
import NIOPosix
import Raft
import ZeroMQ

typealias HTTPPeerTransport = DirectPeerTransport<HTTPPeerCarrier>

/// Servers over HTTP/1.1, with TLS in which both sides show certificates. To each peer there is a POST for each lane whose body
/// never ends; frames are in it one behind the other: docs/formats/peer-envelope.md. One thread serves all connections.
final class HTTPPeerCarrier: PeerCarrier {
    private let limits: TransportLimits
    private let group: MultiThreadedEventLoopGroup
    private let inbox: HTTPPeerInbox
    private let door: HTTPPeerDoor
    private let listener: any Channel
    private let certificates: PeerCertificates?
    private let tell: RepeatedTelling
    private var isClosed = false

    let boundAddress: String

    /// Listens.
    /// - Parameters:
    ///   - bindAddress: `host:port` to listen at; may differ from what the members' list says, behind a translation of addresses.
    ///   - tell: told what an operator may want to read, from any thread.
    init(
        bindAddress: String, security: HTTPPeerSecurity, limits: TransportLimits = TransportLimits(),
        tell: @escaping @Sendable (LogLevel, String) -> Void
    ) throws {
        guard let endpoint = Endpoint(bindAddress) else {
            throw TransportFailed("cannot listen at \(bindAddress), which is not HOST:PORT")
        }
        self.limits = limits
        self.tell = RepeatedTelling { tell(.warning, $0) }
        switch security {
        case .none: certificates = nil
        case .tls(let files, let member): certificates = try PeerCertificates(files, member: member, tell: tell)
        }
        inbox = try HTTPPeerInbox(limitPerConnection: Int(limits.receivedMessagesPerConnection))
        door = HTTPPeerDoor(limits: limits, inbox: inbox, certificates: certificates, tell: self.tell)
        group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        do {
            listener = try door.listen(at: endpoint, on: group)
        } catch {
            try? group.syncShutdownGracefully()
            throw error
        }
        guard let address = listener.localAddress, let host = address.ipAddress, let port = address.port else {
            try? group.syncShutdownGracefully()
            throw TransportFailed("the address that is listened at is not known")
        }
        boundAddress = "\(host):\(port)"
        if let certificates {
            group.next().scheduleRepeatedTask(initialDelay: .seconds(1), delay: .seconds(1)) { _ in
                certificates.renew()
            }
        }
    }

    func close() {
        guard !isClosed else { return }
        isClosed = true
        try? listener.close().wait()
        certificates?.close()
        try? group.syncShutdownGracefully()
    }

    func admit(_ keys: Set<CurvePublicKey>) { door.admit(keys) }

    func link(to target: PeerTarget) throws(TransportFailed) -> HTTPPeerLink {
        guard let endpoint = Endpoint(target.address) else {
            throw TransportFailed("cannot connect to \(target.address), which is not HOST:PORT")
        }
        guard certificates == nil || !target.keys.isEmpty else {
            throw TransportFailed("no key is known of the server at \(target.address)")
        }
        let main = lane(
            HTTPPeerPath.main, to: endpoint, target,
            room: .init(messages: limits.queuedMessagesPerPeer, bytes: limits.queuedBytesPerPeer))
        let bulk = lane(
            HTTPPeerPath.bulk, to: endpoint, target,
            room: .init(messages: limits.bulkQueuedMessagesPerPeer, bytes: limits.bulkQueuedBytesPerPeer))
        return HTTPPeerLink(to: target, main: main, bulk: bulk)
    }

    private func lane(
        _ path: String, to endpoint: Endpoint, _ target: PeerTarget, room: HTTPPeerLane.Room
    ) -> HTTPPeerLane {
        let tell: @Sendable (String) -> Void = { [tell] reason in
            tell("cannot send to the server at \(endpoint): \(reason)")
        }
        let keys = target.keys
        var makeTLS: (@Sendable () throws -> any ChannelHandler)?
        if let certificates {
            makeTLS = { try certificates.clientHandler(expecting: keys, onRefusal: tell) }
        }
        return HTTPPeerLane(
            path: path, to: endpoint, room: room, limits: limits, on: group.next(), makeTLS: makeTLS, tell: tell)
    }

    var pollItems: [TransportPollItem] { [.fileDescriptor(inbox.waker.fileDescriptor)] }
    var certificateExpires: UInt64? { certificates?.expires }

    func receive(limit: Int, into sink: (ArrivedFrame) -> Void) -> Int { inbox.take(limit: limit, into: sink) }
}
