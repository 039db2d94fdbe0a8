import Raft
import ZeroMQ

/// Servers that reach each other directly: at its own door each only receives, and to each peer it has a link by which it only
/// sends. So each message comes over a connection that its sender made and proved its key on.
final class DirectPeerTransport<Carrier: PeerCarrier>: PeerTransport {
    private let carrier: Carrier
    private let limits: TransportLimits
    private let log: (String) -> Void
    private var switchboard: PeerSwitchboard
    /// Same order as the roster's peers. Nil if the member's address or key is of no use.
    private var routes: [PeerRoute<Carrier.Link>?] = []
    /// By the planned peer's name, made when first needed.
    private var introductions: [String: Carrier.Link] = [:]
    private var refreshed = MonotonicTime.zero
    private var watched = MonotonicTime.zero
    private var isClosed = false

    /// - Parameter log: told of dropped frames (at most once a second for each reason) and of members that cannot be connected to.
    init(
        node: NodeID, cluster: ClusterID, carrier: Carrier, limits: TransportLimits = TransportLimits(),
        log: @escaping (String) -> Void
    ) {
        self.carrier = carrier
        self.limits = limits
        self.log = log
        switchboard = PeerSwitchboard(
            cluster: cluster, own: node, outstandingRequestsPerPeer: limits.outstandingRequestsPerPeer,
            firstRequest: .random(in: 1 ... .max), log: log)
    }

    deinit { close() }

    var boundAddress: String { carrier.boundAddress }

    func close() {
        guard !isClosed else { return }
        isClosed = true
        for route in routes { route?.close() }
        for link in introductions.values { link.close() }
        routes = []
        introductions = [:]
        carrier.close()
    }

    // MARK: Members

    func update(members: [Member]) {
        guard !isClosed else { return }
        var old: [NodeID: PeerRoute<Carrier.Link>] = [:]
        for (peer, route) in zip(switchboard.roster.peers, routes) { old[peer.id] = route }
        switchboard.update(members: members)
        routes = switchboard.roster.peers.map { peer in
            let target = PeerTarget(address: peer.address, keys: peer.keys)
            let make = { [self] target in makeLink(to: target, called: "member \(peer.id)") }
            guard let route = old[peer.id] else { return make(target).map(PeerRoute.init) }
            guard route.turn(to: target, make) else { return nil }
            old[peer.id] = nil
            return route
        }
        for route in old.values { route.close() }
        carrier.admit(switchboard.roster.allowedKeys)
    }

    func update(plannedPeers: [PlannedPeer]) {
        guard !isClosed else { return }
        switchboard.update(plannedPeers: plannedPeers)
        for (name, link) in introductions {
            let wanted = plannedPeers.first { $0.name == name }
            if link.target != wanted.map(Self.target) {
                link.close()
                introductions[name] = nil
            }
        }
        carrier.admit(switchboard.roster.allowedKeys)
    }

    private static func target(_ peer: PlannedPeer) -> PeerTarget {
        PeerTarget(address: peer.peerAddress, keys: [peer.publicKey])
    }

    private func makeLink(to target: PeerTarget, called name: String) -> Carrier.Link? {
        do {
            return try carrier.link(to: target)
        } catch {
            log("cannot send to \(name): \(error)")
            return nil
        }
    }

    // MARK: Sending

    func send(_ payload: UnsafeRawBufferPointer, to peer: NodeID, over lane: PeerLane) -> SendOutcome {
        send(switchboard.envelope(.message, to: peer), payload, over: lane)
    }

    func request(
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

    func respond(_ payload: UnsafeRawBufferPointer, to request: IncomingRequest) -> SendOutcome {
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

    func introduce(_ payload: UnsafeRawBufferPointer, to name: String) -> SendOutcome {
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

    var pollItems: [TransportPollItem] { carrier.pollItems }
    var nextDeadline: MonotonicTime? { switchboard.requests.nextDeadline }

    var statistics: TransportStatistics {
        var statistics = switchboard.statistics
        statistics.certificateExpires = carrier.certificateExpires
        return statistics
    }

    @discardableResult
    func receive(now: MonotonicTime, limit: Int, into sink: (PeerEvent) -> Void) throws(TransportFailed) -> Int {
        guard !isClosed else { throw TransportFailed("the transport is closed") }
        try refresh(now: now)
        try tellLosses(now: now, sink)
        let taken = try carrier.receive(limit: limit) { arrived in
            switch arrived {
            case .frame(let bytes, let proof):
                if let event = switchboard.accept(bytes, proof: proof, now: now) { sink(event) }
            case .malformed: switchboard.drop(.malformed, now: now)
            }
        }
        for failure in switchboard.failedRequests(now: now) { sink(failure) }
        return taken
    }

    /// A look at a peer's connection costs a third of a microsecond with ZeroMQ; a busy thread comes by here thousands of times a
    /// second.
    private func tellLosses(now: MonotonicTime, _ sink: (PeerEvent) -> Void) throws(TransportFailed) {
        guard now.since(watched) >= 4_000_000 || watched == .zero else { return }
        watched = now
        for position in routes.indices {
            guard let route = routes[position], try route.takeLoss() else { continue }
            sink(.connectionLost(switchboard.roster.peers[position].id))
        }
    }

    private func refresh(now: MonotonicTime) throws(TransportFailed) {
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
