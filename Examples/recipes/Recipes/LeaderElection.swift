import StarlingClient
import TupleSpace

/// One of many leads, and another as soon as that one is dead: docs/recipes/leader-election.md.
///
/// It is a lock that its holder renews. The fence is the term: of two leaders the later has the higher.
public struct LeaderElection: Sendable {
    private let lock: FencedLock
    private let seconds: Double

    /// - seconds: for so long at most nobody leads after a leader's death.
    public init(_ name: String, in store: any TupleStore, seconds: Double) {
        lock = FencedLock("leader of \(name)", in: store)
        self.seconds = seconds
    }

    /// Waits to be leader, and runs `lead` with the term until that returns, or the leadership is lost: then its task is cancelled.
    public func campaign(as candidate: String, _ lead: @escaping @Sendable (TupleID) async throws -> Void) async throws {
        let hold = try await lock.lock(as: candidate, seconds: seconds)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await lead(hold.fence) }
            group.addTask { [seconds] in
                repeat { try await Task.sleep(for: .seconds(seconds / 3)) } while try await hold.renew(seconds: seconds)
            }
            // Whichever ends first ends the other.
            try await group.next()
            group.cancelAll()
        }
        try await hold.unlock()
    }
}
