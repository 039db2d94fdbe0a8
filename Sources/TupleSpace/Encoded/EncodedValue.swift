import ByteCoding

/// Values as their encoded bytes: checked, skipped, hashed and compared without decoding.
enum EncodedValue {
    /// Moves behind a value, checking everything that the decoder checks.
    static func check(_ scan: inout ByteScan, depth: Int = 0) {
        switch scan.byte() {
        case ValueTag.null where !scan.failed: return
        case ValueTag.no, ValueTag.yes: return
        case ValueTag.int: _ = scan.varint()
        case ValueTag.double:
            if !Double(bitPattern: scan.word()).isFinite { scan.fail() }
        case ValueTag.string, ValueTag.symbol: _ = scan.text()
        case ValueTag.bytes: _ = scan.prefixed()
        case ValueTag.list:
            let count = scan.varint()
            guard depth < Limits.nestingDepth, count <= UInt64(scan.remaining) else { return scan.fail() }
            for _ in 0..<count where !scan.failed { check(&scan, depth: depth + 1) }
        case ValueTag.map:
            let count = scan.varint()
            guard depth < Limits.nestingDepth, count <= UInt64(scan.remaining / 2) else { return scan.fail() }
            checkEntries(&scan, count: count, depth: depth + 1)
        default: scan.fail()
        }
    }

    private static func checkEntries(_ scan: inout ByteScan, count: UInt64, depth: Int) {
        var last: UnsafeRawBufferPointer?
        for _ in 0..<count where !scan.failed {
            let key = scan.text()
            if let last, last.order(to: key) >= 0 { return scan.fail() }
            last = key
            check(&scan, depth: depth)
        }
    }

    /// Moves behind a value that was checked before.
    static func skip(_ scan: inout ByteScan) {
        switch scan.byte() {
        case ValueTag.null, ValueTag.no, ValueTag.yes: return
        case ValueTag.int: _ = scan.varint()
        case ValueTag.double: _ = scan.word()
        case ValueTag.string, ValueTag.symbol, ValueTag.bytes: _ = scan.prefixed()
        case ValueTag.list:
            for _ in 0..<scan.varint() where !scan.failed { skip(&scan) }
        case ValueTag.map:
            for _ in 0..<scan.varint() where !scan.failed {
                _ = scan.prefixed()
                skip(&scan)
            }
        default: scan.fail()
        }
    }

    /// Moves behind a checked value and mixes what it is into a hash: equal values mix equally, however they are encoded.
    static func hash(_ scan: inout ByteScan, into hash: inout FieldHash) {
        let tag = scan.byte()
        switch tag {
        case ValueTag.int: mix(.int(ZigZag.decode(scan.varint())), into: &hash)
        case ValueTag.double: mix(ExactNumber(Double(bitPattern: scan.word())), into: &hash)
        case ValueTag.string, ValueTag.symbol, ValueTag.bytes:
            hash.mix(UInt64(tag))
            hash.mix(scan.prefixed())
        case ValueTag.list:
            let count = scan.varint()
            hash.mix(UInt64(tag) | count << 8)
            for _ in 0..<count where !scan.failed { self.hash(&scan, into: &hash) }
        case ValueTag.map:
            let count = scan.varint()
            hash.mix(UInt64(tag) | count << 8)
            for _ in 0..<count where !scan.failed {
                hash.mix(scan.prefixed())
                self.hash(&scan, into: &hash)
            }
        default: hash.mix(UInt64(tag))
        }
    }

    private static func mix(_ number: ExactNumber, into hash: inout FieldHash) {
        switch number {
        case .int(let value):
            hash.mix(UInt64(ValueTag.int))
            hash.mix(UInt64(bitPattern: value))
        case .double(let value):
            hash.mix(UInt64(ValueTag.double))
            hash.mix(value.bitPattern)
        }
    }

    /// Moves behind two checked values; false, with the scans anywhere, if they are not equal.
    static func areEqual(_ a: inout ByteScan, _ b: inout ByteScan) -> Bool {
        let (tag, other) = (a.byte(), b.byte())
        switch tag {
        case ValueTag.int, ValueTag.double:
            guard let x = number(tag, &a), let y = number(other, &b) else { return false }
            return ExactNumber.compare(x, y) == .same
        case _ where tag != other: return false
        case ValueTag.string, ValueTag.symbol, ValueTag.bytes: return a.prefixed().isSame(as: b.prefixed())
        case ValueTag.list:
            let count = a.varint()
            guard count == b.varint() else { return false }
            for _ in 0..<count { guard !a.failed, areEqual(&a, &b) else { return false } }
            return true
        case ValueTag.map:
            let count = a.varint()
            guard count == b.varint() else { return false }
            for _ in 0..<count {
                guard !a.failed, a.prefixed().isSame(as: b.prefixed()), areEqual(&a, &b) else { return false }
            }
            return true
        default: return true
        }
    }

    /// What stands behind the tag of a number; nil if the tag is another's.
    @inline(__always)
    static func number(_ tag: UInt8, _ scan: inout ByteScan) -> ExactNumber? {
        switch tag {
        case ValueTag.int: .int(ZigZag.decode(scan.varint()))
        case ValueTag.double: ExactNumber(Double(bitPattern: scan.word()))
        default: nil
        }
    }
}
