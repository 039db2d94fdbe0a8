import Raft
import ZeroMQ

/// Whether peers prove who they are.
public enum PeerSecurity: Sendable {
    /// Plain text, and everybody is believed: for tests and for measuring what encryption costs.
    case none
    /// This server's keys, and the authenticator of the context, whose domain `ZeroMQPeerTransport.domain` this transport
    /// keeps up to date.
    case curve(CurveKeyPair, ZAPAuthenticator)
}

/// Servers over TCP by ZeroMQ. A ROUTER at the peers' door only receives; to each peer two DEALERs, one for each lane, only
/// send. So each message comes over a connection that its sender made and proved its key on.
public final class ZeroMQPeerTransport: PeerTransport {
    /// The authenticator's domain for peers.
    public static let domain = "peers"

    private let context: Context
    private let security: PeerSecurity
    private let limits: TransportLimits
    private let log: (String) -> Void
    private var switchboard: PeerSwitchboard
    private let router: Socket
    /// Same order as the roster's peers. Nil if the member's address or key is of no use.
    private var routes: [PeerRoute?] = []
    /// By the planned peer's name, made when first needed.
    private var introductions: [String: PeerLink] = [:]
    private let identity = Frame()
    private let frame = Frame()
    private var refreshed = MonotonicTime.zero
    private var watched = MonotonicTime.zero
    private var isClosed = false

    /// `host:port` that is listened at, with the port that was chosen for port 0.
    public let boundAddress: String

    /// - Parameters:
    ///   - bindAddress: `host:port` to listen at; may differ from what the members' list says, behind a translation of addresses.
    ///   - log: told of dropped frames (at most once a second for each reason) and of members that cannot be connected to.
    public init(
        node: NodeID, cluster: ClusterID, bindAddress: String, security: PeerSecurity, context: Context,
        limits: TransportLimits = TransportLimits(), log: @escaping (String) -> Void
    ) throws(ZeroMQError) {
        guard let endpoint = Endpoint(bindAddress) else {
            throw ZeroMQError("listen at \(bindAddress), which is not HOST:PORT", code: 22)
        }
        self.context = context
        self.security = security
        self.limits = limits
        self.log = log
        switchboard = PeerSwitchboard(
            cluster: cluster, own: node, outstandingRequestsPerPeer: limits.outstandingRequestsPerPeer,
            firstRequest: .random(in: 1 ... .max), log: log)
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

    deinit { close() }

    /// Breaks all connections. Everything sent afterwards is refused.
    public func close() {
        guard !isClosed else { return }
        isClosed = true
        for route in routes { route?.close() }
        for link in introductions.values { link.close() }
        routes = []
        introductions = [:]
        router.close()
    }

    // MARK: Members

    public func update(members: [Member]) {
        guard !isClosed else { return }
        var old: [NodeID: PeerRoute] = [:]
        for (peer, route) in zip(switchboard.roster.peers, routes) { old[peer.id] = route }
        switchboard.update(members: members)
        routes = switchboard.roster.peers.map { peer in
            let target = PeerLink.Target(address: peer.address, keys: peer.keys)
            let make = { [self] target in makeLink(to: target, called: "member \(peer.id)") }
            guard let route = old[peer.id] else { return make(target).map(PeerRoute.init) }
            guard route.turn(to: target, make) else { return nil }
            old[peer.id] = nil
            return route
        }
        for route in old.values { route.close() }
        updatePolicy()
    }

    public func update(plannedPeers: [PlannedPeer]) {
        guard !isClosed else { return }
        switchboard.update(plannedPeers: plannedPeers)
        for (name, link) in introductions {
            let wanted = plannedPeers.first { $0.name == name }
            if link.target != wanted.map(Self.target) {
                link.close()
                introductions[name] = nil
            }
        }
        updatePolicy()
    }

    private static func target(_ peer: PlannedPeer) -> PeerLink.Target {
        PeerLink.Target(address: peer.peerAddress, keys: [peer.publicKey])
    }

    private func makeLink(to target: PeerLink.Target, called name: String) -> PeerLink? {
        do {
            return try PeerLink(to: target, security: security, context: context, limits: limits)
        } catch {
            log("cannot send to \(name): \(error)")
            return nil
        }
    }

    private func updatePolicy() {
        guard case .curve(_, let authenticator) = security else { return }
        authenticator.setPolicy(.allow(switchboard.roster.allowedKeys), forDomain: Self.domain)
    }

    // MARK: Sending

    public func send(_ payload: UnsafeRawBufferPointer, to peer: NodeID, over lane: PeerLane) -> SendOutcome {
        send(switchboard.envelope(.message, to: peer), payload, over: lane)
    }

    public func request(
        _ payload: UnsafeRawBufferPointer, to peer: NodeID, timeoutMilliseconds: UInt64, now: MonotonicTime
    ) throws(SendRefusal) -> RequestID {
        guard switchboard.roster.position(of: peer) != nil else { throw .unknownPeer }
        let deadline = now.advanced(byMilliseconds: timeoutMilliseconds)
        guard let id = switchboard.beginRequest(to: peer, deadline: deadline) else { throw .tooManyRequests }
        if case .refused(let refusal) = send(
            switchboard.envelope(.request, to: peer, request: id), payload, over: .main)
        {
            switchboard.cancelRequest(id, to: peer)
            throw refusal
        }
        return id
    }

    public func respond(_ payload: UnsafeRawBufferPointer, to request: IncomingRequest) -> SendOutcome {
        send(switchboard.envelope(.response, to: request.from, request: request.id), payload, over: .main)
    }

    private func send(
        _ envelope: PeerEnvelope, _ payload: UnsafeRawBufferPointer, over lane: PeerLane
    ) -> SendOutcome {
        guard !isClosed else { return .refused(.closed) }
        guard payload.count <= limits.maximumMessageBytes else { return .refused(.tooLarge) }
        guard let position = switchboard.roster.position(of: envelope.to) else { return .refused(.unknownPeer) }
        guard let route = routes[position] else { return .refused(.notConnected) }
        let outcome = route.send(envelope, payload, over: lane)
        switchboard.count(outcome, bytes: PeerEnvelope.byteCount + payload.count, toPosition: position)
        return outcome
    }

    public func introduce(_ payload: UnsafeRawBufferPointer, to name: String) -> SendOutcome {
        guard !isClosed else { return .refused(.closed) }
        guard payload.count <= limits.maximumMessageBytes else { return .refused(.tooLarge) }
        if introductions[name] == nil {
            guard let planned = switchboard.roster.planned.first(where: { $0.peer.name == name }) else {
                return .refused(.unknownPeer)
            }
            introductions[name] = makeLink(to: Self.target(planned.peer), called: "server \(name) of the plan")
        }
        let envelope = switchboard.envelope(.introduction, to: NodeID(0))
        return introductions[name]?.send(envelope, payload, over: .main) ?? .refused(.notConnected)
    }

    // MARK: Receiving

    public var pollItems: [TransportPollItem] { [.socket(router)] }
    public var nextDeadline: MonotonicTime? { switchboard.requests.nextDeadline }

    public var statistics: TransportStatistics { switchboard.statistics }

    @discardableResult
    public func receive(
        now: MonotonicTime, limit: Int, into sink: (PeerEvent) -> Void
    ) throws(TransportFailed) -> Int {
        guard !isClosed else { throw TransportFailed("the transport is closed") }
        do throws(ZeroMQError) {
            try refresh(now: now)
            try tellLosses(now: now, sink)
            var taken = 0
            while taken < limit, try router.receive(into: identity) {
                taken += 1
                if let event = try receiveFrame(now: now) { sink(event) }
            }
            for failure in switchboard.failedRequests(now: now) { sink(failure) }
            return taken
        } catch {
            throw TransportFailed(error.description)
        }
    }

    /// Takes the rest of a message whose first frame, the connection's routing id, is in `identity`.
    private func receiveFrame(now: MonotonicTime) throws(ZeroMQError) -> PeerEvent? {
        guard identity.more, try router.receive(into: frame) else {
            switchboard.drop(.malformed, now: now)
            return nil
        }
        guard !frame.more else {
            try router.skipRest(after: frame)
            switchboard.drop(.malformed, now: now)
            return nil
        }
        // The event's pointer is into `frame`, which is not received into before the sink has returned.
        let proof =
            switch security {
            case .none: PeerProof.notNeeded
            case .curve: PeerProof.userID(of: frame)
            }
        return frame.withUnsafeBytes { switchboard.accept($0, proof: proof, now: now) }
    }

    /// A look at each peer's monitor costs a third of a microsecond; a busy thread comes by here thousands of times a second.
    private func tellLosses(now: MonotonicTime, _ sink: (PeerEvent) -> Void) throws(ZeroMQError) {
        guard now.since(watched) >= 4_000_000 || watched == .zero else { return }
        watched = now
        for position in routes.indices {
            guard let route = routes[position], try route.takeLoss() else { continue }
            sink(.connectionLost(switchboard.roster.peers[position].id))
        }
    }

    private func refresh(now: MonotonicTime) throws(ZeroMQError) {
        guard now.since(refreshed) >= 100_000_000 || refreshed == .zero else { return }
        refreshed = now
        for position in routes.indices {
            guard let route = routes[position] else { continue }
            let isConnected = try route.refresh()
            switchboard.setConnected(isConnected, queuedBytes: route.queuedBytes, atPosition: position)
        }
        for link in introductions.values { _ = try link.refresh() }
    }
}
