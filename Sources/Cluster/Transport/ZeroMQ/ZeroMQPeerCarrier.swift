import Raft
import ZeroMQ

/// Whether peers prove who they are.
enum PeerSecurity {
    /// Plain text, and everybody is believed: for tests and for measuring what encryption costs.
    case none
    /// This server's keys, and the authenticator of the context, whose domain `ZeroMQPeerCarrier.domain` the carrier keeps up to
    /// date.
    case curve(CurveKeyPair, ZAPAuthenticator)
}

typealias ZeroMQPeerTransport = DirectPeerTransport<ZeroMQPeerCarrier>

/// Servers over TCP by ZeroMQ: a ROUTER at the peers' door, and to each peer two DEALERs, one for each lane.
final class ZeroMQPeerCarrier: PeerCarrier {
    /// The authenticator's domain for peers.
    static let domain = "peers"

    private let context: Context
    private let security: PeerSecurity
    private let limits: TransportLimits
    private let router: Socket
    private let identity = Frame()
    private let frame = Frame()

    let boundAddress: String

    /// - Parameter bindAddress: `host:port` to listen at; may differ from what the members' list says, behind a translation of
    ///   addresses.
    init(
        bindAddress: String, security: PeerSecurity, context: Context, limits: TransportLimits = TransportLimits()
    ) throws(ZeroMQError) {
        guard let endpoint = Endpoint(bindAddress) else {
            throw ZeroMQError("listen at \(bindAddress), which is not HOST:PORT", code: 22)
        }
        self.context = context
        self.security = security
        self.limits = limits
        router = try Socket(.router, in: context)
        try router.set(
            .linger(milliseconds: 0), .sendHighWaterMark(1),
            .receiveHighWaterMark(limits.receivedMessagesPerConnection),
            .maximumMessageSize(Int64(limits.maximumMessageBytes + PeerEnvelope.byteCount)), .backlog(128),
            .heartbeat(
                intervalMilliseconds: limits.heartbeatMilliseconds,
                timeoutMilliseconds: limits.heartbeatTimeoutMilliseconds),
            .handshakeTimeout(milliseconds: limits.handshakeTimeoutMilliseconds),
            .tcpKeepAlive(idleSeconds: 10, intervalSeconds: 5, count: 3))
        if case .curve(let keys, let authenticator) = security {
            authenticator.setPolicy(.allow([]), forDomain: Self.domain)
            try router.set(.curveServer(keys, domain: Self.domain))
        }
        try router.bind(to: try endpoint.tcpForBinding())
        boundAddress = String(try router.lastEndpoint.dropFirst("tcp://".count))
    }

    func close() { router.close() }

    func admit(_ keys: Set<CurvePublicKey>) {
        guard case .curve(_, let authenticator) = security else { return }
        authenticator.setPolicy(.allow(keys), forDomain: Self.domain)
    }

    func link(to target: PeerTarget) throws(TransportFailed) -> ZeroMQPeerLink {
        do throws(ZeroMQError) {
            return try ZeroMQPeerLink(to: target, security: security, context: context, limits: limits)
        } catch {
            throw TransportFailed(error.description)
        }
    }

    var pollItems: [TransportPollItem] { [.socket(router)] }
    /// CURVE's keys do not expire.
    var certificateExpires: UInt64? { nil }

    func receive(limit: Int, into sink: (ArrivedFrame) -> Void) throws(TransportFailed) -> Int {
        do throws(ZeroMQError) {
            var taken = 0
            while taken < limit, try router.receive(into: identity) {
                taken += 1
                try receiveFrame(sink)
            }
            return taken
        } catch {
            throw TransportFailed(error.description)
        }
    }

    /// Takes the rest of a message whose first frame, the connection's routing id, is in `identity`.
    private func receiveFrame(_ sink: (ArrivedFrame) -> Void) throws(ZeroMQError) {
        guard identity.more, try router.receive(into: frame) else { return sink(.malformed) }
        guard !frame.more else {
            try router.skipRest(after: frame)
            return sink(.malformed)
        }
        let proof =
            switch security {
            case .none: PeerProof.notNeeded
            case .curve: PeerProof.userID(of: frame)
            }
        frame.withUnsafeBytes { sink(.frame($0, proof)) }
    }
}
