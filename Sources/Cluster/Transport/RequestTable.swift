import Raft

/// The requests under way: to whom, until when. A pure value; what has ended leaves nothing behind.
struct RequestTable {
    private struct Pending {
        var peer: NodeID
        var deadline: MonotonicTime
    }

    private let limitPerPeer: Int
    private var pending: [RequestID: Pending] = [:]
    private var counts: [NodeID: Int] = [:]
    private var next: UInt64
    /// Not later than the earliest deadline: requests that end in time do not move it.
    private var earliest: MonotonicTime?

    /// - Parameter first: random, so that an answer to an earlier life of this server fits no request of this one.
    init(limitPerPeer: Int, first: UInt64) {
        self.limitPerPeer = limitPerPeer
        next = max(1, first)
    }

    var nextDeadline: MonotonicTime? { pending.isEmpty ? nil : earliest }
    var count: Int { pending.count }
    func count(to peer: NodeID) -> Int { counts[peer] ?? 0 }

    /// - Returns: nil when the peer has as many under way as are allowed.
    mutating func begin(to peer: NodeID, deadline: MonotonicTime) -> RequestID? {
        guard count(to: peer) < limitPerPeer else { return nil }
        let id = RequestID(next)
        next = next == .max ? 1 : next + 1
        pending[id] = Pending(peer: peer, deadline: deadline)
        counts[peer, default: 0] += 1
        earliest = earliest.map { min($0, deadline) } ?? deadline
        return id
    }

    /// - Returns: false if no such request is under way to that peer; then nothing changes.
    mutating func end(_ id: RequestID, from peer: NodeID) -> Bool {
        guard pending[id]?.peer == peer else { return false }
        forget(id, peer)
        return true
    }

    private mutating func forget(_ id: RequestID, _ peer: NodeID) {
        pending[id] = nil
        let left = (counts[peer] ?? 1) - 1
        counts[peer] = left == 0 ? nil : left
        if pending.isEmpty { earliest = nil }
    }

    /// Ends what is overdue, or goes to a peer that has left, in the order in which it was begun.
    mutating func fail(
        now: MonotonicTime, isMember: (NodeID) -> Bool
    ) -> [(id: RequestID, peer: NodeID, failure: RequestFailure)] {
        let someoneLeft = counts.contains { !isMember($0.key) }
        guard let earliest, earliest <= now || someoneLeft else { return [] }
        var failed: [(id: RequestID, peer: NodeID, failure: RequestFailure)] = []
        for (id, request) in pending {
            if !isMember(request.peer) {
                failed.append((id, request.peer, .peerLeft))
            } else if request.deadline <= now {
                failed.append((id, request.peer, .timedOut))
            }
        }
        for failure in failed { forget(failure.id, failure.peer) }
        // One scan for every time the earliest deadline passes: with one time-out for all, that is once in a time-out.
        self.earliest = pending.values.lazy.map(\.deadline).min()
        return failed.sorted { $0.id < $1.id }
    }
}
