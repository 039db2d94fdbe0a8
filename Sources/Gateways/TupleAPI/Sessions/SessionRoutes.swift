import Crypto
import HTTPTypes
import Hummingbird
import TupleSpace

extension TupleRoutes {
    /// Milliseconds, if the client does not say.
    private static let usualTimeout: UInt64 = 60_000

    /// For a request that may be in a session: with the store of its own command there.
    func inSession(_ exchange: Exchange) throws(APIError) -> TupleRoutes {
        guard let header = try exchange.placeInSession() else { return self }
        var routes = self
        routes.store = CommandInSession(store: store, header: header)
        return routes
    }

    func addSessions(to routes: inout Routes) {
        func on(
            _ method: HTTPRequest.Method, _ pattern: String,
            _ handler: @escaping @Sendable (TupleRoutes, Exchange) async throws -> Response
        ) {
            routes.on(method, "/v1/sessions" + pattern) { exchange in
                try await acting(for: exchange) { try await handler($0, exchange) }
            }
        }
        on(.post, "") { try await $0.openSession($1) }
        on(.delete, "/:id") { try await $0.endSession($1) }
        on(.post, "/:id/keep-alive") { try await $0.keepAlive($1) }
        on(.post, "/:id/acknowledge") { try await $0.acknowledge($1) }
        on(.post, "/:id/release") { try await $0.release(inSession: $1) }
        on(.post, "/:id/cancel") { try await $0.cancel($1) }
        on(.put, "/:id/failure") { try await $0.setFailureTuples($1) }
    }

    // MARK: - The session itself

    func openSession(_ exchange: Exchange) async throws -> Response {
        _ = try exchange.query()
        for name in [HTTPField.Name.starlingSession, .starlingSequence, .starlingAcknowledged] {
            try exchange.refuse(name, "\(name) is about a session that is open: leave it away")
        }
        let body = try await jsonBody(exchange)
        var fields = try RequestFields(body)
        let timeout = try fields.sessionTimeout() ?? Self.usualTimeout
        let failureTuples = try fields.failureTuples() ?? []
        try fields.finish(allowing: "timeout, failure")
        let id = Self.newSession(try Self.idempotencyKey(exchange, body: body), exchange)
        let header = CommandHeader(session: id, sequence: 0)
        try Operation.leave(failureTuples).validate()
        var position = try await store.perform(.openSession(timeoutMilliseconds: timeout), under: header).position
        if !failureTuples.isEmpty { position = try await leave(failureTuples, under: header) }
        let seconds = JSON.double(Double(timeout) / 1_000)
        return respond(
            .object([
                .init("session", .string(String(id.rawValue))),
                .init("timeout", seconds.integer.map(JSON.int) ?? seconds),
            ]), status: .created, position: position)
    }

    /// What a session leaves from its beginning on. Under the number 0 too: it comes once only, behind the opening.
    private func leave(
        _ failureTuples: [FailureTuple], under header: CommandHeader
    ) async throws(Failure) -> Position {
        do {
            return try await store.perform(.leave(failureTuples), under: header).position
        } catch {
            switch error.code {
            // Sent again by a client that had got the first answer.
            case .alreadyAcknowledged: return positions.value(atLeast: nil)
            // It can be sent again.
            case .outcomeUnknown, .busy, .noLeader, .diskFull: break
            default: _ = try? await store.perform(.endSession, under: .passing(in: header.session))
            }
            throw error
        }
    }

    /// Under a key it is always the same, so that the session is opened once.
    private static func newSession(_ key: IdempotencyKey?, _ exchange: Exchange) -> SessionID {
        // Of at most 18 digits: a number that also signed ones can hold.
        let ids: ClosedRange<UInt64> = 1...999_999_999_999_999_999
        guard let key else { return SessionID(.random(in: ids)) }
        var hash = SHA256()
        // Two users who choose the same key do not mean the same session.
        for part in [exchange.request.headers[.authorization] ?? "", key.key] {
            hash.update(data: Array("\(part.utf8.count) \(part)".utf8))
        }
        hash.update(data: key.digest)
        let number = hash.finalize().prefix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        return SessionID(number % ids.upperBound + 1)
    }

    func keepAlive(_ exchange: Exchange) async throws -> Response {
        try await pass(.acknowledge, exchange)
    }

    func endSession(_ exchange: Exchange) async throws -> Response {
        try await pass(.endSession, exchange)
    }

    private func pass(_ operation: Operation, _ exchange: Exchange) async throws -> Response {
        _ = try exchange.query()
        let session = try exchange.sessionInPath()
        return try await answer(session, operation, under: exchange.passing(in: session))
    }

    // MARK: - What it holds, waits for and leaves

    func acknowledge(_ exchange: Exchange) async throws -> Response {
        _ = try exchange.query()
        let session = try exchange.sessionInPath()
        var fields = try RequestFields(try await jsonBody(exchange))
        let sequences = try fields.sequences()
        try fields.finish(allowing: "sequences")
        return try await answer(session, .acknowledge, under: exchange.passing(in: session, acknowledged: sequences))
    }

    func release(inSession exchange: Exchange) async throws -> Response {
        try await actOnSequence(exchange) { .release(sequence: $0) }
    }

    func cancel(_ exchange: Exchange) async throws -> Response {
        try await actOnSequence(exchange) { .cancel(sequence: $0) }
    }

    private func actOnSequence(
        _ exchange: Exchange, _ operation: (UInt64) -> Operation
    ) async throws -> Response {
        _ = try exchange.query()
        let session = try exchange.sessionInPath()
        let header = try exchange.numbered(in: session)
        var fields = try RequestFields(try await jsonBody(exchange))
        let sequence = try fields.sequence()
        try fields.finish(allowing: "sequence")
        return try await answer(session, operation(sequence), under: header)
    }

    /// In the place of what the session left before.
    func setFailureTuples(_ exchange: Exchange) async throws -> Response {
        _ = try exchange.query()
        let session = try exchange.sessionInPath()
        let header = try exchange.numbered(in: session)
        var fields = try RequestFields(try await jsonBody(exchange))
        guard let failureTuples = try fields.failureTuples() else { throw APIError.malformed("'failure' is missing") }
        try fields.finish(allowing: "failure")
        return try await answer(session, .leave(failureTuples), under: header)
    }

    private func answer(
        _ session: SessionID, _ operation: Operation, under header: CommandHeader
    ) async throws -> Response {
        let result = try await CommandInSession(store: store, header: header).perform(operation, under: header)
        return respond(.object([.init("session", .string(String(session.rawValue)))]), position: result.position)
    }
}
