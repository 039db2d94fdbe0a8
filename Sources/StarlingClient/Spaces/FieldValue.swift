import TupleSpace

/// A Swift type that can be a field of a tuple: `String`, `Int`, `Double`, `Bool`, `[UInt8]`, and `Value` for whatever may come.
///
/// An enumeration with raw values needs nothing but the name:
///
///     enum Kind: String, FieldValue { case resize, crop }
public protocol FieldValue: FieldPattern where Matched == Self {
    /// What `any(Self.self)` matches; nil is anything.
    static var valueType: ValueType? { get }
    var fieldValue: Value { get }
    /// Nil if the value is none of this type.
    init?(fieldValue: Value)
}

extension FieldValue {
    public var templateField: TemplateField { .literal(fieldValue) }
}

extension FieldValue where Self: RawRepresentable, RawValue: FieldValue {
    public static var valueType: ValueType? { RawValue.valueType }
    public var fieldValue: Value { rawValue.fieldValue }

    public init?(fieldValue: Value) {
        guard let rawValue = RawValue(fieldValue: fieldValue) else { return nil }
        self.init(rawValue: rawValue)
    }
}

extension String: FieldValue {
    public typealias Matched = String
    public static var valueType: ValueType? { .string }
    public var fieldValue: Value { .string(self) }

    public init?(fieldValue: Value) {
        guard case .string(let text) = fieldValue else { return nil }
        self = text
    }
}

extension Int: FieldValue {
    public typealias Matched = Int
    public static var valueType: ValueType? { .int }
    public var fieldValue: Value { .int(Int64(self)) }

    /// A double without a fraction is an int too: the literal 5 matches 5.0.
    public init?(fieldValue: Value) {
        switch fieldValue {
        case .int(let number): self.init(exactly: number)
        case .double(let number): self.init(exactly: number)
        default: return nil
        }
    }
}

extension Double: FieldValue {
    public typealias Matched = Double
    /// Ints too: other languages write 5 where they mean 5.0.
    public static var valueType: ValueType? { .number }
    public var fieldValue: Value { .double(self) }

    /// Rounded, for ints beyond 2^53.
    public init?(fieldValue: Value) {
        switch fieldValue {
        case .int(let number): self.init(number)
        case .double(let number): self = number
        default: return nil
        }
    }
}

extension Bool: FieldValue {
    public typealias Matched = Bool
    public static var valueType: ValueType? { .bool }
    public var fieldValue: Value { .bool(self) }

    public init?(fieldValue: Value) {
        guard case .bool(let truth) = fieldValue else { return nil }
        self = truth
    }
}

extension [UInt8]: FieldPattern, FieldValue {
    public typealias Matched = [UInt8]
    public static var valueType: ValueType? { .bytes }
    public var fieldValue: Value { .bytes(self) }

    public init?(fieldValue: Value) {
        guard case .bytes(let bytes) = fieldValue else { return nil }
        self = bytes
    }
}

/// Any value as it is: null, lists, maps and symbols are written and found so.
extension Value: FieldValue {
    public typealias Matched = Value
    public static var valueType: ValueType? { nil }
    public var fieldValue: Value { self }

    public init?(fieldValue: Value) { self = fieldValue }
}
