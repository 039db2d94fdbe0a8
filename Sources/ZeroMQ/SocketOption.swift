import CZeroMQ

/// A setting of a socket. Most must be set before `bind` or `connect`.
public enum SocketOption: Sendable {
    /// How long what is still to be sent outlives `close`, in milliseconds; -1 for ever.
    case linger(milliseconds: Int32)
    /// Messages queued per connection, outgoing. libzmq's 0 is "no limit": do not use it.
    case sendHighWaterMark(Int32)
    /// Messages queued per connection, incoming.
    case receiveHighWaterMark(Int32)
    /// A peer that sends a bigger frame, in bytes, is disconnected. -1 is no limit.
    case maximumMessageSize(Int64)
    /// Pings a silent connection, and breaks it when nothing comes back in time.
    case heartbeat(intervalMilliseconds: Int32, timeoutMilliseconds: Int32)
    /// Pause before connecting again; it doubles up to the maximum.
    case reconnectInterval(milliseconds: Int32, maximumMilliseconds: Int32)
    /// How long one attempt to connect may take.
    case connectTimeout(milliseconds: Int32)
    /// How long the handshake of a new connection may take.
    case handshakeTimeout(milliseconds: Int32)
    case tcpKeepAlive(idleSeconds: Int32, intervalSeconds: Int32, count: Int32)
    /// Connections that the kernel holds until they are accepted.
    case backlog(Int32)
    /// Longest wait of a waiting send, in milliseconds; -1 for ever.
    case sendTimeout(milliseconds: Int32)
    case receiveTimeout(milliseconds: Int32)
    /// A ROUTER says `unroutable` for an unknown routing id instead of dropping the message in silence.
    case routerMandatory(Bool)
    /// A ROUTER gives the routing id to whoever comes with it last, instead of ignoring the newcomer.
    case routerHandover(Bool)
    /// Queues only to connections that stand, so that nothing stale waits for a dead peer.
    case immediate(Bool)
    /// 1 to 255 bytes, not beginning with 0.
    case routingID([UInt8])
    case subscribe([UInt8])
    case unsubscribe([UInt8])
    /// Server's side of CURVE. Who may connect is the `ZAPAuthenticator`'s decision by the socket's domain: set both.
    case curveServer(CurveKeyPair, domain: String)
    /// Client's side of CURVE: talks to nobody but the owner of the server's key.
    case curveClient(CurveKeyPair, server: CurvePublicKey)
}

extension Socket {
    public func set(_ options: SocketOption...) throws(ZeroMQError) {
        for option in options { try set(option) }
    }

    public func set(_ option: SocketOption) throws(ZeroMQError) {
        switch option {
        case .linger(let value): try set(ZMQ_LINGER, value)
        case .sendHighWaterMark(let value): try set(ZMQ_SNDHWM, value)
        case .receiveHighWaterMark(let value): try set(ZMQ_RCVHWM, value)
        case .maximumMessageSize(let value): try set(ZMQ_MAXMSGSIZE, value)
        case .heartbeat(let interval, let timeout):
            try set(ZMQ_HEARTBEAT_IVL, interval)
            try set(ZMQ_HEARTBEAT_TIMEOUT, timeout)
            try set(ZMQ_HEARTBEAT_TTL, interval &+ timeout)
        case .reconnectInterval(let value, let maximum):
            try set(ZMQ_RECONNECT_IVL, value)
            try set(ZMQ_RECONNECT_IVL_MAX, maximum)
        case .connectTimeout(let value): try set(ZMQ_CONNECT_TIMEOUT, value)
        case .handshakeTimeout(let value): try set(ZMQ_HANDSHAKE_IVL, value)
        case .tcpKeepAlive(let idle, let interval, let count):
            try set(ZMQ_TCP_KEEPALIVE, Int32(1))
            try set(ZMQ_TCP_KEEPALIVE_IDLE, idle)
            try set(ZMQ_TCP_KEEPALIVE_INTVL, interval)
            try set(ZMQ_TCP_KEEPALIVE_CNT, count)
        case .backlog(let value): try set(ZMQ_BACKLOG, value)
        case .sendTimeout(let value): try set(ZMQ_SNDTIMEO, value)
        case .receiveTimeout(let value): try set(ZMQ_RCVTIMEO, value)
        case .routerMandatory(let value): try set(ZMQ_ROUTER_MANDATORY, Int32(value ? 1 : 0))
        case .routerHandover(let value): try set(ZMQ_ROUTER_HANDOVER, Int32(value ? 1 : 0))
        case .immediate(let value): try set(ZMQ_IMMEDIATE, Int32(value ? 1 : 0))
        case .routingID(let bytes): try set(ZMQ_ROUTING_ID, bytes)
        case .subscribe(let prefix): try set(ZMQ_SUBSCRIBE, prefix)
        case .unsubscribe(let prefix): try set(ZMQ_UNSUBSCRIBE, prefix)
        case .curveServer(let keys, let domain):
            try set(ZMQ_CURVE_SERVER, Int32(1))
            try set(ZMQ_CURVE_SECRETKEY, keys.secretKey)
            try set(ZMQ_ZAP_DOMAIN, Array(domain.utf8))
        case .curveClient(let keys, let server):
            try set(ZMQ_CURVE_SERVERKEY, server.bytes)
            try set(ZMQ_CURVE_PUBLICKEY, keys.publicKey.bytes)
            try set(ZMQ_CURVE_SECRETKEY, keys.secretKey)
        }
    }

    private func set<Value: FixedWidthInteger>(_ option: Int32, _ value: Value) throws(ZeroMQError) {
        var value = value
        guard zmq_setsockopt(handle, option, &value, MemoryLayout<Value>.size) == 0 else {
            throw .last("set socket option \(option) to \(value)")
        }
    }

    /// The value is not named in the error: it may be a secret.
    private func set(_ option: Int32, _ value: [UInt8]) throws(ZeroMQError) {
        guard zmq_setsockopt(handle, option, value, value.count) == 0 else {
            throw .last("set socket option \(option) to \(value.count) bytes")
        }
    }
}
