import Synchronization

/// Decides, for one context, whose CURVE keys may connect (ZeroMQ RFC 27). A thread of its own serves the decisions, so
/// that a handshake never waits for the owner of a socket.
///
/// Each server socket names a domain; each domain has a policy that can be replaced at any time and holds for handshakes from
/// then on. **Connections that stand already are not cut**: whoever receives must compare each message's `userID` with what is
/// allowed now. A domain without a policy admits nobody. A client whose key is not allowed (yet) tries
/// again by itself after its `handshakeTimeout`, which libzmq sets to 30 s: set it lower.
public final class ZAPAuthenticator: Sendable {
    public enum Policy: Sendable, Equatable {
        /// Only the owners of these keys.
        case allow(Set<CurvePublicKey>)
        /// Whoever has a CURVE key: encrypted, and recognisable when it comes again, but known by other means.
        case anyKey
    }

    private struct State {
        var policies: [String: Policy] = [:]
        var refusals = 0
        var isStopping = false
    }

    private final class Shared: Sendable {
        let state = Mutex(State())
        /// Down when the thread has closed its socket.
        let ended = Mutex(false)
    }

    private let shared = Shared()
    private let waker: Waker
    /// Keeps libzmq's context while the thread may still use it.
    private let context: Context

    /// Starts the thread. Make it before any CURVE server socket of the context binds: without an authenticator libzmq
    /// would admit everybody.
    /// - Throws: `isAddressInUse` when the context has one already.
    public init(context: Context) throws(ZeroMQError) {
        self.context = context
        waker = try Waker()
        let socket = try Socket(.reply, in: context)
        try socket.set(
            .linger(milliseconds: 0), .sendHighWaterMark(1000), .receiveHighWaterMark(1000), .maximumMessageSize(4096))
        try socket.bind(to: "inproc://zeromq.zap.01")
        let (shared, waker) = (shared, waker)
        try startThread(named: "zap") { Self.serve(socket, shared, waker) }
    }

    deinit { stop() }

    /// Ends the thread; from then on nobody is admitted. Returns before it has ended.
    public func stop() {
        shared.state.withLock { $0.isStopping = true }
        waker.wake()
    }

    /// Replaces what holds for a domain; nil admits nobody any more.
    public func setPolicy(_ policy: Policy?, forDomain domain: String) {
        shared.state.withLock { $0.policies[domain] = policy }
    }

    public func policy(forDomain domain: String) -> Policy? { shared.state.withLock { $0.policies[domain] } }

    /// Handshakes refused so far.
    public var refusals: Int { shared.state.withLock { $0.refusals } }

    // MARK: The thread

    private static func serve(_ socket: Socket, _ shared: Shared, _ waker: Waker) {
        defer { socket.close() }
        let poller = Poller()
        let item = poller.add(socket)
        _ = poller.add(fileDescriptor: waker.fileDescriptor)
        do {
            while true {
                try poller.wait(milliseconds: -1)
                waker.drain()
                if shared.state.withLock({ $0.isStopping }) { return }
                guard poller.isReadable(item) else { continue }
                while let request = try socket.receiveFrames() {
                    _ = try socket.send(frames: answer(to: request, shared))
                }
            }
        } catch {
            // The context was shut down: no handshake will ask again.
            return
        }
    }

    /// Request: version, id, domain, address, routing id, mechanism, credentials. Answer: version, id, status, text, user
    /// id, metadata.
    private static func answer(to request: [[UInt8]], _ shared: Shared) -> [[UInt8]] {
        let version = Array("1.0".utf8)
        func refuse(_ status: String, _ text: String) -> [[UInt8]] {
            shared.state.withLock { $0.refusals += 1 }
            return [version, request.count > 1 ? request[1] : [], Array(status.utf8), Array(text.utf8), [], []]
        }
        guard request.count >= 6, request[0] == version else { return refuse("500", "Unknown ZAP version") }
        guard request.count == 7, request[5] == Array("CURVE".utf8), let key = CurvePublicKey(bytes: request[6]) else {
            return refuse("400", "CURVE only")
        }
        let domain = String(decoding: request[2], as: UTF8.self)
        let isAllowed =
            switch shared.state.withLock({ $0.policies[domain] }) {
            case .allow(let keys): keys.contains(key)
            case .anyKey: true
            case nil: false
            }
        // 300, "temporary": the client hears nothing, and tries again after its handshake timeout. After 400 libzmq's client
        // would give up for ever, and a member that connects a moment before its key is known here would stay away.
        guard isAllowed else { return refuse("300", "Key not allowed") }
        return [version, request[1], Array("200".utf8), Array("OK".utf8), Array(key.z85.utf8), []]
    }
}
