import HTTPTypes
import Hummingbird
import NIOCore
import TupleSpace

/// Server-sent events: what happens to tuples that match, from a position on. Each event's `id:` is its position, so a
/// client that reconnects with `Last-Event-ID` goes on without gap or repeat; a browser's EventSource does that by
/// itself.
extension TupleRoutes {
    func events(_ exchange: Exchange) async throws -> Response {
        let query = try exchange.query(allowing: "template", "from")
        let template = try query["template"].map(Self.template)
        // After a break, what the client saw last counts, not where it once began.
        let position =
            try Self.position(exchange.request.headers[.lastEventID], "Last-Event-ID")
            ?? Self.position(query["from"], "from")
        var response = Response(
            status: .ok,
            headers: [.contentType: "text/event-stream", .cacheControl: "no-store", .contentTypeOptions: "nosniff"])
        guard exchange.request.method != .head else { return response }

        let ticket = try openRequests.enter(.stream)
        let stream = try await store.events(matching: template, in: exchange.parameter("space"), after: position)
        response.body = ResponseBody { [heartbeat] writer in
            let queue = EventQueue(startingAt: position)
            let pump = Task {
                do {
                    try await ticket.run(on: exchange.connection) { try await queue.pump(stream, heartbeat: heartbeat) }
                } catch { queue.fail(error) }
            }
            defer { pump.cancel() }
            try await queue.drain(into: &writer)
            try await writer.finish(nil)
        }
        return response
    }

    private static func template(_ text: String) throws -> Template {
        let json = try JSONParser.parse(Array(text.utf8))
        do {
            return try TemplateJSON.template(json)
        } catch {
            throw APIError(error, code: "invalid-template")
        }
    }

    private static func position(_ text: String?, _ name: String) throws(APIError) -> Position? {
        guard let text else { return nil }
        guard let position = Position(text) else {
            throw .malformed("\(name) is a position such as 12.0, not '\(text.prefix(64))'")
        }
        return position
    }
}
