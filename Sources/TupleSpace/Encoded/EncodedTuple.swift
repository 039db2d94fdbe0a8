import ByteCoding

/// Tuples as their encoded bytes.
enum EncodedTuple {
    /// Moves behind a tuple, checking everything that the decoder checks.
    static func check(_ scan: inout ByteScan) {
        let start = scan.offset
        let count = scan.varint()
        guard count >= 1, count <= UInt64(Limits.fieldsPerTuple), count <= UInt64(scan.remaining) else {
            return scan.fail()
        }
        for _ in 0..<count where !scan.failed { EncodedValue.check(&scan) }
        if scan.offset - start > Limits.tupleBytes { scan.fail() }
    }

    static func isValid(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var scan = ByteScan(bytes)
        check(&scan)
        return scan.endedWell
    }

    /// The number of fields of a checked tuple or template.
    static func arity(_ bytes: UnsafeRawBufferPointer) -> Int {
        var scan = ByteScan(bytes)
        return Int(truncatingIfNeeded: scan.varint())
    }
}

/// Keys under which fields are indexed: hashes of (space, number of fields, position, canonical value).
///
/// They are the same in every process, so whatever follows from a collision follows everywhere. Results never depend on one:
/// each candidate is compared in full.
struct FieldKeys {
    private let base: FieldHash

    init(space: UnsafeRawBufferPointer, arity: Int) {
        var hash = FieldHash()
        hash.mix(space)
        hash.mix(UInt64(truncatingIfNeeded: arity))
        base = hash
    }

    /// For templates without a literal.
    var shape: UInt64 {
        var hash = base
        hash.mix(.max)
        return hash.value
    }

    /// For whoever wants everything of a space.
    static func whole(_ space: UnsafeRawBufferPointer) -> UInt64 {
        var hash = FieldHash()
        hash.mix(space)
        return hash.value
    }

    /// The key of a checked value at a position; the scan moves behind the value.
    @inline(__always)
    func literal(_ scan: inout ByteScan, at position: Int) -> UInt64 {
        var hash = base
        hash.mix(UInt64(truncatingIfNeeded: position))
        EncodedValue.hash(&scan, into: &hash)
        return hash.value
    }

    /// Calls `body` with the keys of all fields of a checked tuple, and last the key of its shape.
    static func with<Result>(
        tuple: UnsafeRawBufferPointer, space: UnsafeRawBufferPointer,
        _ body: (UnsafeBufferPointer<UInt64>) -> Result
    ) -> Result {
        var scan = ByteScan(tuple)
        let arity = min(Int(truncatingIfNeeded: scan.varint()), Limits.fieldsPerTuple)
        let keys = FieldKeys(space: space, arity: arity)
        return withUnsafeTemporaryAllocation(of: UInt64.self, capacity: arity + 1) { buffer in
            for i in 0..<arity { buffer[i] = keys.literal(&scan, at: i) }
            buffer[arity] = keys.shape
            return body(UnsafeBufferPointer(buffer))
        }
    }
}
