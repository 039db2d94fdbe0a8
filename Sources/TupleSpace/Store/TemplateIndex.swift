import ByteCoding

/// Those who wait for tuples outside of the replicated state (watchers, subscribers), indexed so that an event does not look at those
/// that cannot match. `Key` is the owner's own name for one; keys are given back in ascending order.
///
/// One stands under that literal of its template under which the fewest stand already; without a literal under its space and
/// number of fields; without a template under its space.
public struct TemplateIndex<Key: Hashable & Comparable & Sendable>: Sendable {
    private struct Entry: Sendable {
        var bucket: UInt64
        var filter: EventFilter
    }

    private var entries: [Key: Entry] = [:]
    private var buckets: [UInt64: [Key]] = [:]

    public init() {}

    public var count: Int { entries.count }
    public var isEmpty: Bool { entries.isEmpty }

    /// Takes the place of what stood under the same key.
    public mutating func insert(_ key: Key, _ filter: EventFilter) {
        remove(key)
        let entry = Entry(bucket: bucket(filter), filter: filter)
        entries[key] = entry
        buckets[entry.bucket, default: []].append(key)
    }

    private func bucket(_ filter: EventFilter) -> UInt64 {
        filter.space.withUnsafeBytes { space in
            guard let template = filter.template else { return FieldKeys.whole(space) }
            return template.withUnsafeBytes { template in
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

    /// The keys of all whose filter matches, in ascending order.
    public func matches(_ event: EventView) -> [Key] {
        var matches: [Key] = []
        forEachBucket(for: event) { keys in
            for key in keys where entries[key]?.filter.matches(event) == true { matches.append(key) }
        }
        if matches.count > 1 { matches.sort() }
        return matches
    }

    /// How many an event looks at.
    func candidateCount(for event: EventView) -> Int {
        var count = 0
        forEachBucket(for: event) { count += $0.count }
        return count
    }

    private func forEachBucket(for event: EventView, _ visit: ([Key]) -> Void) {
        guard !entries.isEmpty else { return }
        if let keys = buckets[FieldKeys.whole(event.space)] { visit(keys) }
        FieldKeys.with(tuple: event.tuple, space: event.space) { fields in
            for field in fields { if let keys = buckets[field] { visit(keys) } }
        }
    }
}
