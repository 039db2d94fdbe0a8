import ByteCoding

/// Templates as their encoded bytes.
enum EncodedTemplate {
    /// Moves behind a template, checking everything that the decoder checks.
    static func check(_ scan: inout ByteScan) {
        let start = scan.offset
        let count = scan.varint()
        guard count >= 1, count <= UInt64(Limits.fieldsPerTuple), count <= UInt64(scan.remaining) else {
            return scan.fail()
        }
        for _ in 0..<count where !scan.failed { checkField(&scan) }
        if scan.offset - start > Limits.tupleBytes { scan.fail() }
    }

    private static func checkField(_ scan: inout ByteScan) {
        switch scan.byte() {
        case FieldTag.any: return
        case FieldTag.literal: EncodedValue.check(&scan)
        case FieldTag.type:
            if ValueType(rawValue: scan.byte()) == nil { scan.fail() }
        case FieldTag.closedRange, FieldTag.openRange:
            let lower = scan.offset < scan.bytes.count ? scan.bytes[scan.offset] : 0
            EncodedValue.check(&scan)
            let upper = scan.offset < scan.bytes.count ? scan.bytes[scan.offset] : 0
            EncodedValue.check(&scan)
            let strings = lower == ValueTag.string && upper == ValueTag.string
            if !strings && !(isNumber(lower) && isNumber(upper)) { scan.fail() }
        case FieldTag.prefix: _ = scan.text()
        case FieldTag.regex:
            let pattern = scan.text()
            if !scan.failed, !RegexDialect.isValid(pattern) { scan.fail() }
        default: scan.fail()
        }
    }

    @inline(__always)
    private static func isNumber(_ tag: UInt8) -> Bool { tag == ValueTag.int || tag == ValueTag.double }

    /// Moves behind a checked field and says whether it was a literal, with its key.
    @inline(__always)
    private static func key(_ scan: inout ByteScan, _ keys: FieldKeys, at position: Int) -> UInt64? {
        switch scan.byte() {
        case FieldTag.literal: return keys.literal(&scan, at: position)
        case FieldTag.type: _ = scan.byte()
        case FieldTag.closedRange, FieldTag.openRange:
            EncodedValue.skip(&scan)
            EncodedValue.skip(&scan)
        case FieldTag.prefix, FieldTag.regex: _ = scan.prefixed()
        default: break
        }
        return nil
    }

    /// Calls `visit` with the key of each literal field in turn, until it returns false.
    static func forEachLiteral(
        _ template: UnsafeRawBufferPointer, space: UnsafeRawBufferPointer, _ visit: (UInt64) -> Bool
    ) {
        var scan = ByteScan(template)
        let arity = Int(truncatingIfNeeded: scan.varint())
        let keys = FieldKeys(space: space, arity: arity)
        for position in 0..<arity {
            if let key = key(&scan, keys, at: position), !visit(key) { return }
        }
    }

    /// Whether a checked template has a regular expression.
    static func hasRegex(_ template: UnsafeRawBufferPointer) -> Bool {
        var scan = ByteScan(template)
        for _ in 0..<scan.varint() where !scan.failed {
            switch scan.byte() {
            case FieldTag.literal: EncodedValue.skip(&scan)
            case FieldTag.type: _ = scan.byte()
            case FieldTag.closedRange, FieldTag.openRange:
                EncodedValue.skip(&scan)
                EncodedValue.skip(&scan)
            case FieldTag.prefix: _ = scan.prefixed()
            case FieldTag.regex: return true
            default: break
            }
        }
        return false
    }

    /// Whether every field matches anything, so that the number of fields alone decides.
    static func isAllAny(_ template: UnsafeRawBufferPointer) -> Bool {
        var scan = ByteScan(template)
        for _ in 0..<scan.varint() { if scan.byte() != FieldTag.any { return false } }
        return true
    }

    /// Whether a checked template matches a checked tuple.
    static func matches(_ template: UnsafeRawBufferPointer, _ tuple: UnsafeRawBufferPointer) -> Bool {
        var pattern = ByteScan(template)
        var scan = ByteScan(tuple)
        let count = pattern.varint()
        guard count == scan.varint() else { return false }
        for _ in 0..<count {
            guard !scan.failed, matchField(&pattern, &scan) else { return false }
        }
        return !scan.failed
    }

    @inline(__always)
    private static func matchField(_ pattern: inout ByteScan, _ scan: inout ByteScan) -> Bool {
        switch pattern.byte() {
        case FieldTag.any:
            EncodedValue.skip(&scan)
            return true
        case FieldTag.literal: return EncodedValue.areEqual(&pattern, &scan)
        case FieldTag.type:
            guard let type = ValueType(rawValue: pattern.byte()), scan.remaining > 0 else { return false }
            let tag = scan.bytes[scan.offset]
            EncodedValue.skip(&scan)
            return type.includes(tag: tag)
        case FieldTag.closedRange: return matchRange(&pattern, &scan, open: false)
        case FieldTag.openRange: return matchRange(&pattern, &scan, open: true)
        case FieldTag.prefix:
            let prefix = pattern.prefixed()
            guard scan.byte() == ValueTag.string else { return false }
            let text = scan.prefixed()
            return text.count >= prefix.count
                && UnsafeRawBufferPointer(rebasing: text[..<prefix.count]).isSame(as: prefix)
        case FieldTag.regex:
            let expression = pattern.prefixed()
            guard scan.byte() == ValueTag.string else { return false }
            return RegexEngine.matches(expression, scan.prefixed())
        default: return false
        }
    }

    private static func matchRange(_ pattern: inout ByteScan, _ scan: inout ByteScan, open: Bool) -> Bool {
        let lowerTag = pattern.byte()
        let tag = scan.byte()
        if lowerTag == ValueTag.string {
            guard tag == ValueTag.string else { return false }
            let lower = pattern.prefixed()
            _ = pattern.byte()
            let upper = pattern.prefixed()
            let text = scan.prefixed()
            let order = text.order(to: upper)
            return text.order(to: lower) >= 0 && (open ? order < 0 : order <= 0)
        }
        guard let lower = EncodedValue.number(lowerTag, &pattern) else { return false }
        let upperTag = pattern.byte()
        guard let upper = EncodedValue.number(upperTag, &pattern), let value = EncodedValue.number(tag, &scan) else {
            return false
        }
        let order = ExactNumber.compare(value, upper)
        return ExactNumber.compare(value, lower) != .less && (order == .less || (!open && order == .same))
    }
}

extension ValueType {
    /// Whether values that begin with this tag are of the type.
    func includes(tag: UInt8) -> Bool {
        switch self {
        case .string: tag == ValueTag.string
        case .number: tag == ValueTag.int || tag == ValueTag.double
        case .int: tag == ValueTag.int
        case .float: tag == ValueTag.double
        case .bool: tag == ValueTag.no || tag == ValueTag.yes
        case .bytes: tag == ValueTag.bytes
        case .list: tag == ValueTag.list
        case .map: tag == ValueTag.map
        case .symbol: tag == ValueTag.symbol
        }
    }
}
