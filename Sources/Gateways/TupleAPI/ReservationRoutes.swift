import HTTPTypes
import Hummingbird
import TupleSpace

extension TupleRoutes {
    func complete(_ exchange: Exchange) async throws -> Response {
        let (id, key) = try begin(exchange)
        return try answer(id, try await store.complete(id, key: key))
    }

    func release(_ exchange: Exchange) async throws -> Response {
        let (id, key) = try begin(exchange)
        return try answer(id, try await store.release(id, key: key))
    }

    func extend(_ exchange: Exchange) async throws -> Response {
        _ = try exchange.query()
        let id = try reservationID(exchange)
        let body = try await jsonBody(exchange)
        var fields = try RequestFields(body)
        guard let milliseconds = try fields.reservation() else {
            throw APIError.malformed("'reservation' is missing: a number of seconds from now on")
        }
        try fields.finish(allowing: "reservation")
        let key = try Self.idempotencyKey(exchange, body: body)
        return try answer(id, try await store.extend(id, milliseconds: milliseconds, key: key))
    }

    /// A take whose tuple is kept for the reservation's number.
    func reserve(
        _ exchange: Exchange, _ template: Template, _ timeout: Timeout, for milliseconds: UInt64, key: IdempotencyKey?
    ) async throws -> Response {
        let space = exchange.parameter("space")
        let result = try await waiting(exchange, timeout) { [store] in
            try await store.reserve(template, from: space, timeout: timeout, for: milliseconds, key: key)
        }
        guard let reserved = result.reserved else { throw noMatch(timeout, position: result.position) }
        let response = respond(
            .object([
                .init("id", .string(reserved.stored.id.description)),
                .init("tuple", TupleJSON.json(reserved.stored.tuple)),
                .init("reservation", .string(reserved.reservation.description)),
            ]), position: result.position)
        // Under a key it can be asked for again; else nobody knows the number if the client is gone before it came.
        if key == nil {
            await exchange.connection.expectReply(
                delivered: {}, lost: { [store] in Task { try? await store.release(reserved.reservation) } })
        }
        return response
    }

    /// Of a request without a body.
    private func begin(_ exchange: Exchange) throws -> (ReservationID, IdempotencyKey?) {
        _ = try exchange.query()
        return (try reservationID(exchange), try Self.idempotencyKey(exchange, body: []))
    }

    private func reservationID(_ exchange: Exchange) throws(APIError) -> ReservationID {
        let text = exchange.parameter("id")
        guard let id = UInt64(text), String(id) == text else {
            throw .malformed("a reservation's id is a decimal number, not '\(text.prefix(64))'")
        }
        return ReservationID(id)
    }

    private func answer(_ id: ReservationID, _ result: (isThere: Bool, position: Position)) throws -> Response {
        guard result.isThere else {
            throw APIError(
                .notFound, "no-match", "there is no such reservation, or its time is up",
                headers: [.starlingPosition: result.position.description])
        }
        return respond(.object([.init("reservation", .string(id.description))]), position: result.position)
    }
}
