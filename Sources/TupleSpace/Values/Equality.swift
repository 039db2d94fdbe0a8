// Equality, order and hashing of values. Strings go by their UTF-8 bytes; numbers go by what they are, exactly.

extension Value: Hashable {
    public static func == (a: Value, b: Value) -> Bool {
        switch (a, b) {
        case (.null, .null): true
        case (.bool(let x), .bool(let y)): x == y
        case (.int(let x), .int(let y)): x == y
        case (.double(let x), .double(let y)): x == y
        case (.int(let x), .double(let y)), (.double(let y), .int(let x)): ExactNumber.compare(x, y) == .same
        case (.string(let x), .string(let y)), (.symbol(let x), .symbol(let y)): x.hasSameUTF8(as: y)
        case (.bytes(let x), .bytes(let y)): x == y
        case (.list(let x), .list(let y)): x == y
        case (.map(let x), .map(let y)): x == y
        default: false
        }
    }

    public func hash(into hasher: inout Hasher) {
        switch self {
        case .null: hasher.combine(0 as UInt8)
        case .bool(let value): hasher.combine(value ? 2 : 1 as UInt8)
        case .int(let value): ExactNumber.int(value).hash(into: &hasher)
        case .double(let value): ExactNumber(value).hash(into: &hasher)
        case .string(let value):
            hasher.combine(5 as UInt8)
            value.hashUTF8(into: &hasher)
        case .bytes(let value):
            hasher.combine(6 as UInt8)
            hasher.combine(value)
        case .list(let values):
            hasher.combine(7 as UInt8)
            hasher.combine(values)
        case .map(let entries):
            hasher.combine(8 as UInt8)
            hasher.combine(entries)
        case .symbol(let value):
            hasher.combine(9 as UInt8)
            value.hashUTF8(into: &hasher)
        }
    }
}

extension Value.MapEntry {
    public static func == (a: Self, b: Self) -> Bool { a.key.hasSameUTF8(as: b.key) && a.value == b.value }

    public func hash(into hasher: inout Hasher) {
        key.hashUTF8(into: &hasher)
        hasher.combine(value)
    }
}

extension TemplateField {
    public static func == (a: Self, b: Self) -> Bool {
        switch (a, b) {
        case (.any, .any): true
        case (.literal(let x), .literal(let y)): x == y
        case (.type(let x), .type(let y)): x == y
        case (.range(let l, let u, let o), .range(let l2, let u2, let o2)): l == l2 && u == u2 && o == o2
        case (.prefix(let x), .prefix(let y)), (.regex(let x), .regex(let y)): x.hasSameUTF8(as: y)
        default: false
        }
    }

    public func hash(into hasher: inout Hasher) {
        switch self {
        case .any: hasher.combine(0 as UInt8)
        case .literal(let value):
            hasher.combine(1 as UInt8)
            hasher.combine(value)
        case .type(let type):
            hasher.combine(2 as UInt8)
            hasher.combine(type)
        case .range(let lower, let upper, let open):
            hasher.combine(3 as UInt8)
            hasher.combine(lower)
            hasher.combine(upper)
            hasher.combine(open)
        case .prefix(let text):
            hasher.combine(4 as UInt8)
            text.hashUTF8(into: &hasher)
        case .regex(let pattern):
            hasher.combine(5 as UInt8)
            pattern.hashUTF8(into: &hasher)
        }
    }
}

/// A number in its one canonical form: every double that is an integer of 64 bits is that integer.
enum ExactNumber: Hashable {
    case int(Int64)
    /// With a fraction, or beyond 64 bits.
    case double(Double)

    enum Order { case less, same, greater }

    init(_ double: Double) {
        if let int = Int64(exactly: double) { self = .int(int) } else { self = .double(double) }
    }

    /// Exact, though no double can hold most large integers.
    static func compare(_ int: Int64, _ double: Double) -> Order {
        if double >= 0x1p63 { return .less }
        if double < -0x1p63 { return .greater }
        // Now the integral part fits; a fraction decides only when the integral parts are the same.
        let whole = double.rounded(.towardZero)
        let wholeInt = Int64(whole)
        if int != wholeInt { return int < wholeInt ? .less : .greater }
        if double == whole { return .same }
        return double > whole ? .less : .greater
    }

    static func compare(_ a: ExactNumber, _ b: ExactNumber) -> Order {
        switch (a, b) {
        case (.int(let x), .int(let y)): return x == y ? .same : (x < y ? .less : .greater)
        case (.double(let x), .double(let y)): return x == y ? .same : (x < y ? .less : .greater)
        case (.int(let x), .double(let y)): return compare(x, y)
        case (.double(let x), .int(let y)):
            switch compare(y, x) {
            case .less: return .greater
            case .same: return .same
            case .greater: return .less
            }
        }
    }
}

extension String {
    /// Swift's own `==` is canonical equivalence, which depends on a Unicode version.
    func hasSameUTF8(as other: String) -> Bool { utf8.elementsEqual(other.utf8) }

    func precedesInUTF8(_ other: String) -> Bool { utf8.lexicographicallyPrecedes(other.utf8) }

    func hashUTF8(into hasher: inout Hasher) {
        var copy = self
        copy.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
        hasher.combine(0xFF as UInt8)
    }
}
