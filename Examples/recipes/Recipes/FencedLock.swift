import StarlingClient
import TupleSpace

/// A lock that a dead holder does not keep, and whose holders can be told apart for ever: docs/recipes/lock.md.
///
///     ("lock", name, holder)   with a lease: whoever wrote it has the lock
///
/// The tuple's id is the fencing token. Ids ascend for ever, so whatever the lock protects refuses those who come with a lower one than it
/// has seen: a holder that slept through the end of its lease does no harm.
public struct FencedLock: Sendable {
    private let space: Space
    public let name: String

    public init(_ name: String, in store: any TupleStore) {
        space = store.space("locks")
        self.name = name
    }

    public struct Hold: Sendable {
        public let fence: TupleID
        fileprivate let space: Space

        /// - Returns: false if the lease has ended: the lock is another's, or may soon be.
        public func renew(seconds: Double) async throws -> Bool {
            try await space.renew(fence, lease: .seconds(seconds))
        }

        public func unlock() async throws { try await space.remove(fence) }
    }

    /// The lock if nobody has it.
    public func tryLock(as holder: String, seconds: Double) async throws -> Hold? {
        let written = try await space.write(
            "lock", name, holder, lease: .seconds(seconds), ifAbsent: "lock", name, .any(String.self))
        return written.map { Hold(fence: $0.id, space: space) }
    }

    /// Waits for it, until the task is cancelled.
    public func lock(as holder: String, seconds: Double) async throws -> Hold {
        let template = Template([.literal(.string("lock")), .literal(.string(name)), .type(.string)])
        while true {
            // Before it is tried, so that nobody's going can be missed.
            let events = try await space.store.events(matching: template, in: space.name, after: nil)
            if let hold = try await tryLock(as: holder, seconds: seconds) { return hold }
            for try await batch in events {
                if batch.events.contains(where: { $0.kind == .take || $0.kind == .expire }) { break }
            }
            try Task.checkCancellation()
        }
    }
}

/// What a lock protects: it trusts nobody's clock.
public actor FencedResource {
    private var highest = TupleID(0)
    public private(set) var log: [String] = []

    public init() {}

    /// - Returns: false, and nothing happens, for a holder of yesterday.
    public func append(_ line: String, fence: TupleID) -> Bool {
        guard fence >= highest else { return false }
        highest = fence
        log.append(line)
        return true
    }
}
