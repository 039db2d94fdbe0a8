import Crypto
import HTTPTypes
import Hummingbird
import TupleSpace

/// The tuplespace for programs: `docs/http-api.md` says what each route takes and gives.
struct TupleRoutes: Sendable {
    let shared: any SharedTupleStore
    /// As whoever asks sees it.
    var store: any TupleStore
    let cluster: any ClusterView
    let openRequests: OpenRequests
    let positions: LatestPosition
    let heartbeat: Duration

    init(
        store: any SharedTupleStore, cluster: any ClusterView, openRequests: OpenRequests, positions: LatestPosition,
        heartbeat: Duration
    ) {
        shared = store
        self.store = store
        self.cluster = cluster
        self.openRequests = openRequests
        self.positions = positions
        self.heartbeat = heartbeat
    }

    func add(to routes: inout Routes) {
        let space = "/v1/spaces/:space"
        addForCallers(to: &routes, at: space)
        addSessions(to: &routes)
        routes.on(.get, "/v1/cluster") { exchange in
            _ = try exchange.query()
            return .json(ClusterJSON.json(await cluster.snapshot()))
        }
        routes.on(.get, "/openapi.json") { exchange in
            _ = try exchange.query()
            return .json(PackageResources.openapi_json)
        }
    }

    /// Those on which it depends who asks.
    private func addForCallers(to routes: inout Routes, at space: String) {
        func on(
            _ method: HTTPRequest.Method, _ pattern: String,
            _ handler: @escaping @Sendable (TupleRoutes, Exchange) async throws -> Response
        ) {
            routes.on(method, pattern) { exchange in
                try await acting(for: exchange) { try await handler(try $0.inSession(exchange), exchange) }
            }
        }
        on(.post, "\(space)/tuples") { try await $0.write($1) }
        on(.post, "\(space)/read") { try await $0.read($1) }
        on(.post, "\(space)/take") { try await $0.take($1) }
        on(.post, "\(space)/read-all") { try await $0.readAll($1) }
        on(.post, "\(space)/take-all") { try await $0.takeAll($1) }
        on(.delete, "\(space)/tuples/:id") { try await $0.delete($1) }
        on(.put, "\(space)/tuples/:id") { try await $0.replace($1) }
        on(.post, "\(space)/tuples/:id/renew") { try await $0.renew($1) }
        on(.post, "\(space)/count") { try await $0.count($1) }
        on(.post, "/v1/statements") { try await $0.statement($1) }
        on(.get, "\(space)/events") { try await $0.events($1) }
        on(.post, "/v1/reservations/:id/complete") { try await $0.complete($1) }
        on(.post, "/v1/reservations/:id/release") { try await $0.release($1) }
        on(.post, "/v1/reservations/:id/extend") { try await $0.extend($1) }
        on(.get, "/v1/spaces") { try await $0.spaces($1) }
        for (pattern, isOwn) in [("\(space)/policy", true), ("/v1/policy", false)] {
            on(.get, pattern) { try await $0.policy(of: isOwn ? $1.parameter("space") : nil, $1) }
            on(.put, pattern) { try await $0.setPolicy(of: isOwn ? $1.parameter("space") : nil, $1) }
            on(.delete, pattern) { try await $0.removePolicy(of: isOwn ? $1.parameter("space") : nil, $1) }
        }
    }

    /// With the rights of whoever asks.
    func acting(
        for exchange: Exchange, _ body: (TupleRoutes) async throws -> Response
    ) async throws -> Response {
        let credential = try exchange.credential()
        var routes = self
        routes.store = shared.acting(as: credential)
        do {
            return try await body(routes)
        } catch let failure as Failure where failure.code == .notAllowed && credential == .anonymous {
            throw APIError.unauthorized(failure.code.rawValue, failure.message)
        }
    }

    // MARK: Changing

    private func write(_ exchange: Exchange) async throws -> Response {
        _ = try exchange.query()
        let body = try await jsonBody(exchange)
        var fields = try RequestFields(body)
        let tuple = try fields.tuple()
        let lease = try fields.lease()
        try fields.finish(allowing: "tuple, lease")
        let result = try await store.write(
            tuple, to: exchange.parameter("space"), lease: lease, key: try Self.idempotencyKey(exchange, body: body))
        return respond(Self.json(result), status: .created, position: result.position)
    }

    /// The tuple by its id, taken for good.
    private func delete(_ exchange: Exchange) async throws -> Response {
        _ = try exchange.query()
        let key = try Self.idempotencyKey(exchange, body: [])
        let result = try await store.take(try tupleID(exchange), from: exchange.parameter("space"), key: key)
        guard let stored = result.tuple else { throw noTuple(result.position) }
        return respond(Self.json(stored), position: result.position)
    }

    private func replace(_ exchange: Exchange) async throws -> Response {
        _ = try exchange.query()
        let id = try tupleID(exchange)
        let body = try await jsonBody(exchange)
        var fields = try RequestFields(body)
        let tuple = try fields.tuple()
        try fields.finish(allowing: "tuple")
        let key = try Self.idempotencyKey(exchange, body: body)
        guard let result = try await store.replace(id, in: exchange.parameter("space"), with: tuple, key: key) else {
            throw noTuple(nil)
        }
        return respond(Self.json(result), position: result.position)
    }

    private func renew(_ exchange: Exchange) async throws -> Response {
        _ = try exchange.query()
        let id = try tupleID(exchange)
        let body = try await jsonBody(exchange)
        var fields = try RequestFields(body)
        let lease = try fields.newLease()
        try fields.finish(allowing: "lease")
        let key = try Self.idempotencyKey(exchange, body: body)
        let result = try await store.renew(id, in: exchange.parameter("space"), lease: lease, key: key)
        guard result.isThere else { throw noTuple(result.position) }
        return respond(.object([.init("id", .string(id.description))]), position: result.position)
    }

    private func statement(_ exchange: Exchange) async throws -> Response {
        _ = try exchange.query()
        let body = try await jsonBody(exchange)
        var fields = try RequestFields(body)
        let statement = try fields.statement()
        try fields.finish(allowing: "alternatives, timeout")
        let key = try Self.idempotencyKey(exchange, body: body)
        let result = try await waiting(exchange, statement.timeout) { [store] in
            try await store.run(statement, key: key)
        }
        guard let done = result.done else { throw noMatch(statement.timeout, position: result.position) }
        return respond(StatementJSON.json(done.alternative, done.results), position: result.position)
    }

    private func takeAll(_ exchange: Exchange) async throws -> Response {
        _ = try exchange.query()
        let body = try await jsonBody(exchange)
        var fields = try RequestFields(body)
        let template = try fields.template()
        let page = try fields.page()
        try fields.finish(allowing: "template, limit, order, after, before")
        let key = try Self.idempotencyKey(exchange, body: body)
        let result = try await store.takeAll(template, from: exchange.parameter("space"), page: page, key: key)
        return respond(Self.json(result.tuples, more: result.more), position: result.position)
    }

    private func take(_ exchange: Exchange) async throws -> Response {
        _ = try exchange.query()
        let body = try await jsonBody(exchange)
        var fields = try RequestFields(body)
        let template = try fields.template()
        let timeout = try fields.timeout()
        let reservation = try fields.reservation()
        try fields.finish(allowing: "template, timeout, reservation")
        let key = try Self.idempotencyKey(exchange, body: body)
        if let reservation { return try await reserve(exchange, template, timeout, for: reservation, key: key) }
        let space = exchange.parameter("space")
        let held = try await waiting(exchange, timeout) { [store] in
            let held = try await store.take(template, from: space, timeout: timeout, key: key)
            guard Task.isCancelled, let held else { return held }
            await held.release()
            throw CancellationError()
        }
        guard let held else { throw noMatch(timeout) }
        let response = respond(Self.json(held.stored), position: held.position)
        // The tuple is the client's once the socket took the reply, and goes back if the client is gone before.
        await exchange.connection.expectReply(
            delivered: { Task { await held.acknowledge() } }, lost: { Task { await held.release() } })
        return response
    }

    // MARK: Reading

    private func read(_ exchange: Exchange) async throws -> Response {
        let consistency = try consistency(exchange)
        var fields = try RequestFields(try await jsonBody(exchange))
        let template = try fields.template()
        let timeout = try fields.timeout()
        try fields.finish(allowing: "template, timeout")
        let space = exchange.parameter("space")
        let result = try await waiting(exchange, timeout) { [store] in
            try await store.read(template, from: space, timeout: timeout, consistency: consistency)
        }
        positions.advance(to: result.position)
        guard let stored = result.tuple else { throw noMatch(timeout, position: result.position) }
        return respond(Self.json(stored), position: result.position)
    }

    private func readAll(_ exchange: Exchange) async throws -> Response {
        let consistency = try consistency(exchange)
        var fields = try RequestFields(try await jsonBody(exchange))
        let template = try fields.template()
        let page = try fields.page()
        try fields.finish(allowing: "template, limit, order, after, before")
        let result = try await store.readAll(
            template, from: exchange.parameter("space"), page: page, consistency: consistency)
        return respond(Self.json(result.tuples, more: result.more), position: result.position)
    }

    private func count(_ exchange: Exchange) async throws -> Response {
        let consistency = try consistency(exchange)
        var fields = try RequestFields(try await jsonBody(exchange))
        let template = try fields.template()
        try fields.finish(allowing: "template")
        let result = try await store.count(template, in: exchange.parameter("space"), consistency: consistency)
        let count = TupleJSON.json(.int(Int64(clamping: result.count)))
        return respond(.object([.init("count", count)]), position: result.position)
    }

    // MARK: What they share

    /// Whoever waits counts against the limit, and is cancelled by a hang-up or when the server stops.
    func waiting<T: Sendable>(
        _ exchange: Exchange, _ timeout: Timeout, _ body: @escaping @Sendable () async throws -> T
    ) async throws -> T {
        if timeout == .none { return try await body() }
        return try await openRequests.enter(.wait).run(on: exchange.connection, body)
    }

    func jsonBody(_ exchange: Exchange) async throws -> [UInt8] {
        guard exchange.mediaType == "application/json" else {
            throw APIError(
                .unsupportedMediaType, "unsupported-media-type",
                "the body must be JSON; send Content-Type: application/json")
        }
        return try await exchange.body(upTo: GatewayLimits.bodyBytes)
    }

    func respond(_ json: JSON, status: HTTPResponse.Status = .ok, position: Position) -> Response {
        positions.advance(to: position)
        var response = Response.json(json, status: status)
        response.headers[.starlingPosition] = position.description
        return response
    }

    private static func json(_ result: WriteResult) -> JSON {
        .object([
            .init("id", .string(result.id.description)), .init("position", .string(result.position.description)),
        ])
    }

    private static func json(_ tuples: [StoredTuple], more: Bool) -> JSON {
        .object([.init("tuples", .array(tuples.map(json))), .init("more", .bool(more))])
    }

    private func tupleID(_ exchange: Exchange) throws(APIError) -> TupleID {
        let text = exchange.parameter("id")
        guard let id = UInt64(text), String(id) == text else {
            throw .malformed("a tuple's id is a decimal number, not '\(text.prefix(64))'")
        }
        return TupleID(id)
    }

    private func noTuple(_ position: Position?) -> APIError {
        let headers: HTTPFields = position.map { [.starlingPosition: $0.description] } ?? [:]
        return APIError(.notFound, "no-match", "there is no such tuple, or somebody holds it", headers: headers)
    }

    static func json(_ stored: StoredTuple) -> JSON {
        .object([.init("id", .string(stored.id.description)), .init("tuple", TupleJSON.json(stored.tuple))])
    }

    func noMatch(_ timeout: Timeout, position: Position? = nil) -> APIError {
        // Whoever was made to stop waiting did not miss.
        if timeout != .none, openRequests.isStopping { return OpenRequests.stopping }
        let when = timeout == .none ? "" : " before the time-out"
        let headers: HTTPFields = position.map { [.starlingPosition: $0.description] } ?? [:]
        return APIError(.notFound, "no-match", "no tuple matched\(when)", headers: headers)
    }

    private func consistency(_ exchange: Exchange) throws(APIError) -> Consistency {
        switch try exchange.query(allowing: "consistency")["consistency"] {
        case nil, "linearizable": return .linearizable
        case "local": return .local
        case "sequential":
            guard let position = exchange.request.headers[.starlingPosition].flatMap(Position.init) else {
                throw .malformed("sequential reads need a Starling-Position header, such as an earlier reply carried")
            }
            return .sequential(position)
        case let other?:
            throw .malformed("consistency is linearizable, sequential or local, not '\(other.prefix(64))'")
        }
    }

    /// The digest covers what the request asks for, so that another request under the same key is noticed.
    static func idempotencyKey(_ exchange: Exchange, body: [UInt8]) throws(APIError) -> IdempotencyKey? {
        guard let key = exchange.request.headers[.idempotencyKey] else { return nil }
        guard (1...Limits.idempotencyKeyBytes).contains(key.utf8.count) else {
            throw .malformed("an Idempotency-Key has 1 to \(Limits.idempotencyKeyBytes) bytes, not \(key.utf8.count)")
        }
        var hash = SHA256()
        hash.update(data: Array("\(exchange.request.method.rawValue) \(exchange.request.uri.path)\n".utf8))
        hash.update(data: body)
        return IdempotencyKey(key: key, digest: Array(hash.finalize()))
    }
}
