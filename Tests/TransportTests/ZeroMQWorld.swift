import Raft
import ZeroMQ

@testable import Cluster

/// Real sockets over the loopback interface. Each station has a context of its own, as in a process of its own.
final class ZeroMQWorld: TransportWorld {
    private struct Running {
        let transport: ZeroMQPeerTransport
        let authenticator: ZAPAuthenticator?
    }

    let isSecure: Bool
    let patience = 10_000
    private var running: [Running] = []
    /// Connections of `inject`, which must outlive the call.
    private var injectors: [Socket] = []
    private let outside: Context?
    private let origin = ContinuousClock.now

    init(isSecure: Bool) {
        self.isSecure = isSecure
        outside = try? Context()
    }

    var now: MonotonicTime {
        let (seconds, attoseconds) = (ContinuousClock.now - origin).components
        return MonotonicTime(nanoseconds: UInt64(seconds) * 1_000_000_000 + UInt64(attoseconds / 1_000_000_000) + 1)
    }

    func makeTransport(
        _ identity: Identity, at address: String?, limits: TransportLimits
    ) throws -> (transport: any PeerTransport, address: String) {
        let context = try Context()
        let authenticator = isSecure ? try ZAPAuthenticator(context: context) : nil
        var limits = limits
        limits.handshakeTimeoutMilliseconds = 200
        let transport = try listening(at: address ?? "127.0.0.1:0") { address throws(ZeroMQError) in
            try ZeroMQPeerTransport(
                node: identity.id, cluster: identity.cluster,
                carrier: ZeroMQPeerCarrier(
                    bindAddress: address, security: authenticator.map { .curve(identity.keys, $0) } ?? .none,
                    context: context, limits: limits), limits: limits, log: { _ in })
        }
        running.append(Running(transport: transport, authenticator: authenticator))
        return (transport, transport.boundAddress)
    }

    /// libzmq gives a closed socket's address back a moment later, in a thread of its own.
    private func listening(
        at address: String, _ make: (String) throws(ZeroMQError) -> ZeroMQPeerTransport
    ) throws -> ZeroMQPeerTransport {
        for _ in 0..<patience {
            do throws(ZeroMQError) {
                return try make(address)
            } catch {
                guard error.isAddressInUse else { throw error }
                try pass()
            }
        }
        throw GaveUp()
    }

    func stop(_ transport: any PeerTransport) throws {
        guard let index = running.firstIndex(where: { $0.transport === transport }) else { return }
        running[index].transport.close()
        running[index].authenticator?.stop()
        running.remove(at: index)
    }

    func inject(_ frames: [[UInt8]], with keys: CurveKeyPair, to station: Station) throws {
        guard let outside else { throw GaveUp() }
        let socket = try Socket(.dealer, in: outside)
        if isSecure { try socket.set(.curveClient(keys, server: station.identity.keys.publicKey)) }
        try socket.set(.linger(milliseconds: 1000))
        try socket.connect(to: "tcp://\(station.address)")
        guard try socket.send(frames: frames) == .sent else { throw GaveUp() }
        injectors.append(socket)
    }

    func pass() throws { try Poller().wait(milliseconds: 1) }
}
