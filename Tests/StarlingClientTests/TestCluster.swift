import ByteCoding
import ClientProtocol
import StarlingClient
import Synchronization
import Testing
import TupleSpace
import ZeroMQ

/// What goes wrong at a test server.
struct Faults: Sendable {
    /// The server runs. A server that dies forgets its connections, and comes back at its address.
    var isAlive = true
    /// Answers nothing, and keeps its connections.
    var isSilent = false
    /// Parts of a hundred: requests and replies that are lost, replies that come twice.
    var lostRequests = 0
    var lostReplies = 0
    var doubledReplies = 0
    /// Milliseconds that replies take.
    var delay: UInt64 = 0
    /// What commands are answered with instead of being done.
    var refusal: Failure.Code?
    /// What hellos are answered with.
    var refusedHello: Failure.Code?
}

/// Several servers of one cluster without consensus: ROUTER sockets around one state machine, on one thread, with
/// faults as a test wishes.
final class TestCluster: Sendable {
    struct Counters: Sendable {
        var hellos = 0
        var requestFrames = 0
        var requests = 0
        var commandsApplied = 0
        var subscriptions = 0
        var keepAlives = 0
        var clusterRequests = 0
    }

    private struct Shared {
        var faults: [Faults]
        var counters = Counters()
        var machine = StateMachine()
        var isStopped = false
        var sessionsExpire: [SessionID] = []
    }

    let endpoints: [ServerEndpoint]
    private let shared: Mutex<Shared>
    private let waker: Waker

    /// - Parameter keys: with them the servers speak CURVE.
    init(servers: Int = 1, keys: CurveKeyPair? = nil) throws {
        let context = try Context()
        var sockets: [Socket] = []
        var endpoints: [ServerEndpoint] = []
        for _ in 0..<servers {
            let socket = try Self.makeSocket(in: context, keys: keys)
            try socket.bind(to: "tcp://127.0.0.1:0")
            let address = try socket.lastEndpoint.dropFirst("tcp://".count)
            let endpoint = try #require(ServerEndpoint(String(address), publicKey: keys?.publicKey))
            endpoints.append(endpoint)
            sockets.append(socket)
        }
        self.endpoints = endpoints
        shared = Mutex(Shared(faults: [Faults](repeating: Faults(), count: servers)))
        waker = try Waker()
        let box = Box(sockets)
        try startThread(named: "test-cluster") { [self] in
            TestClusterThread(self, context: context, sockets: box.value, keys: keys).run()
        }
    }

    /// Sockets on their way to the thread that uses them.
    private final class Box: @unchecked Sendable {
        // Proof: written here once before the thread starts, read there once.
        let value: [Socket]
        init(_ value: [Socket]) { self.value = value }
    }

    static func makeSocket(in context: Context, keys: CurveKeyPair?) throws(ZeroMQError) -> Socket {
        let socket = try Socket(.router, in: context)
        try socket.set(.linger(milliseconds: 0), .routerMandatory(true), .sendHighWaterMark(10_000))
        if let keys { try socket.set(.curveServer(keys, domain: "test")) }
        return socket
    }

    func stop() {
        shared.withLock { $0.isStopped = true }
        waker.wake()
    }

    func set(_ server: Int, _ change: @Sendable (inout Faults) -> Void) {
        shared.withLock { change(&$0.faults[server]) }
        waker.wake()
    }

    func setAll(_ change: @Sendable (inout Faults) -> Void) {
        for server in endpoints.indices { set(server, change) }
    }

    /// The state as it was lately.
    var machine: StateMachine { shared.withLock { $0.machine } }
    var counters: Counters { shared.withLock { $0.counters } }

    func expire(_ session: SessionID) {
        shared.withLock { $0.sessionsExpire.append(session) }
        waker.wake()
    }

    // MARK: The thread's side

    var wakeDescriptor: Int32 { waker.fileDescriptor }
    func drainWaker() { waker.drain() }
    var isStopped: Bool { shared.withLock { $0.isStopped } }
    func faults(_ server: Int) -> Faults { shared.withLock { $0.faults[server] } }
    func count(_ change: (inout Counters) -> Void) { shared.withLock { change(&$0.counters) } }
    func publish(_ machine: StateMachine) { shared.withLock { $0.machine = machine } }
    func takeExpiring() -> [SessionID] {
        shared.withLock { shared in
            defer { shared.sessionsExpire = [] }
            return shared.sessionsExpire
        }
    }
}
