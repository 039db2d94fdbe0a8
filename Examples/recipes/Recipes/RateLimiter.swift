import StarlingClient
import TupleSpace

/// At most so many in any stretch of time, over all callers on all machines: docs/recipes/rate-limiter.md.
///
///     ("permit", name, number)
///     ("issued", name, number)     for ever, so that none is issued twice
///
/// Whoever may go reserves a permit for the length of the window, and never completes that: it returns by itself when the window is over.
public struct RateLimiter: Sendable {
    private let permits: Space
    private let name: String
    private let milliseconds: UInt64

    public init(_ name: String, in store: any TupleStore, milliseconds: UInt64) {
        permits = store.space("permits")
        self.name = name
        self.milliseconds = milliseconds
    }

    /// Once, by anybody; again does nothing, but for what is beyond what was allowed before.
    public func allow(_ count: Int) async throws {
        for number in 0..<count {
            try await permits.store.runUnlessDone(
                Statement(
                    .always, .absent(from: permits, "issued", name, number), .write(to: permits, "issued", name, number),
                    .write(to: permits, "permit", name, number)))
        }
    }

    /// Waits for its turn: first come, first served.
    /// - Returns: false if that did not come in time.
    public func enter(waiting timeout: Timeout) async throws -> Bool {
        let template = Template([.literal(.string("permit")), .literal(.string(name)), .type(.int)])
        return try await permits.store.reserve(template, from: permits.name, timeout: timeout, for: milliseconds).reserved
            != nil
    }
}
