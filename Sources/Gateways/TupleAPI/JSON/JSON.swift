/// A JSON text as a value that keeps what RFC 8259 readers usually lose: whether a number was written as an integer,
/// and the order of members. Members are unique by their UTF-8 bytes.
package indirect enum JSON: Sendable {
    case null
    case bool(Bool)
    /// Written without fraction and exponent.
    case int(Int64)
    /// Written with fraction or exponent. Finite.
    case double(Double)
    case string(String)
    case array([JSON])
    case object([Member])

    package struct Member: Sendable {
        package var name: String
        package var value: JSON

        package init(_ name: String, _ value: JSON) {
            self.name = name
            self.value = value
        }
    }

    /// What a person calls this kind of value.
    /// Of a number without a fraction, however it is written. Only where no value of a tuple is meant.
    var integer: Int64? {
        switch self {
        case .int(let value): value
        case .double(let value): Int64(exactly: value)
        default: nil
        }
    }

    var kind: String {
        switch self {
        case .null: "null"
        case .bool: "a boolean"
        case .int: "an integer"
        case .double: "a number with fraction or exponent"
        case .string: "a string"
        case .array: "an array"
        case .object: "an object"
        }
    }
}

/// Why bytes are not a JSON text, or not one that we take. Positions count from 1; the column counts bytes.
struct MalformedJSON: Error, Equatable, CustomStringConvertible {
    var reason: String
    var line: Int
    var column: Int

    var description: String { "malformed JSON at line \(line), column \(column): \(reason)" }
}
