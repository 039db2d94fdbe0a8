import ZeroMQ

/// The way to one peer by ZeroMQ: for each lane a DEALER, two while the peer's key is being changed.
final class ZeroMQPeerLink: PeerLink {
    /// A socket's connection, as its monitor tells.
    private struct Watch {
        let monitor: SocketMonitor
        var isReady = false
    }

    private struct Lane {
        var sockets: [Socket]
        /// Of the main lane only, in the order of its sockets.
        var watches: [Watch] = []
        let budget: ByteBudget
        /// Which socket took the last message: while a key is changed only one of two can connect.
        var preferred = 0
    }

    let target: PeerTarget
    private var main: Lane
    private var bulk: Lane

    init(
        to target: PeerTarget, security: PeerSecurity, context: Context, limits: TransportLimits
    ) throws(ZeroMQError) {
        self.target = target
        func lane(_ messages: Int32, _ bytes: Int, isWatched: Bool) throws(ZeroMQError) -> Lane {
            var lane = Lane(sockets: [], budget: ByteBudget(limit: bytes))
            func add(_ option: SocketOption?) throws(ZeroMQError) {
                let socket = try Self.socket(option, messages, context, limits)
                // Before it connects, or the first news would be missed.
                if isWatched { lane.watches.append(Watch(monitor: try SocketMonitor(of: socket, for: .connections))) }
                try Self.connect(socket, target.address)
                lane.sockets.append(socket)
            }
            switch security {
            case .none: try add(nil)
            case .curve(let keys, _):
                for key in target.keys { try add(.curveClient(keys, server: key)) }
            }
            return lane
        }
        main = try lane(limits.queuedMessagesPerPeer, limits.queuedBytesPerPeer, isWatched: true)
        bulk = try lane(limits.bulkQueuedMessagesPerPeer, limits.bulkQueuedBytesPerPeer, isWatched: false)
    }

    private static func connect(_ socket: Socket, _ address: String) throws(ZeroMQError) {
        guard let endpoint = Endpoint(address) else {
            throw ZeroMQError("connect to \(address), which is not HOST:PORT", code: invalidArgument)
        }
        try socket.connect(to: endpoint.tcp)
    }

    private static func socket(
        _ security: SocketOption?, _ messages: Int32, _ context: Context, _ limits: TransportLimits
    ) throws(ZeroMQError) -> Socket {
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

    var isConnected: Bool { main.watches.contains { $0.isReady } }

    var queuedBytes: Int { main.budget.used + bulk.budget.used }

    func refresh() throws(TransportFailed) -> Bool {
        do throws(ZeroMQError) {
            var isConnected = false
            for socket in main.sockets { if try socket.readiness.contains(.writable) { isConnected = true } }
            for socket in bulk.sockets { _ = try socket.readiness }
            return isConnected || main.budget.used > 0
        } catch {
            throw TransportFailed(error.description)
        }
    }

    func takeLoss() throws(TransportFailed) -> Bool {
        do throws(ZeroMQError) {
            return try hearNews() && !isConnected
        } catch {
            throw TransportFailed(error.description)
        }
    }

    /// - Returns: whether a connection broke since the last call.
    private func hearNews() throws(ZeroMQError) -> Bool {
        var hasLost = false
        for i in main.watches.indices {
            while let (event, _) = try main.watches[i].monitor.next() {
                switch event {
                case .ready: main.watches[i].isReady = true
                case .disconnected where main.watches[i].isReady:
                    main.watches[i].isReady = false
                    hasLost = true
                case .connected, .accepted, .disconnected, .handshakeFailed, .other: break
                }
            }
        }
        return hasLost
    }

    func close() {
        for watch in main.watches { watch.monitor.close() }
        for socket in main.sockets + bulk.sockets { socket.close() }
    }
}

/// EINVAL, without a C library to import for it.
private let invalidArgument: Int32 = 22
