extension Template {
    public func matches(_ tuple: Tuple) -> Bool {
        fields.count == tuple.fields.count && zip(fields, tuple.fields).allSatisfy { $0.matches($1) }
    }
}

extension TemplateField {
    public func matches(_ value: Value) -> Bool {
        switch self {
        case .any: true
        case .literal(let literal): literal == value
        case .type(let type): type.includes(value)
        case .range(let lower, let upper, let open): Self.range(lower, upper, open: open, includes: value)
        case .prefix(let prefix):
            if case .string(let text) = value { text.utf8.starts(with: prefix.utf8) } else { false }
        case .regex(let pattern):
            if case .string(let text) = value { RegexEngine.matches(pattern, text) } else { false }
        }
    }

    private static func range(_ lower: Value, _ upper: Value, open: Bool, includes value: Value) -> Bool {
        if case .string(let lower) = lower, case .string(let upper) = upper, case .string(let text) = value {
            return !text.precedesInUTF8(lower) && (open ? text.precedesInUTF8(upper) : !upper.precedesInUTF8(text))
        }
        guard let lower = lower.exactNumber, let upper = upper.exactNumber, let number = value.exactNumber else {
            return false
        }
        let order = ExactNumber.compare(number, upper)
        return ExactNumber.compare(number, lower) != .less && (order == .less || (!open && order == .same))
    }
}

extension ValueType {
    public func includes(_ value: Value) -> Bool {
        switch (self, value) {
        case (.string, .string), (.number, .int), (.number, .double), (.int, .int), (.float, .double), (.bool, .bool),
            (.bytes, .bytes), (.list, .list), (.map, .map), (.symbol, .symbol):
            true
        default: false
        }
    }
}

extension Value {
    var exactNumber: ExactNumber? {
        switch self {
        case .int(let value): .int(value)
        case .double(let value): ExactNumber(value)
        default: nil
        }
    }
}
