import HTTPTypes
import Hummingbird
import Logging
import NIOCore

/// What Hummingbird makes per request; all we want is the connection.
struct GatewayContext: InitializableFromSource {
    let connection: Connection
    let logger: Logger

    init(source: ApplicationRequestContextSource) {
        connection = Connection(channel: source.channel)
        logger = source.logger
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

/// Percent-encoding as the WHATWG's URLs have it.
enum PercentCoding {
    /// Nil if a `%` is not followed by two hexadecimal digits, or the result is not UTF-8.
    static func decode(_ text: some StringProtocol, plusIsSpace: Bool = false) -> String? {
        var bytes: [UInt8] = []
        var rest = Substring(text).utf8
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "%"):
                guard let high = rest.popFirst().flatMap(hexDigit), let low = rest.popFirst().flatMap(hexDigit) else {
                    return nil
                }
                bytes.append(high << 4 | low)
            case UInt8(ascii: "+") where plusIsSpace: bytes.append(UInt8(ascii: " "))
            default: bytes.append(byte)
            }
        }
        return String(validating: bytes, as: UTF8.self)
    }

    private static func hexDigit(_ byte: UInt8) -> UInt8? {
        Character(Unicode.Scalar(byte)).hexDigitValue.map { UInt8($0) }
    }

    /// Everything but RFC 3986's unreserved characters is encoded, so the result fits a path component or a query's
    /// value.
    static func encode(_ text: String) -> String {
        var encoded = ""
        for byte in text.utf8 {
            let scalar = Unicode.Scalar(byte)
            let isUnreserved = byte < 0x80 && (scalar.properties.isAlphabetic || scalar.properties.numericType != nil)
            if isUnreserved || "-._~".unicodeScalars.contains(scalar) {
                encoded.unicodeScalars.append(scalar)
            } else {
                let hex = String(byte, radix: 16, uppercase: true)
                encoded += hex.count == 1 ? "%0\(hex)" : "%\(hex)"
            }
        }
        return encoded
    }

    /// `a=b&c=d`, of a query or a form. Nil if it is not that.
    static func pairs(_ text: some StringProtocol) -> [(name: String, value: String)]? {
        var pairs: [(name: String, value: String)] = []
        for part in text.split(separator: "&") {
            let halves = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = decode(halves[0], plusIsSpace: true),
                let value = decode(halves.count == 2 ? halves[1] : "", plusIsSpace: true)
            else { return nil }
            pairs.append((name, value))
        }
        return pairs
    }
}
