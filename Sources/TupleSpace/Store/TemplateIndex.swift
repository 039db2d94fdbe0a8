/// Templates that wait for tuples (takers, watchers, subscribers), indexed so that a write does not look at those that cannot match.
/// `Key` is the owner's own name for one; keys are given back in ascending order.
public struct TemplateIndex<Key: Hashable & Comparable & Sendable>: Sendable {
    public init() {}
    public var count: Int { 0 }
    public mutating func insert(_ key: Key, space: String, template: Template) {}
    public mutating func remove(_ key: Key) {}
    /// Calls `visit` with each key whose template matches the encoded tuple in ascending order until it returns false.
    public func forEachMatch(
        space: String, tuple: UnsafeRawBufferPointer, _ visit: (Key) -> Bool
    ) {}
}
