/// One field of a tuple. Two values are equal if they have the same type and contents; ints and doubles are one type for this
/// purpose and compare exactly (`5` equals `5.0`, and 2^53 + 1 equals no double). Strings compare as UTF-8 bytes.
public indirect enum Value: Sendable {
    case null
    case bool(Bool)
    case int(Int64)
    /// Finite: NaN and infinities are refused wherever a value comes in.
    case double(Double)
    case string(String)
    case bytes([UInt8])
    case list([Value])
    case map([MapEntry])
    case symbol(String)

    /// Keys are unique and in ascending order of their UTF-8 bytes.
    public struct MapEntry: Sendable, Hashable {
        public var key: String
        public var value: Value

        public init(key: String, value: Value) {
            self.key = key
            self.value = value
        }
    }
}

/// An ordered list of 1 to 64 values, at most 1 MiB encoded.
public struct Tuple: Sendable, Hashable {
    public var fields: [Value]

    public init(_ fields: [Value]) { self.fields = fields }
}

/// A pattern with as many fields as the tuples that it matches.
public struct Template: Sendable, Hashable {
    public var fields: [TemplateField]

    public init(_ fields: [TemplateField]) { self.fields = fields }
}

public indirect enum TemplateField: Sendable, Hashable {
    case any
    case literal(Value)
    case type(ValueType)
    /// Both ends are numbers or both are strings. The lower end belongs to the range; the upper one unless `open`.
    case range(lower: Value, upper: Value, open: Bool)
    /// Strings whose UTF-8 begins with these bytes.
    case prefix(String)
    /// Strings in which the expression is found: see `RegexDialect`.
    case regex(String)
}

public enum ValueType: UInt8, Sendable, Hashable, CaseIterable {
    case string = 0, number, int, float, bool, bytes, list, map, symbol
}
