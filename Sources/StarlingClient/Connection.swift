import ClientProtocol
import ZeroMQ

/// One DEALER to one server. libzmq's own reconnecting is off: a new connection is a new socket, so that nothing of the
/// old one is taken for the new one's.
final class Connection {
    let server: ServerEndpoint
    let generation: UInt64
    let socket: Socket
    let monitor: SocketMonitor
    let received = Frame()
    let socketItem: Poller.Item
    /// Nil: the monitor is asked now and then instead.
    let monitorItem: Poller.Item?
    let startedAt: UInt64
    /// The server has welcomed us: requests may go.
    var isReady = false
    var heardAt: UInt64
    /// Since the server was last heard.
    var pingedAt: UInt64?
    private let poller: Poller

    init(
        to server: ServerEndpoint, generation: UInt64, in context: Context, poller: Poller, at now: UInt64,
        keys: CurveKeyPair? = nil, pollsMonitor: Bool = true
    ) throws(ZeroMQError) {
        self.server = server
        self.generation = generation
        self.poller = poller
        socket = try Self.makeSocket(to: server, keys, in: context)
        monitor = try SocketMonitor(of: socket)
        startedAt = now
        heardAt = now
        socketItem = poller.add(socket)
        monitorItem = pollsMonitor ? poller.add(monitor.socket) : nil
        do throws(ZeroMQError) {
            try socket.connect(to: server.address.tcp)
        } catch {
            close()
            throw error
        }
    }

    static func makeSocket(
        to server: ServerEndpoint, _ keys: CurveKeyPair?, in context: Context
    ) throws(ZeroMQError) -> Socket {
        let socket = try Socket(.dealer, in: context)
        try socket.set(
            .linger(milliseconds: 0), .sendHighWaterMark(1_000), .receiveHighWaterMark(10_000),
            .maximumMessageSize(Int64(FrameLimits.frameBytes)),
            .reconnectInterval(milliseconds: -1, maximumMilliseconds: 0),
            .tcpKeepAlive(idleSeconds: 10, intervalSeconds: 5, count: 3))
        if let key = server.publicKey {
            // Mostly a key pair for this connection only: the token says who we are.
            let own = if let keys { keys } else { try CurveKeyPair.generate() }
            try socket.set(.curveClient(own, server: key))
        }
        return socket
    }

    func close() {
        poller.remove(socketItem)
        if let monitorItem { poller.remove(monitorItem) }
        monitor.close()
        socket.close()
    }
}
