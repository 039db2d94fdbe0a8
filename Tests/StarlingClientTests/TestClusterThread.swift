import ByteCoding
import ClientProtocol
import StarlingClient
import Testing
import TupleSpace
import ZeroMQ

#if canImport(Glibc)
    import Glibc
#endif

/// The thread of a `TestCluster`.
final class TestClusterThread {
    /// Who asked: a server, the connection there, and the connection's request.
    struct Token: Hashable {
        var server: Int
        var peer: [UInt8]
        var id: UInt64
    }

    private struct Key: Hashable {
        var session: SessionID
        var sequence: UInt64
    }

    private struct WaitingRead {
        var token: Token
        var query: Query
        var until: UInt64?
    }

    private struct Subscription {
        var token: Token
        var request: SubscribeRequest
        var position: Position
        var toldAt: UInt64
    }

    private struct Delayed {
        var due: UInt64
        var token: Token
        var bytes: [UInt8]
    }

    private let cluster: TestCluster
    private let context: Context
    private let keys: CurveKeyPair?
    private let poller = Poller()
    private var sockets: [(socket: Socket, item: Poller.Item)?]
    private var known: [Set<[UInt8]>]
    private var incarnation: UInt64 = 1
    private var machine = StateMachine()
    private var applied = Applied()
    private var batch = BatchWriter()
    private var waiting: [Key: [Token]] = [:]
    private var reads: [WaitingRead] = []
    private var subscriptions: [Subscription] = []
    private var delayed: [Delayed] = []
    private var chance = SystemRandomNumberGenerator()
    private var now: UInt64 = 0

    init(_ cluster: TestCluster, context: Context, sockets: [Socket], keys: CurveKeyPair?) {
        self.cluster = cluster
        self.context = context
        self.keys = keys
        let poller = poller
        self.sockets = sockets.map { ($0, poller.add($0)) }
        known = [Set<[UInt8]>](repeating: [], count: sockets.count)
    }

    func run() {
        let wake = poller.add(fileDescriptor: cluster.wakeDescriptor)
        while !cluster.isStopped {
            guard (try? poller.wait(milliseconds: 2)) != nil else { return }
            if poller.isReadable(wake) { cluster.drainWaker() }
            var time = timespec()
            clock_gettime(CLOCK_MONOTONIC, &time)
            now = UInt64(time.tv_sec) * 1_000 + UInt64(time.tv_nsec) / 1_000_000
            do {
                try turn()
            } catch {
                fatalError("test cluster: \(error)")
            }
        }
    }

    private func turn() throws {
        for server in sockets.indices { try live(server) }
        for server in sockets.indices { try receive(server) }
        expireSessions()
        apply()
        serveReads()
        serveSubscriptions()
        sendDelayed()
    }

    // MARK: Life and death

    private func live(_ server: Int) throws {
        let isAlive = cluster.faults(server).isAlive
        if !isAlive, let (socket, item) = sockets[server] {
            poller.remove(item)
            socket.close()
            sockets[server] = nil
            known[server] = []
            incarnation += 1
            reads.removeAll { $0.token.server == server }
            subscriptions.removeAll { $0.token.server == server }
            for key in waiting.keys { waiting[key]?.removeAll { $0.server == server } }
        } else if isAlive, sockets[server] == nil {
            let socket = try TestCluster.makeSocket(in: context, keys: keys)
            do {
                try socket.bind(to: cluster.endpoints[server].address.tcp)
                sockets[server] = (socket, poller.add(socket))
            } catch {
                socket.close()  // The old socket is still closing: next turn.
            }
        }
    }

    // MARK: Receiving

    private func receive(_ server: Int) throws {
        guard let (socket, _) = sockets[server] else { return }
        let faults = cluster.faults(server)
        while let frames = try socket.receiveFrames() {
            guard frames.count == 2, !faults.isSilent else { continue }
            try frames[1].withUnsafeBytes { bytes in
                var frame = try ClientFrameReader(bytes)
                try handle(&frame, from: frames[0], at: server, faults)
            }
        }
    }

    private func handle(_ frame: inout ClientFrameReader, from peer: [UInt8], at server: Int, _ faults: Faults) throws {
        var answer = ClientFrameWriter()
        switch frame.kind {
        case .hello:
            _ = try Hello(from: &frame.reader)
            cluster.count { $0.hellos += 1 }
            if let code = faults.refusedHello {
                answer.makeRefusal(Failure(code, "as the test wishes"))
            } else {
                known[server].insert(peer)
                answer.make(welcome(server))
            }
        case .ping: answer.makePong(try frame.readPingNumber())
        case .requests:
            guard known[server].contains(peer) else {
                answer.makeRefusal(Failure(.malformed, "no hello came before"))
                break
            }
            cluster.count { $0.requestFrames += 1 }
            if Int.random(in: 0..<100, using: &chance) < faults.lostRequests { return }
            while let request = try frame.nextRequest() {
                cluster.count { $0.requests += 1 }
                try handle(request, Token(server: server, peer: peer, id: request.id), faults)
            }
            return
        default: fatalError("a client sent a frame of kind \(frame.kind)")
        }
        send(answer.bytes, to: Token(server: server, peer: peer, id: 0))
    }

    private func welcome(_ server: Int) -> Welcome {
        Welcome(
            cluster: 7, server: UInt64(server) + 1, leader: 1, incarnation: incarnation,
            servers: cluster.endpoints.enumerated().map { index, endpoint in
                .init(
                    id: UInt64(index) + 1, name: "s\(index)", clientAddress: endpoint.address.description,
                    httpAddress: "",
                    publicKey: endpoint.publicKey?.bytes ?? [])
            })
    }

    private func handle(_ request: ClientRequest, _ token: Token, _ faults: Faults) throws {
        switch try #require(request.kind) {
        case .command:
            let command = try CommandRequest(request.payload)
            if let code = faults.refusal { return reply(.failed(Failure(code, "as the test wishes")), to: token) }
            waiting[Key(session: command.header.session, sequence: command.header.sequence), default: []].append(token)
            batch.append(command.header, operation: command.operation)
            cluster.count { $0.commandsApplied += 1 }
        case .query:
            let query = try QueryRequest(request.payload)
            var reader = ByteReader(query.query)
            var until: UInt64?
            if case .milliseconds(let milliseconds) = query.timeout { until = now + milliseconds }
            reads.append(WaitingRead(token: token, query: try Query(from: &reader), until: until))
        case .cancel:
            let id = try CancelRequest(request.payload).id
            let isIt = { (other: Token) in other.server == token.server && other.peer == token.peer && other.id == id }
            for read in reads where isIt(read.token) { reply(.noMatch, to: read.token) }
            reads.removeAll { isIt($0.token) }
            subscriptions.removeAll { isIt($0.token) }
        case .keepAlive:
            cluster.count { $0.keepAlives += 1 }
            let session = try KeepAliveRequest(request.payload).session
            reply(machine.sessionTimeout(session) == nil ? .failed(Failure(.sessionExpired, "gone")) : .done, to: token)
        case .subscribe:
            let subscribe = try SubscribeRequest(request.payload)
            subscriptions.append(
                .init(
                    token: token, request: subscribe, position: subscribe.position ?? machine.lastPosition, toldAt: 0))
        case .status: respond(.status, Array(#"{"test":true}"#.utf8), to: token)
        // A leader may take its time: nothing comes back here.
        case .cluster: cluster.count { $0.clusterRequests += 1 }
        case .join: reply(.done, to: token)
        case .snapshotPiece: reply(.failed(Failure(.unsupported, "no files here")), to: token)
        }
    }

    // MARK: The state machine

    private func expireSessions() {
        let expiring = cluster.takeExpiring()
        guard !expiring.isEmpty else { return }
        var writer = ByteWriter()
        Operation.expireSessions(expiring).encode(into: &writer)
        writer.bytes.withUnsafeBytes { batch.append(CommandHeader(session: SessionID(0), sequence: 0), operation: $0) }
    }

    private func apply() {
        let isDue = machine.nextDeadline.map { $0 <= now } ?? false
        guard !batch.isEmpty || isDue else { return }
        let payload = batch.finish(leaseTime: now, wallStamp: now)
        applied.reset()
        payload.withUnsafeBytes { machine.apply($0, at: machine.appliedIndex + 1, into: &applied) }
        // Before anyone hears of it, so that a test that was answered sees what it was told.
        cluster.publish(machine)
        for outcome in applied.outcomes {
            let key = Key(session: outcome.session, sequence: outcome.sequence)
            guard let tokens = waiting.removeValue(forKey: key) else { continue }
            for token in tokens { respond(.reply, Array(applied.bytes.bytes[outcome.range]), to: token) }
        }
    }

    private func serveReads() {
        reads.removeAll { read in
            let answer = machine.answer(read.query)
            if answer == .noMatch, read.until.map({ $0 > now }) ?? true { return false }
            reply(answer, to: read.token)
            return true
        }
    }

    private func serveSubscriptions() {
        for index in subscriptions.indices {
            let subscription = subscriptions[index]
            guard let events = machine.events(after: subscription.position, limit: 500) else {
                respond(
                    .end, encoded { Failure(.positionGone, "behind the ring").encode(into: &$0) },
                    to: subscription.token)
                continue
            }
            guard !events.isEmpty || now >= subscription.toldAt + 100 else { continue }
            subscriptions[index].toldAt = now
            subscriptions[index].position = events.last?.position ?? machine.lastPosition
            let wanted = events.filter { event in
                event.space == subscription.request.space
                    && subscription.request.template.map { $0.matches(event.tuple.tuple) } ?? true
            }
            respond(
                .events, encoded { writer in for event in wanted { event.encode(into: &writer) } },
                at: subscriptions[index].position, to: subscription.token)
        }
        cluster.count { $0.subscriptions = subscriptions.count }
    }

    // MARK: Sending

    private func encoded(_ body: (inout ByteWriter) -> Void) -> [UInt8] {
        var writer = ByteWriter()
        body(&writer)
        return writer.bytes
    }

    private func reply(_ reply: Reply, to token: Token) {
        respond(.reply, encoded { reply.encode(into: &$0) }, to: token)
    }

    private func respond(_ kind: ClientResponseKind, _ payload: [UInt8], at position: Position? = nil, to token: Token)
    {
        var frame = ClientFrameWriter()
        frame.beginResponses()
        payload.withUnsafeBytes {
            frame.appendResponse(id: token.id, kind: kind, position: position ?? machine.lastPosition, payload: $0)
        }
        let faults = cluster.faults(token.server)
        // A subscription's events come over one unbroken connection: nothing is lost of them, or all that follows.
        if kind == .reply {
            if Int.random(in: 0..<100, using: &chance) < faults.lostReplies { return }
            if Int.random(in: 0..<100, using: &chance) < faults.doubledReplies { send(frame.bytes, to: token) }
        }
        if faults.delay > 0 {
            delayed.append(Delayed(due: now + faults.delay, token: token, bytes: frame.bytes))
        } else {
            send(frame.bytes, to: token)
        }
    }

    private func sendDelayed() {
        delayed.removeAll { reply in
            guard reply.due <= now else { return false }
            send(reply.bytes, to: reply.token)
            return true
        }
    }

    private func send(_ bytes: [UInt8], to token: Token) {
        guard let (socket, _) = sockets[token.server], known[token.server].contains(token.peer) || bytes[0] != 130
        else { return }
        // Not taken: the client has gone.
        _ = try? socket.send(frames: [token.peer, bytes])
    }
}
