import ByteCoding

/// The first byte of an encoded template field. 7 is reserved for formals, the rest for later.
enum FieldTag {
    static let any: UInt8 = 0
    static let literal: UInt8 = 1
    static let type: UInt8 = 2
    static let closedRange: UInt8 = 3
    static let openRange: UInt8 = 4
    static let prefix: UInt8 = 5
    static let regex: UInt8 = 6
}

extension Template {
    public func encode(into writer: inout ByteWriter) {
        writer.writeVarint(UInt64(fields.count))
        for field in fields { field.encode(into: &writer) }
    }

    public init(from reader: inout ByteReader) throws(MalformedBytes) {
        let start = reader.offset
        let count = try reader.readCount(of: "template fields")
        guard (1...Limits.fieldsPerTuple).contains(count) else {
            throw MalformedBytes("a template has 1 to \(Limits.fieldsPerTuple) fields", at: start)
        }
        fields = []
        fields.reserveCapacity(count)
        for _ in 0..<count { fields.append(try TemplateField(from: &reader)) }
        guard reader.offset - start <= Limits.tupleBytes else {
            throw MalformedBytes("template exceeds \(Limits.tupleBytes) bytes", at: start)
        }
    }
}

extension TemplateField {
    public func encode(into writer: inout ByteWriter) {
        switch self {
        case .any: writer.write(FieldTag.any)
        case .literal(let value):
            writer.write(FieldTag.literal)
            value.encode(into: &writer)
        case .type(let type):
            writer.write(FieldTag.type)
            writer.write(type.rawValue)
        case .range(let lower, let upper, let open):
            writer.write(open ? FieldTag.openRange : FieldTag.closedRange)
            lower.encode(into: &writer)
            upper.encode(into: &writer)
        case .prefix(let text):
            writer.write(FieldTag.prefix)
            writer.write(text)
        case .regex(let pattern):
            writer.write(FieldTag.regex)
            writer.write(pattern)
        }
    }

    public init(from reader: inout ByteReader) throws(MalformedBytes) {
        let start = reader.offset
        let tag = try reader.readByte("template field")
        switch tag {
        case FieldTag.any: self = .any
        case FieldTag.literal: self = .literal(try Value(from: &reader))
        case FieldTag.type:
            guard let type = ValueType(rawValue: try reader.readByte("type")) else {
                throw MalformedBytes("unknown type", at: start)
            }
            self = .type(type)
        case FieldTag.closedRange, FieldTag.openRange:
            let lower = try Value(from: &reader)
            let upper = try Value(from: &reader)
            guard lower.canBound(with: upper) else {
                throw MalformedBytes("the ends of a range are two numbers or two strings", at: start)
            }
            self = .range(lower: lower, upper: upper, open: tag == FieldTag.openRange)
        case FieldTag.prefix: self = .prefix(try reader.readString("prefix"))
        case FieldTag.regex:
            let pattern = try reader.readString("regular expression")
            if let problem = RegexDialect.problem(in: pattern) {
                throw MalformedBytes("the regular expression cannot be used: \(problem)", at: start)
            }
            self = .regex(pattern)
        default: throw MalformedBytes("unknown kind of template field", at: start)
        }
    }
}

extension Value {
    var isNumber: Bool {
        switch self {
        case .int, .double: true
        default: false
        }
    }

    var isString: Bool {
        if case .string = self { true } else { false }
    }

    /// Whether two values can be the ends of one range.
    func canBound(with other: Value) -> Bool { isNumber && other.isNumber || isString && other.isString }
}
