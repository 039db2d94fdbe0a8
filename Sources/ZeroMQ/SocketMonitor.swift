import CZeroMQ
import Synchronization

/// News of a socket's connections. Made before the socket binds or connects; belongs to the socket's thread.
public final class SocketMonitor {
    public enum Event: Equatable, Sendable {
        /// The handshake is done: messages can flow.
        case ready
        /// TCP is connected; the handshake comes next.
        case connected
        case accepted
        case disconnected
        /// The other side, or its or our `ZAPAuthenticator`, refused; or it does not hold the key expected of it.
        case handshakeFailed
        /// Some other event of libzmq, by its number.
        case other(UInt16)
    }

    public enum Interest: Sendable {
        case everything
        /// `ready` and `disconnected`.
        case connections
    }

    /// For the poller.
    public let socket: Socket
    private let monitored: Socket
    private static let serial = Atomic<Int>(0)

    /// libzmq's own thread sends the news and would wait for room, holding up every connection of the context: so there is always room,
    /// and whoever makes a monitor reads it, and calls `close` before the socket is closed.
    public init(of monitored: Socket, for interest: Interest = .everything) throws(ZeroMQError) {
        self.monitored = monitored
        let events =
            switch interest {
            case .everything: ZMQ_EVENT_ALL
            case .connections: ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED
            }
        let number = Self.serial.add(1, ordering: .relaxed).newValue
        let endpoint = "inproc://starling-monitor-\(number)"
        guard zmq_socket_monitor(monitored.handle, endpoint, events) == 0 else {
            throw .last("watch a socket's connections")
        }
        socket = try Socket(.pair, in: monitored.context)
        try socket.set(.linger(milliseconds: 0), .receiveHighWaterMark(0))
        try socket.connect(to: endpoint)
    }

    /// No more news. Before the monitored socket is closed: what it still had to tell would wait for a reader for ever.
    public func close() {
        if let handle = monitored.handle { zmq_socket_monitor(handle, nil, 0) }
        socket.close()
    }

    /// The next event and the endpoint it is about, without waiting; nil when there is none.
    public func next() throws(ZeroMQError) -> (event: Event, endpoint: String)? {
        guard let frames = try socket.receiveFrames(), frames.count == 2, frames[0].count >= 2 else { return nil }
        // libzmq writes the number in the machine's own order.
        let number = frames[0].withUnsafeBytes { $0.loadUnaligned(as: UInt16.self) }
        return (Self.event(Int32(number)), String(decoding: frames[1], as: UTF8.self))
    }

    private static func event(_ number: Int32) -> Event {
        switch number {
        case ZMQ_EVENT_HANDSHAKE_SUCCEEDED: .ready
        case ZMQ_EVENT_CONNECTED: .connected
        case ZMQ_EVENT_ACCEPTED: .accepted
        case ZMQ_EVENT_DISCONNECTED: .disconnected
        case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL, ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL,
            ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
            .handshakeFailed
        default: .other(UInt16(truncatingIfNeeded: number))
        }
    }
}

@available(*, unavailable)
extension SocketMonitor: Sendable {}
