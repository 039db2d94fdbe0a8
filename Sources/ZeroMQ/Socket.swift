import CZeroMQ

/// A libzmq socket. It belongs to one thread: the compiler sees to it, since the type is not `Sendable`; a socket may be
/// made on one thread and sent to another before its first use.
///
/// Treat what goes through it as lossy: a connection that breaks loses what was under way, in both directions.
public final class Socket {
    public enum Kind: Int32, Sendable {
        case pair = 0
        case publish = 1
        case subscribe = 2
        case request = 3
        case reply = 4
        case dealer = 5
        case router = 6
        case pull = 7
        case push = 8
        case xpublish = 9
        case xsubscribe = 10
        case stream = 11
    }

    /// What became of a message that was to be sent without waiting.
    public enum SendResult: Equatable, Sendable {
        /// libzmq has it. That says nothing of its arrival.
        case sent
        /// Not taken: the high-water mark is reached, or nobody is connected to whom it could go.
        case wouldBlock
        /// Not taken: a ROUTER (with `.routerMandatory(true)`) has no connection of that routing id.
        case unroutable
        /// Not taken: it would go beyond the `ByteBudget`.
        case overBudget
    }

    public let kind: Kind
    /// Keeps the context alive as long as the socket.
    public let context: Context
    /// Nil once closed.
    @usableFromInline private(set) var handle: UnsafeMutableRawPointer?

    public init(_ kind: Kind, in context: Context) throws(ZeroMQError) {
        guard let made = zmq_socket(context.pointer, kind.rawValue) else { throw .last("make a \(kind) socket") }
        self.kind = kind
        self.context = context
        handle = made
    }

    deinit { close() }

    /// Closes the socket; what it still has to send is dropped, or sent within the linger time. Later calls on it fail.
    public func close() {
        if let handle { zmq_close(handle) }
        handle = nil
    }

    // MARK: Addresses

    /// - Parameter endpoint: `tcp://IPV4:PORT` (`*` for every interface, port 0 or `*` for any free one), `inproc://NAME`,
    ///   `ipc://PATH`. Binding takes no host names: see `Endpoint`.
    public func bind(to endpoint: String) throws(ZeroMQError) {
        guard zmq_bind(handle, endpoint) == 0 else { throw .last("bind to \(endpoint)") }
    }

    /// Begins to connect, and to connect again whenever the connection breaks. Fails only for a malformed endpoint.
    public func connect(to endpoint: String) throws(ZeroMQError) {
        guard zmq_connect(handle, endpoint) == 0 else { throw .last("connect to \(endpoint)") }
    }

    public func unbind(from endpoint: String) throws(ZeroMQError) {
        guard zmq_unbind(handle, endpoint) == 0 else { throw .last("unbind from \(endpoint)") }
    }

    public func disconnect(from endpoint: String) throws(ZeroMQError) {
        guard zmq_disconnect(handle, endpoint) == 0 else { throw .last("disconnect from \(endpoint)") }
    }

    /// The endpoint last bound or connected to, with the port that was chosen for port 0.
    public var lastEndpoint: String {
        get throws(ZeroMQError) {
            var text = [UInt8](repeating: 0, count: 1024)
            var size = text.count
            guard zmq_getsockopt(handle, ZMQ_LAST_ENDPOINT, &text, &size) == 0 else { throw .last("read the endpoint") }
            return String(decoding: text.prefix(max(0, size - 1)), as: UTF8.self)
        }
    }

    /// What can be done now without waiting. Also lets the socket digest news of its connections: a socket that is seldom
    /// used must be asked now and then, or the news pile up.
    public var readiness: Readiness {
        get throws(ZeroMQError) {
            var events: Int32 = 0
            var size = MemoryLayout<Int32>.size
            while zmq_getsockopt(handle, ZMQ_EVENTS, &events, &size) == -1 {
                guard zmq_errno() == EINTR else { throw .last("ask a socket for its events") }
            }
            return Readiness(rawValue: Int16(truncatingIfNeeded: events))
        }
    }

    // MARK: Receiving

    /// Receives one frame into an object, whose earlier contents are given back.
    /// - Parameter wait: waits for a frame (at most the receive timeout) instead of returning at once.
    /// - Returns: false when there is none.
    @inlinable
    public func receive(into frame: Frame, wait: Bool = false) throws(ZeroMQError) -> Bool {
        while zmq_msg_recv(frame.pointer, handle, wait ? 0 : ZMQ_DONTWAIT) == -1 {
            let code = zmq_errno()
            if code == EINTR { continue }
            guard code == EAGAIN else { throw ZeroMQError("receive", code: code) }
            return false
        }
        return true
    }

    /// Receives a whole message as frames of its own memory. Convenient, not fast.
    public func receiveFrames(wait: Bool = false) throws(ZeroMQError) -> [[UInt8]]? {
        let frame = Frame()
        guard try receive(into: frame, wait: wait) else { return nil }
        var frames = [frame.bytes]
        while frame.more, try receive(into: frame) { frames.append(frame.bytes) }
        return frames
    }

    /// Drops the rest of a message of which `frame` holds a part, so that the next receive begins a new one.
    public func skipRest(after frame: Frame) throws(ZeroMQError) {
        while frame.more, try receive(into: frame) {}
    }

    // MARK: Sending

    /// Copies the bytes into a frame and sends it without waiting.
    /// - Parameter more: the message goes on in another frame. Once its first frame was taken, libzmq takes the others; if
    ///   the connection breaks in between, it drops them all and says `wouldBlock` or nothing: the message is then lost.
    public func send(_ bytes: UnsafeRawBufferPointer, more: Bool = false) throws(ZeroMQError) -> SendResult {
        try send(bytes.baseAddress, bytes.count, more: more)
    }

    public func send(_ bytes: [UInt8], more: Bool = false) throws(ZeroMQError) -> SendResult {
        try send(bytes, bytes.count, more: more)
    }

    private func send(_ base: UnsafeRawPointer?, _ count: Int, more: Bool) throws(ZeroMQError) -> SendResult {
        let flags = more ? ZMQ_DONTWAIT | ZMQ_SNDMORE : ZMQ_DONTWAIT
        while zmq_send(handle, base, count, flags) == -1 {
            let code = zmq_errno()
            if code == EINTR { continue }
            return try refusal(code)
        }
        return .sent
    }

    /// Sends a message of several frames, all or none.
    public func send(frames: [[UInt8]]) throws(ZeroMQError) -> SendResult {
        for (position, frame) in frames.enumerated() {
            let result = try send(frame, more: position + 1 < frames.count)
            guard result == .sent else { return result }
        }
        return .sent
    }

    /// Sends a frame whose bytes are written in place, and whose size counts in a budget until libzmq lets go of it: when
    /// it is on its way to the kernel, or was dropped with its connection.
    /// - Parameter fill: writes all `count` bytes.
    public func send(
        count: Int, within budget: ByteBudget, fill: (UnsafeMutableRawBufferPointer) -> Void
    ) throws(ZeroMQError) -> SendResult {
        guard budget.reserve(count) else { return .overBudget }
        var frame = zmq_msg_t()
        guard budget.makeFrame(count, &frame, fill) else { throw .last("make a frame of \(count) bytes") }
        while zmq_msg_send(&frame, handle, ZMQ_DONTWAIT) == -1 {
            let code = zmq_errno()
            if code == EINTR { continue }
            zmq_msg_close(&frame)  // Gives the budget back.
            return try refusal(code)
        }
        return .sent
    }

    private func refusal(_ code: Int32) throws(ZeroMQError) -> SendResult {
        switch code {
        case EAGAIN: return .wouldBlock
        case EHOSTUNREACH: return .unroutable
        default: throw ZeroMQError("send", code: code)
        }
    }
}

@available(*, unavailable)
extension Socket: Sendable {}
