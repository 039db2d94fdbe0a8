import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import NIOHTTP1
import TupleSpace

/// From a request to its response: finds the handler, turns what it throws into an answer, and sets what all answers
/// carry.
struct GatewayResponder: HTTPResponder {
    typealias Context = GatewayContext

    let routes: Routes
    let metrics: HTTPMetrics
    let positions: LatestPosition
    let logger: Logger
    /// Makes the page that tells a person of an error.
    let errorPage: @Sendable (APIError) async -> Response

    func respond(to request: Request, context: GatewayContext) async throws -> Response {
        let started = ContinuousClock.now
        let path = request.uri.path
        let id = RequestID.of(request)
        var route = "none"
        var response: Response
        do {
            response = try await answer(request, context: context, route: &route)
        } catch let error as HTTPParserError {
            throw error
        } catch {
            let apiError = Self.apiError(error, id, logger)
            response = Self.isForPrograms(path) ? apiError.response : await page(of: apiError)
        }
        if Self.isForPrograms(path), response.headers[.starlingPosition] == nil {
            response.headers[.starlingPosition] =
                positions.value(atLeast: request.headers[.starlingPosition]).description
        }
        response.headers[.contentTypeOptions] = "nosniff"
        response.headers[.requestID] = id
        let duration = ContinuousClock.now - started
        note(request, id, route, response.status, duration, logger)
        metrics.record(
            method: request.method.rawValue, route: route, status: response.status.code, seconds: duration / .seconds(1)
        )
        return request.method == .head ? response.createHeadResponse() : response
    }

    /// A line for each request at level debug. What a server could not do is for everybody: but that it has no leader, or is busy, it says
    /// by itself.
    private func note(
        _ request: Request, _ id: String, _ route: String, _ status: HTTPResponse.Status, _ duration: Duration,
        _ logger: Logger
    ) {
        logger.log(
            level: status.code == 500 ? .error : .debug, "HTTP request",
            metadata: [
                "request_id": "\(id)", "method": "\(request.method.rawValue)", "route": "\(route)",
                "status": "\(status.code)",
                "milliseconds": "\(Double(Int64(duration / .microseconds(1))) / 1_000)",
            ])
    }

    private func answer(_ request: Request, context: GatewayContext, route: inout String) async throws -> Response {
        switch routes.match(request.method, request.uri.path) {
        case .found(let pattern, let parameters, let handler):
            route = pattern
            guard let query = PercentCoding.pairs(request.uri.query ?? "") else {
                throw APIError.malformed("the query is not percent-encoded UTF-8")
            }
            let exchange = Exchange(
                request: request, parameters: parameters, query: query, connection: context.connection)
            return try await handler(exchange)
        case .methodNotAllowed(let allowed):
            let names = allowed.map(\.rawValue).joined(separator: ", ")
            throw APIError(
                .methodNotAllowed, "method-not-allowed", "this route takes \(names), not \(request.method.rawValue)",
                headers: [.allow: names])
        case .notFound:
            throw APIError(.notFound, "not-found", "there is nothing at this address")
        case .malformed:
            throw APIError.malformed("the path is not percent-encoded UTF-8")
        }
    }

    private func page(of error: APIError) async -> Response {
        var response = await errorPage(error)
        for field in error.headers { response.headers[field.name] = field.value }
        return response
    }

    private static func apiError(_ error: any Error, _ id: String, _ logger: Logger) -> APIError {
        switch error {
        case let error as APIError: return error
        case let failure as Failure: return APIError(failure)
        case let error as MalformedJSON: return .malformed(error.description)
        // Nobody reads the answer to a request whose client hung up.
        case is CancellationError: return .busy("the request was cancelled")
        default:
            logger.error("A request failed unexpectedly", metadata: ["error": "\(error)", "request_id": "\(id)"])
            return APIError(
                .internalServerError, "internal", "an unexpected error; the server's log says more of request \(id)")
        }
    }

    /// Whether errors at this path are JSON, not pages.
    static func isForPrograms(_ path: String) -> Bool {
        let first = path.split(separator: "/", maxSplits: 1).first.map(String.init) ?? ""
        return ["v1", "livez", "readyz", "health", "metrics", "openapi.json"].contains(first)
    }
}

extension HTTPField.Name {
    // The names are tokens, so each of these is there.
    static let starlingPosition = HTTPField.Name("Starling-Position")!
    static let idempotencyKey = HTTPField.Name("Idempotency-Key")!
    static let contentTypeOptions = HTTPField.Name("X-Content-Type-Options")!
    static let requestID = HTTPField.Name("X-Request-Id")!
    static let referrerPolicy = HTTPField.Name("Referrer-Policy")!
    static let lastEventID = HTTPField.Name("Last-Event-ID")!
    static let secFetchSite = HTTPField.Name("Sec-Fetch-Site")!
}

/// By what a request is found in logs: the client's own id for it, or one made here. Every answer carries it.
enum RequestID {
    static func of(_ request: Request) -> String {
        guard let given = request.headers[.requestID], isUsable(given) else {
            return String(UInt64.random(in: 1 << 60 ... .max), radix: 16)
        }
        return given
    }

    /// 1 to 64 of letters, digits, `-`, `_`, `.`: whatever else it is would be in our log.
    static func isUsable(_ text: String) -> Bool {
        (1...64).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
                    true
                default: false
                }
            }
    }
}
