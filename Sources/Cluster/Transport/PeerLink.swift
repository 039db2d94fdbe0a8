import ZeroMQ

/// The way to one peer: for each lane a DEALER, two while the peer's key is being changed. Messages go out here and nothing
/// ever comes back: what the peer has to say comes by its own DEALERs to our ROUTER, authenticated as the peer.
final class PeerLink {
    /// Everything that, when it changes, needs new connections.
    struct Target: Equatable {
        var address: String
        /// Empty without security.
        var keys: [CurvePublicKey]
    }

    private struct Lane {
        var sockets: [Socket]
        let budget: ByteBudget
        /// Which socket took the last message: while a key is changed only one of two can connect.
        var preferred = 0
    }

    let target: Target
    private var main: Lane
    private var bulk: Lane

    init(
        to target: Target, security: PeerSecurity, context: Context, limits: TransportLimits
    ) throws(ZeroMQError) {
        self.target = target
        func lane(_ messages: Int32, _ bytes: Int) throws(ZeroMQError) -> Lane {
            var sockets: [Socket] = []
            switch security {
            case .none: sockets.append(try Self.connect(target.address, nil, messages, context, limits))
            case .curve(let keys, _):
                for key in target.keys {
                    let option = SocketOption.curveClient(keys, server: key)
                    sockets.append(try Self.connect(target.address, option, messages, context, limits))
                }
            }
            return Lane(sockets: sockets, budget: ByteBudget(limit: bytes))
        }
        main = try lane(limits.queuedMessagesPerPeer, limits.queuedBytesPerPeer)
        bulk = try lane(limits.bulkQueuedMessagesPerPeer, limits.bulkQueuedBytesPerPeer)
    }

    private static func connect(
        _ address: String, _ security: SocketOption?, _ messages: Int32, _ context: Context, _ limits: TransportLimits
    ) throws(ZeroMQError) -> Socket {
        guard let endpoint = Endpoint(address) else {
            throw ZeroMQError("connect to \(address), which is not HOST:PORT", code: invalidArgument)
        }
        let socket = try Socket(.dealer, in: context)
        // `immediate`: what could only go to a peer that is away is refused, not kept for its return. No routing id is set, so
        // that a ROUTER never takes a new connection for an old one.
        try socket.set(
            .linger(milliseconds: 0), .immediate(true), .sendHighWaterMark(messages), .receiveHighWaterMark(1),
            .maximumMessageSize(0x1000),
            .heartbeat(
                intervalMilliseconds: limits.heartbeatMilliseconds,
                timeoutMilliseconds: limits.heartbeatTimeoutMilliseconds),
            .reconnectInterval(
                milliseconds: limits.reconnectMilliseconds, maximumMilliseconds: limits.maximumReconnectMilliseconds),
            .connectTimeout(milliseconds: limits.connectTimeoutMilliseconds),
            .handshakeTimeout(milliseconds: limits.handshakeTimeoutMilliseconds),
            .tcpKeepAlive(idleSeconds: 10, intervalSeconds: 5, count: 3))
        if let security { try socket.set(security) }
        try socket.connect(to: endpoint.tcp)
        return socket
    }

    func send(
        _ envelope: PeerEnvelope, _ payload: UnsafeRawBufferPointer, over lane: PeerLane
    ) -> SendOutcome {
        switch lane {
        case .main: Self.send(envelope, payload, &main)
        case .bulk: Self.send(envelope, payload, &bulk)
        }
    }

    private static func send(
        _ envelope: PeerEnvelope, _ payload: UnsafeRawBufferPointer, _ lane: inout Lane
    ) -> SendOutcome {
        for step in lane.sockets.indices {
            let index = (lane.preferred + step) % lane.sockets.count
            guard
                let result = try? lane.sockets[index].send(
                    count: PeerEnvelope.byteCount + payload.count, within: lane.budget,
                    fill: { envelope.write(to: $0, followedBy: payload) })
            else { return .refused(.closed) }
            switch result {
            case .sent:
                lane.preferred = index
                return .sent
            case .overBudget: return .refused(.queueFull)
            case .wouldBlock, .unroutable: continue
            }
        }
        // libzmq does not say which of the two it was; it drops what waits when a connection breaks.
        return .refused(lane.budget.used > 0 ? .queueFull : .notConnected)
    }

    var queuedBytes: Int { main.budget.used + bulk.budget.used }

    /// Lets the sockets digest the news of their connections, also those that nothing is sent by.
    /// - Returns: whether a connection stands that has room.
    func refresh() throws(ZeroMQError) -> Bool {
        var isConnected = false
        for socket in main.sockets { if try socket.readiness.contains(.writable) { isConnected = true } }
        for socket in bulk.sockets { _ = try socket.readiness }
        return isConnected || main.budget.used > 0
    }

    /// Drops what waits and breaks the connections.
    func close() {
        for socket in main.sockets + bulk.sockets { socket.close() }
    }
}

/// EINVAL, without a C library to import for it.
private let invalidArgument: Int32 = 22
