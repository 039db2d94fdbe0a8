import HTTPTypes
import Hummingbird
import NIOCore

/// What Hummingbird makes per request; all we want is the connection.
struct GatewayContext: InitializableFromSource {
    let connection: Connection

    init(source: ApplicationRequestContextSource) {
        connection = Connection(channel: source.channel)
    }
}

/// One request as a handler sees it.
struct Exchange: Sendable {
    let request: Request
    /// The path's variable components by name, percent-decoded.
    let parameters: [String: String]
    let query: [(name: String, value: String)]
    let connection: Connection

    /// - Throws: 400 if a query parameter is none of these, or is given twice: nothing that a client asks for is
    /// ignored.
    func query(allowing names: String...) throws(APIError) -> [String: String] {
        var values: [String: String] = [:]
        for (name, value) in query {
            guard names.contains(name) else {
                let known =
                    names.isEmpty ? "this route takes none" : "this route takes \(names.joined(separator: ", "))"
                throw .malformed("unknown query parameter '\(name.prefix(64))': \(known)")
            }
            guard values.updateValue(value, forKey: name) == nil else {
                throw .malformed("the query parameter '\(name)' is given twice")
            }
        }
        return values
    }

    /// A component of the path that the route names, so it is there.
    func parameter(_ name: String) -> String { parameters[name] ?? "" }

    /// The whole body.
    /// - Throws: 413 if it is longer than `limit`.
    func body(upTo limit: Int) async throws -> [UInt8] {
        do {
            let buffer = try await request.body.collect(upTo: limit)
            return Array(buffer.readableBytesView)
        } catch is NIOTooManyBytesError {
            throw APIError(.contentTooLarge, "too-large", "the body is larger than \(limit) bytes")
        }
    }

    /// The media type of the body, without parameters, in lower case.
    var mediaType: String {
        let field = request.headers[.contentType] ?? ""
        let type = field.prefix { $0 != ";" }.lowercased()
        return String(type.drop { $0 == " " }.prefix { $0 != " " })
    }
}
