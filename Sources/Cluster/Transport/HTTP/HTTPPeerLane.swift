import NIOCore
import NIOHTTP1
import NIOPosix
import Raft
import Synchronization
import ZeroMQ

/// One lane to a peer: a POST whose body never ends. What is sent while the connection's thread is busy becomes one chunk.
///
/// The replica's thread sends; everything else happens on the connections' event loop.
final class HTTPPeerLane: Sendable {
    /// What may wait to be written.
    struct Room: Sendable {
        var messages: Int32
        var bytes: Int
    }

    private struct State {
        /// Of the connection that stands, if one does.
        var channel: (any Channel)?
        var pending = ByteBuffer()
        var pendingMessages = 0
        /// Including what is being written.
        var messages = 0
        var bytes = 0
        var isPumpCalled = false
        var hasLost = false
        var isClosed = false
    }

    /// Tells a connection's handler that there is something to write.
    struct Pump: Sendable {}

    let path: String
    let endpoint: Endpoint
    let limits: TransportLimits
    private let room: Room
    private let loop: any EventLoop
    private let makeTLS: (@Sendable () throws -> any ChannelHandler)?
    private let tell: @Sendable (String) -> Void
    private let state = Mutex(State())

    /// - Parameters:
    ///   - makeTLS: of each new connection; nil for plain HTTP.
    ///   - tell: told why the peer's server was of no use.
    init(
        path: String, to endpoint: Endpoint, room: Room, limits: TransportLimits, on loop: any EventLoop,
        makeTLS: (@Sendable () throws -> any ChannelHandler)?, tell: @escaping @Sendable (String) -> Void
    ) {
        self.path = path
        self.endpoint = endpoint
        self.room = room
        self.limits = limits
        self.loop = loop
        self.makeTLS = makeTLS
        self.tell = tell
        loop.execute { self.dial(pause: Int64(self.limits.reconnectMilliseconds)) }
    }

    // MARK: The replica's thread

    func send(_ envelope: PeerEnvelope, _ payload: UnsafeRawBufferPointer) -> SendOutcome {
        let frame = PeerEnvelope.byteCount + payload.count
        let count = PeerFrameStream.prefixByteCount + frame
        let (outcome, channel) = state.withLock { state -> (SendOutcome, (any Channel)?) in
            guard !state.isClosed else { return (.refused(.closed), nil) }
            guard let channel = state.channel else { return (.refused(.notConnected), nil) }
            // One message more than the limit says if it is bigger than all of it.
            guard state.messages < room.messages, state.bytes == 0 || state.bytes + count <= room.bytes else {
                return (.refused(.queueFull), nil)
            }
            state.pending.writeInteger(UInt32(frame), endianness: .little)
            state.pending.writeWithUnsafeMutableBytes(minimumWritableBytes: frame) { target in
                envelope.write(to: UnsafeMutableRawBufferPointer(rebasing: target[..<frame]), followedBy: payload)
                return frame
            }
            state.pendingMessages += 1
            state.messages += 1
            state.bytes += count
            defer { state.isPumpCalled = true }
            return (.sent, state.isPumpCalled ? nil : channel)
        }
        channel?.triggerUserOutboundEvent(Pump(), promise: nil)
        return outcome
    }

    var isConnected: Bool { state.withLock { $0.channel != nil } }
    var queuedBytes: Int { state.withLock { $0.bytes } }

    /// - Returns: whether the connection broke since the last call, and none stands in its place.
    func takeLoss() -> Bool {
        state.withLock { state in
            defer { state.hasLost = false }
            return state.hasLost && state.channel == nil
        }
    }

    func close() {
        let channel = state.withLock { state in
            defer { state = State(isClosed: true) }
            return state.channel
        }
        channel?.close(mode: .all, promise: nil)
    }

    // MARK: The event loop

    private var isClosed: Bool { state.withLock { $0.isClosed } }

    private func dial(pause: Int64) {
        guard !isClosed else { return }
        let bootstrap = ClientBootstrap(group: loop)
            .connectTimeout(.milliseconds(Int64(limits.connectTimeoutMilliseconds)))
            .channelOption(.socketOption(.tcp_nodelay), value: 1)
            .channelOption(.writeBufferWaterMark, value: .init(low: 128 << 10, high: 512 << 10))
            .channelInitializer { [self] channel in
                channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    if let makeTLS { try pipeline.addHandler(try makeTLS()) }
                    try pipeline.addHTTPClientHandlers()
                    try pipeline.addHandler(HTTPPeerSender(self, isSecure: makeTLS != nil))
                }
            }
        bootstrap.connect(host: endpoint.host, port: Int(endpoint.port)).whenComplete { [self] result in
            switch result {
            case .success(let channel):
                if isClosed { channel.close(promise: nil) }
                channel.closeFuture.whenComplete { [self] _ in dialAgain(channel, pause) }
            case .failure: dialAgain(nil, pause)
            }
        }
    }

    private func dialAgain(_ channel: (any Channel)?, _ pause: Int64) {
        let wasEstablished = state.withLock { state in
            guard let channel, state.channel === channel else { return false }
            // What was on its way is lost, or not: nobody knows.
            state = State(hasLost: true)
            return true
        }
        guard !isClosed else { return }
        let pause = wasEstablished ? Int64(limits.reconnectMilliseconds) : pause
        loop.scheduleTask(in: .milliseconds(pause)) { [self] in
            dial(pause: min(2 * pause, Int64(limits.maximumReconnectMilliseconds)))
        }
    }

    /// The peer has let this server in.
    func established(_ channel: any Channel) {
        let isWanted = state.withLock { state in
            guard !state.isClosed else { return false }
            state = State(channel: channel)
            return true
        }
        if !isWanted { channel.close(promise: nil) }
    }

    /// Everything that waits, to be written now; nil if nothing does.
    func takePending() -> (bytes: ByteBuffer, messages: Int)? {
        state.withLock { state in
            state.isPumpCalled = false
            guard state.pending.readableBytes > 0 else { return nil }
            let taken = (state.pending, state.pendingMessages)
            state.pending = ByteBuffer()
            state.pendingMessages = 0
            return taken
        }
    }

    /// The network has taken it.
    func written(_ bytes: Int, messages: Int, on channel: any Channel) {
        state.withLock { state in
            guard state.channel === channel else { return }
            state.bytes -= bytes
            state.messages -= messages
        }
    }

    func refused(_ reason: String) {
        guard !isClosed else { return }
        tell(reason)
    }
}
