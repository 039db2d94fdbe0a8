import TupleSpace

/// One field of a template, and the Swift type of what it matches.
///
/// | in a template | matches | as |
/// | --- | --- | --- |
/// | `"resize"`, `5`, `kind` | what equals it | its own type |
/// | `.any` | anything | `Value` |
/// | `.any(Int.self)` | any int | `Int` |
/// | `1...5`, `"a"..<"m"` | numbers or strings between | the type of the ends |
/// | `.prefix("img/")` | strings that begin so | `String` |
/// | `.regex("^[a-z]+$")` | strings in which it is found | `String` |
public protocol FieldPattern: Sendable {
    associatedtype Matched: FieldValue
    var templateField: TemplateField { get }
}

/// What `any` and `any(_:)` make.
public struct AnyField<Matched: FieldValue>: FieldPattern {
    public var templateField: TemplateField { Matched.valueType.map { .type($0) } ?? .any }
}

/// What `prefix(_:)` and `regex(_:)` make.
public struct TextPattern: FieldPattern {
    public typealias Matched = String
    public let templateField: TemplateField
}

extension FieldPattern where Self == AnyField<Value> {
    /// Anything at all.
    public static var any: Self { AnyField() }
}

extension FieldPattern {
    /// Anything of a type.
    public static func any<T>(_ type: T.Type) -> Self where Self == AnyField<T> { AnyField() }
}

extension FieldPattern where Self == TextPattern {
    /// Strings that begin with this one, byte by byte of their UTF-8.
    public static func prefix(_ prefix: String) -> Self { TextPattern(templateField: .prefix(prefix)) }

    /// Strings in which the expression is found, as RE2 understands it, without classes of Unicode and case folding; at most
    /// `Limits.regexBytes`. Another one fails with `invalid-template` when it is used.
    public static func regex(_ expression: String) -> Self { TextPattern(templateField: .regex(expression)) }
}

/// What a range in a template may lie between: numbers, and strings in the order of their UTF-8.
///
/// The tuplespace compares all numbers: a range of `Int` matches a double between its ends too, and one with a fraction cannot be given as
/// an `Int`. Where both are written, ask for a range of `Double`.
public protocol RangeBound: FieldValue, Comparable {}

extension Int: RangeBound {}
extension Double: RangeBound {}
extension String: RangeBound {}

extension ClosedRange: FieldPattern where Bound: RangeBound {
    public typealias Matched = Bound
    public var templateField: TemplateField {
        .range(lower: lowerBound.fieldValue, upper: upperBound.fieldValue, open: false)
    }
}

extension Range: FieldPattern where Bound: RangeBound {
    public typealias Matched = Bound
    public var templateField: TemplateField {
        .range(lower: lowerBound.fieldValue, upper: upperBound.fieldValue, open: true)
    }
}
