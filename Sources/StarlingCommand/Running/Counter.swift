import Synchronization

/// Counts from 1.
final class Counter: Sendable {
    private let value = Atomic<Int>(0)

    func next() -> Int { value.add(1, ordering: .relaxed).newValue }
    /// - Returns: the sum.
    func add(_ count: Int) -> Int { value.add(count, ordering: .relaxed).newValue }
    var current: Int { value.load(ordering: .relaxed) }
}
