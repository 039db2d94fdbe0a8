import ByteCoding

/// Templates that wait for tuples (takers, watchers, subscribers), indexed so that a write does not look at those that cannot match.
/// `Key` is the owner's own name for one; keys are given back in ascending order.
///
/// A template stands under that literal of its own under which the fewest stand already, or, without a literal, under its
/// space and number of fields.
public struct TemplateIndex<Key: Hashable & Comparable & Sendable>: Sendable {
    private struct Entry: Sendable {
        var bucket: UInt64
        var space: [UInt8]
        var template: [UInt8]
    }

    private var entries: [Key: Entry] = [:]
    private var buckets: [UInt64: [Key]] = [:]

    public init() {}

    public var count: Int { entries.count }

    /// Takes the place of what stood under the same key.
    public mutating func insert(_ key: Key, space: String, template: Template) {
        remove(key)
        var writer = ByteWriter()
        template.encode(into: &writer)
        let entry = Entry(
            bucket: bucket(writer.bytes, space: Array(space.utf8)), space: Array(space.utf8), template: writer.bytes)
        entries[key] = entry
        buckets[entry.bucket, default: []].append(key)
    }

    private func bucket(_ template: [UInt8], space: [UInt8]) -> UInt64 {
        template.withUnsafeBytes { template in
            space.withUnsafeBytes { space in
                var best: (key: UInt64, count: Int)?
                EncodedTemplate.forEachLiteral(template, space: space) { key in
                    let count = buckets[key]?.count ?? 0
                    if best.map({ count < $0.count }) ?? true { best = (key, count) }
                    return count > 0
                }
                return best?.key ?? FieldKeys(space: space, arity: EncodedTuple.arity(template)).shape
            }
        }
    }

    public mutating func remove(_ key: Key) {
        guard let entry = entries.removeValue(forKey: key) else { return }
        guard let place = buckets[entry.bucket]?.lastIndex(of: key) else { return }
        // The order within a bucket is of no meaning: matches are sorted.
        let last = (buckets[entry.bucket]?.count ?? 1) - 1
        buckets[entry.bucket]?.swapAt(place, last)
        buckets[entry.bucket]?.removeLast()
        if last == 0 { buckets[entry.bucket] = nil }
    }

    /// Calls `visit` with each key whose template matches the encoded tuple in ascending order until it returns false.
    /// Bytes that are no tuple match nothing.
    public func forEachMatch(
        space: String, tuple: UnsafeRawBufferPointer, _ visit: (Key) -> Bool
    ) {
        guard !entries.isEmpty, EncodedTuple.isValid(tuple) else { return }
        var space = space
        var matches: [Key] = []
        space.withUTF8 { name in
            let name = UnsafeRawBufferPointer(name)
            FieldKeys.with(tuple: tuple, space: name) { fields in
                for field in fields { collect(from: field, space: name, tuple: tuple, into: &matches) }
            }
        }
        matches.sort()
        for key in matches { guard visit(key) else { return } }
    }

    private func collect(
        from bucket: UInt64, space: UnsafeRawBufferPointer, tuple: UnsafeRawBufferPointer, into matches: inout [Key]
    ) {
        for key in buckets[bucket] ?? [] {
            guard let entry = entries[key] else { continue }
            let matched = entry.template.withUnsafeBytes { template in
                entry.space.withUnsafeBytes { $0.isSame(as: space) } && EncodedTemplate.matches(template, tuple)
            }
            if matched { matches.append(key) }
        }
    }
}
