import ByteCoding
import ClientProtocol
import Crypto
import Raft
import Replica
import TupleSpace
import ZeroMQ

/// The clients' door: a ROUTER that many DEALERs of the native protocol talk to. Belongs to the replica thread.
///
/// libzmq does not say when a connection ends. A client that has been silent for `silenceMilliseconds` (clients ping far more often), or
/// whose replies cannot be delivered, is forgotten: its reads and subscriptions end, its commands go on, and their replies stay in its
/// session. It is told so as soon as it reads again, and begins anew with a hello.
final class ClientEndpoint {
    static let domain = "clients"
    static let silenceMilliseconds: UInt64 = 60_000
    /// Of one that has not said a valid hello.
    static let strangerMilliseconds: UInt64 = 10_000
    static let maximumConnections = 10_000
    /// Bytes of replies that wait for one client to read them. Beyond it the client is forgotten.
    static let queuedBytesPerConnection = 32 << 20
    /// Memory that a connection keeps for its next replies.
    static let keptBytesPerConnection = 64 << 10
    static let queuedMessagesPerConnection: Int32 = 4_096

    private struct Request {
        var connection: ClientConnection
        var id: UInt64
        var isCancellable: Bool
    }

    struct Counters: Sendable {
        var connections = 0
        var requests: UInt64 = 0
        var malformed: UInt64 = 0
        var droppedReplies: UInt64 = 0
    }

    private let socket: Socket
    private let identity = Frame()
    private let frame = Frame()
    private var connections: [[UInt8]: ClientConnection] = [:]
    private var requests: [RequestToken: Request] = [:]
    private var nextToken: UInt64 = 1
    private var dirty: [ClientConnection] = []
    private var control = ClientFrameWriter()
    /// The Z85 text of the keys of those who may change the cluster; nil: without encryption, everybody may.
    private let operators: [[UInt8]]?
    private(set) var joining = JoinDesk()
    /// Operators' requests for pieces of snapshots, for the replica thread to take.
    var pieceRequests: [(token: RequestToken, request: SnapshotPieceRequest)] = []
    private var sweptAt = MonotonicTime.zero
    private(set) var counters = Counters()

    let boundAddress: String

    init(
        bindAddress: String, keys: CurveKeyPair?, operators: [CurvePublicKey], context: Context,
        authenticator: ZAPAuthenticator?
    ) throws(ZeroMQError) {
        self.operators = keys == nil ? nil : operators.map { Array($0.z85.utf8) }
        guard let endpoint = Endpoint(bindAddress) else {
            throw ZeroMQError("listen at \(bindAddress), which is not HOST:PORT", code: 22)
        }
        socket = try Socket(.router, in: context)
        try socket.set(
            .linger(milliseconds: 200), .sendHighWaterMark(ClientEndpoint.queuedMessagesPerConnection),
            .receiveHighWaterMark(1_000), .maximumMessageSize(Int64(FrameLimits.frameBytes)), .backlog(512),
            .routerMandatory(true), .routerHandover(true),
            .heartbeat(intervalMilliseconds: 5_000, timeoutMilliseconds: 15_000),
            .handshakeTimeout(milliseconds: 5_000), .tcpKeepAlive(idleSeconds: 30, intervalSeconds: 10, count: 3))
        if let keys {
            authenticator?.setPolicy(.anyKey, forDomain: ClientEndpoint.domain)
            try socket.set(.curveServer(keys, domain: ClientEndpoint.domain))
        }
        try socket.bind(to: try endpoint.tcpForBinding())
        boundAddress = String(try socket.lastEndpoint.dropFirst("tcp://".count))
    }

    func addTo(_ poller: Poller) { _ = poller.add(socket) }

    func close() { socket.close() }

    // MARK: - Receiving

    /// - Returns: how many frames were taken; `limit` means that more may wait.
    func receive(into replica: inout Replica, welcome: (Replica) -> Welcome, now: MonotonicTime, limit: Int)
        throws(ZeroMQError) -> Int
    {
        var taken = 0
        while taken < limit, try socket.receive(into: identity) {
            taken += 1
            guard identity.more, try socket.receive(into: frame) else {
                counters.malformed += 1
                continue
            }
            let isWhole = !frame.more
            if !isWhole { try socket.skipRest(after: frame) }
            guard let connection = connection(now) else {
                try refuse(
                    identity.bytes,
                    Failure(.busy, "\(ClientEndpoint.maximumConnections) clients are connected, which is the limit"))
                continue
            }
            guard isWhole else {
                counters.malformed += 1
                try refuse(identity.bytes, Failure(.malformed, "a message of more than one frame"))
                continue
            }
            try handle(connection, &replica, welcome, now)
        }
        sweep(&replica, now)
        return taken
    }

    /// Nil if there are too many.
    private func connection(_ now: MonotonicTime) -> ClientConnection? {
        let key = identity.bytes
        if let known = connections[key] {
            known.heardAt = now
            return known
        }
        guard connections.count < ClientEndpoint.maximumConnections else { return nil }
        let connection = ClientConnection(identity: key, at: now)
        connections[key] = connection
        counters.connections = connections.count
        return connection
    }

    private func handle(
        _ connection: ClientConnection, _ replica: inout Replica, _ welcome: (Replica) -> Welcome, _ now: MonotonicTime
    ) throws(ZeroMQError) {
        var refusal: Failure?
        frame.withUnsafeBytes { bytes in
            do throws(MalformedBytes) {
                var reader = try ClientFrameReader(bytes)
                switch reader.kind {
                case .hello:
                    // Again: whoever has this identity now begins anew.
                    forgetRequests(of: connection, &replica)
                    refusal = greet(connection, &reader, welcome(replica))
                case .ping, .requests:
                    guard connection.hasGreeted else {
                        // Also one that was forgotten, and must learn of it.
                        refusal = Failure(.notAllowed, "the first frame of a connection must be a hello")
                        return
                    }
                    if reader.kind == .ping { return control.makePong(try reader.readPingNumber()) }
                    while let request = try reader.nextRequest() { accept(request, from: connection, &replica, now) }
                case .welcome, .responses, .pong, .refused:
                    throw MalformedBytes("a frame that only servers send", at: 0)
                }
            } catch {
                refusal = Failure(.malformed, error.description)
            }
        }
        if let refusal {
            counters.malformed += 1
            return try refuse(connection.identity, refusal)
        }
        guard !control.bytes.isEmpty, !connection.isLost else { return }
        try sendControl(to: connection.identity)
    }

    private func greet(_ connection: ClientConnection, _ reader: inout ClientFrameReader, _ answer: Welcome) -> Failure?
    {
        connection.hasGreeted = false
        do throws(Failure) {
            let hello = try Hello(from: &reader.reader)
            guard hello.cluster == 0 || hello.cluster == answer.cluster else {
                let mine = ClusterID(answer.cluster)
                return Failure(
                    .notAllowed, "this server belongs to cluster \(mine), not \(ClusterID(hello.cluster))")
            }
            connection.credential = credential(showing: hello.token)
            connection.hasGreeted = true
            control.make(answer)
            return nil
        } catch {
            return error
        }
    }

    private func accept(
        _ request: ClientRequest, from connection: ClientConnection, _ replica: inout Replica, _ now: MonotonicTime
    ) {
        counters.requests += 1
        guard connection.requests.count < FrameLimits.requestsPerConnection else {
            return answer(
                connection, request.id,
                .failed(
                    Failure(
                        .busy,
                        "\(FrameLimits.requestsPerConnection) requests wait on this connection, which is the limit")),
                at: replica.position)
        }
        do throws(MalformedBytes) {
            switch request.kind {
            case .command:
                let command = try CommandRequest(request.payload)
                guard command.header.session.rawValue != 0 else {
                    throw MalformedBytes("session 0 is the cluster's own", at: 0)
                }
                var header = command.header
                header.caller = credential(of: connection, for: .command, command.operation.first).text
                replica.command(
                    token(connection, request.id, isCancellable: false, &replica), header: header,
                    operation: command.operation)
            case .query:
                let query = try QueryRequest(request.payload)
                replica.query(
                    token(connection, request.id, isCancellable: true, &replica), query: query.query,
                    consistency: query.consistency, timeout: query.timeout,
                    as: credential(of: connection, for: .query, query.query.first))
            case .subscribe:
                let subscribe = try SubscribeRequest(request.payload)
                replica.subscribe(
                    token(connection, request.id, isCancellable: true, &replica), space: subscribe.space,
                    template: subscribe.template, after: subscribe.position, as: connection.credential)
            case .cancel: cancel(try CancelRequest(request.payload).id, on: connection, &replica)
            case .keepAlive:
                replica.keepAlive(try KeepAliveRequest(request.payload).session)
                answer(connection, request.id, .done, at: replica.position)
            case .status:
                let json = statusJSON()
                respond(connection, request.id, .status, replica.position) { $0.write(raw: Array(json.utf8)) }
            case .cluster, .snapshotPiece: try operate(request, from: connection, &replica)
            case .join:
                var reader = ByteReader(request.payload)
                let change = try MemberChange(from: &reader)
                try reader.requireEnd("member change")
                let outcome = join(change, replica, now)
                answer(connection, request.id, outcome, at: replica.position)
            case nil:
                answer(
                    connection, request.id,
                    .failed(Failure(.unsupported, "a request of a kind that this server does not know")),
                    at: replica.position)
            }
        } catch {
            counters.malformed += 1
            answer(
                connection, request.id, .failed(Failure(.malformed, error.description)), at: replica.position)
        }
    }

    // MARK: - Requests of operators, and of servers that want to join

    private func operate(
        _ request: ClientRequest, from connection: ClientConnection, _ replica: inout Replica
    ) throws(MalformedBytes) {
        if let refusal = reasonNotToOperate() {
            return answer(connection, request.id, .failed(refusal), at: replica.position)
        }
        if request.kind == .snapshotPiece {
            let piece = try SnapshotPieceRequest(request.payload)
            return pieceRequests.append((token(connection, request.id, isCancellable: false, &replica), piece))
        }
        var reader = ByteReader(request.payload)
        let wanted = try ClusterRequest(from: &reader)
        try reader.requireEnd("cluster request")
        replica.clusterRequest(token(connection, request.id, isCancellable: false, &replica), wanted)
    }

    /// Whose key the very connection bears that the frame at hand came over: an operator's.
    private var isFromOperator: Bool {
        operators?.contains { frame.has(.userID, equalTo: $0) } ?? false
    }

    /// Who shows no token is an operator by their key, or nobody in particular.
    private func credential(showing token: String) -> Credential {
        guard token.isEmpty else {
            return TokenDigest(sha256: SHA256.hash(data: Array(token.utf8))).map { .token($0) } ?? .anonymous
        }
        return isFromOperator ? .operator : .anonymous
    }

    /// Without encryption nobody can be told from an operator: all may administer rights, as all may change the cluster.
    private func credential(of connection: ClientConnection, for kind: ClientRequestKind, _ code: UInt8?) -> Credential
    {
        guard operators == nil, connection.credential == .anonymous, let code else { return connection.credential }
        let administers = kind == .command ? Operation.administers(code: code) : Query.administers(code: code)
        return administers ? .operator : .anonymous
    }

    private func reasonNotToOperate() -> Failure? {
        guard let operators, !isFromOperator else { return nil }
        return Failure(
            .notAllowed,
            operators.isEmpty
                ? "this server was told of no operator: its plan file lists none"
                : "only an operator may change the cluster: connect with the key in the operator file that `starling cluster plan` wrote"
        )
    }

    private func join(_ change: MemberChange, _ replica: Replica, _ now: MonotonicTime) -> Reply {
        guard case .add(var member) = change else {
            return .failed(Failure(.malformed, "a server that wants to join says what it would be added as"))
        }
        // Nobody can speak for a key that is not its own.
        if operators != nil {
            member.publicKey = frame.property(.userID).flatMap { CurvePublicKey(z85: $0)?.bytes } ?? []
        }
        member.role = .learner
        member.nextPublicKey = nil
        member.promoteWhenCaughtUp = true
        do throws(Failure) {
            try joining.heard(member, among: replica.configuration.members, at: now)
            return .done
        } catch {
            return .failed(error)
        }
    }

    /// The server's view as `GET /v1/cluster` gives it.
    var statusJSON: () -> String = { "{}" }

    private func cancel(_ id: UInt64, on connection: ClientConnection, _ replica: inout Replica) {
        guard let token = connection.requests[id], requests[token]?.isCancellable == true else { return }
        let isSubscription = replica.isSubscription(token)
        replica.forget(token)
        finish(token)
        if isSubscription {
            respond(connection, id, .end, replica.position) { _ in }
        } else {
            answer(connection, id, .noMatch, at: replica.position)
        }
    }

    /// A request that is asked again under its id takes the place of the earlier one.
    private func token(
        _ connection: ClientConnection, _ id: UInt64, isCancellable: Bool, _ replica: inout Replica
    ) -> RequestToken {
        if let earlier = connection.requests[id] {
            replica.forget(earlier)
            finish(earlier)
        }
        let token = RequestToken(nextToken)
        nextToken += 1
        requests[token] = Request(connection: connection, id: id, isCancellable: isCancellable)
        connection.requests[id] = token
        return token
    }

    @discardableResult
    private func finish(_ token: RequestToken) -> Request? {
        guard let request = requests.removeValue(forKey: token) else { return nil }
        request.connection.requests[request.id] = nil
        return request
    }

    // MARK: - Answering

    /// An encoded `Reply` for a request of this door; for others, and for clients that have gone, nothing.
    func reply(_ token: RequestToken, _ reply: UnsafeRawBufferPointer, at position: Position) {
        guard let request = finish(token) else { return }
        respond(request.connection, request.id, .reply, position) { $0.write(raw: reply) }
    }

    /// What became of a request to the cluster, if it was one of this door.
    func conclude(_ token: RequestToken, _ outcome: ClusterOutcome, at position: Position) {
        guard let request = finish(token) else { return }
        respond(request.connection, request.id, .outcome, position) { outcome.encode(into: &$0) }
    }

    func deliver(_ piece: SnapshotPiece, to token: RequestToken, at position: Position) {
        guard let request = finish(token) else { return }
        respond(request.connection, request.id, .snapshotPiece, position) { piece.encode(into: &$0) }
    }

    func refuse(_ token: RequestToken, _ failure: Failure, at position: Position) {
        guard let request = finish(token) else { return }
        answer(request.connection, request.id, .failed(failure), at: position)
    }

    func deliver(_ delivery: ReplicaEffects.EventDelivery) {
        guard let request = requests[delivery.token] else { return }
        respond(request.connection, request.id, .events, delivery.batch.position) { writer in
            for event in delivery.batch.events { event.encode(into: &writer) }
        }
    }

    func end(_ token: RequestToken, _ failure: Failure, at position: Position) {
        guard let request = finish(token) else { return }
        respond(request.connection, request.id, .end, position) { failure.encode(into: &$0) }
    }

    private func answer(_ connection: ClientConnection, _ id: UInt64, _ reply: Reply, at position: Position) {
        respond(connection, id, .reply, position) { reply.encode(into: &$0) }
    }

    private func respond(
        _ connection: ClientConnection, _ id: UInt64, _ kind: ClientResponseKind, _ position: Position,
        _ payload: (inout ByteWriter) -> Void
    ) {
        guard !connection.isLost else { return }
        if !connection.isDirty {
            connection.isDirty = true
            connection.writer.beginResponses()
            dirty.append(connection)
        } else if connection.writer.isFull {
            send(connection)
            connection.writer.beginResponses()
        }
        connection.writer.appendResponse(id: id, kind: kind, position: position, payload)
    }

    /// Sends what has gathered: one frame a connection.
    func flush(_ replica: inout Replica) {
        guard !dirty.isEmpty else { return }
        for connection in dirty {
            send(connection)
            connection.isDirty = false
        }
        dirty.removeAll(keepingCapacity: true)
        for connection in lost { drop(connection, &replica) }
        lost.removeAll(keepingCapacity: true)
    }

    private var lost: [ClientConnection] = []

    private func send(_ connection: ClientConnection) {
        guard !connection.isLost else { return }
        if (try? send(connection.writer.bytes, to: connection)) != .sent {
            // Its commands' replies stay in its session. A stream of events with a gap would be worse than none.
            counters.droppedReplies += UInt64(connection.writer.itemCount)
            connection.isLost = true
            lost.append(connection)
        }
        if connection.writer.byteCount > ClientEndpoint.keptBytesPerConnection {
            connection.writer = ClientFrameWriter()
        }
    }

    private func send(_ bytes: [UInt8], to target: ClientConnection) throws(ZeroMQError) -> Socket.SendResult {
        // Asked before the first frame is on its way: behind that there is no way back.
        let budget = target.budget
        guard budget.used == 0 || budget.used + bytes.count <= budget.limit else { return .overBudget }
        let result = try socket.send(target.identity, more: true)
        guard result == .sent else { return result }
        return try socket.send(count: bytes.count, within: budget) { memory in
            bytes.withUnsafeBytes { memory.copyMemory(from: $0) }
        }
    }

    private func refuse(_ identity: [UInt8], _ failure: Failure) throws(ZeroMQError) {
        control.makeRefusal(failure)
        try sendControl(to: identity)
    }

    /// Small, and dropped if it cannot go.
    private func sendControl(to identity: [UInt8]) throws(ZeroMQError) {
        defer { control = ClientFrameWriter(reserving: 256) }
        if try socket.send(identity, more: true) == .sent { _ = try socket.send(control.bytes) }
    }

    // MARK: - Forgetting

    private func sweep(_ replica: inout Replica, _ now: MonotonicTime) {
        guard now.since(sweptAt) > 1_000_000_000 else { return }
        sweptAt = now
        joining.forgetSilent(at: now)
        for connection in connections.values {
            let limit = connection.hasGreeted ? ClientEndpoint.silenceMilliseconds : ClientEndpoint.strangerMilliseconds
            if now.since(connection.heardAt) > limit * 1_000_000 { drop(connection, &replica) }
        }
    }

    private func drop(_ connection: ClientConnection, _ replica: inout Replica) {
        forgetRequests(of: connection, &replica)
        guard connections.removeValue(forKey: connection.identity) != nil else { return }
        counters.connections = connections.count
        guard connection.isLost else { return }
        // Should this not reach it either, its next frame is refused, since it has not said hello.
        try? refuse(
            connection.identity,
            Failure(.busy, "replies wait that were not read in time; the rest is dropped: connect again"))
    }

    private func forgetRequests(of connection: ClientConnection, _ replica: inout Replica) {
        let tokens = connection.requests.values.sorted(by: >)
        guard !tokens.isEmpty else { return }
        // The newest first: whoever keeps many of a kind finds those soonest.
        for token in tokens {
            replica.forget(token)
            requests[token] = nil
        }
        connection.requests.removeAll()
    }
}
