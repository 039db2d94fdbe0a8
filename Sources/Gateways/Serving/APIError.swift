import Hummingbird
import TupleSpace

/// An answer that says no, for a program (`code`) and a person (`message`).
struct APIError: Error, Equatable {
    var status: HTTPResponse.Status
    var code: String
    var message: String
    var headers: HTTPFields = [:]

    init(_ status: HTTPResponse.Status, _ code: String, _ message: String, headers: HTTPFields = [:]) {
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers
    }

    static func malformed(_ message: String) -> APIError { APIError(.badRequest, "malformed", message) }
    static func unsupported(_ message: String) -> APIError { APIError(.notImplemented, "unsupported", message) }
    static func busy(_ message: String) -> APIError {
        APIError(.serviceUnavailable, "busy", message, headers: [.retryAfter: "1"])
    }

    init(_ failure: Failure) {
        let status = Self.status(failure.code)
        var headers: HTTPFields = [:]
        if status == .serviceUnavailable { headers[.retryAfter] = "1" }
        // RFC 6750, 3.1.
        if failure.code == .unknownToken { headers[.wwwAuthenticate] = #"Bearer error="invalid_token""# }
        self.init(status, failure.code.rawValue, failure.message, headers: headers)
    }

    private static func status(_ code: Failure.Code) -> HTTPResponse.Status {
        switch code {
        case .malformed, .invalidTuple, .invalidTemplate, .invalidSpace, .templateTooBroad: .badRequest
        case .tupleTooLarge: .contentTooLarge
        case .notAllowed: .forbidden
        case .unknownToken: .unauthorized
        case .superseded, .alreadyAcknowledged, .statementFailed: .conflict
        case .positionGone, .sessionExpired: .gone
        case .idempotencyMismatch: .unprocessableContent
        case .unsupported: .notImplemented
        // Certainly not done: the same request may succeed later.
        case .busy, .noLeader, .diskFull, .sessionWindowFull, .tooManySessions, .tooManyWaiters, .tooManySpaces,
            .idempotencyFull, .limitReached:
            .serviceUnavailable
        // It may have been done.
        case .outcomeUnknown: .gatewayTimeout
        }
    }

    init(_ error: InvalidJSONValue, code: String) {
        self.init(.badRequest, code, error.description)
    }

    var json: JSON { .object([.init("error", .string(message)), .init("code", .string(code))]) }

    var response: Response {
        var response = Response.json(json, status: status)
        response.headers.append(contentsOf: headers)
        return response
    }
}

extension Response {
    static func json(_ json: JSON, status: HTTPResponse.Status = .ok) -> Response {
        var bytes = json.bytes
        bytes.append(UInt8(ascii: "\n"))
        return Response.json(bytes, status: status)
    }

    static func json(_ bytes: [UInt8], status: HTTPResponse.Status = .ok) -> Response {
        Response(
            status: status, headers: [.contentType: "application/json", .cacheControl: "no-store"],
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes)))
    }

    static func text(_ text: String, status: HTTPResponse.Status = .ok, type: String = "text/plain; charset=utf-8")
        -> Response
    {
        Response(
            status: status, headers: [.contentType: type, .cacheControl: "no-store"],
            body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
    }
}
