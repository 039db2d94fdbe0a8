import Raft
import Replica
import Synchronization

/// Requests to the cluster from this process: changes of members, transfers of leadership.
extension LocalDoor {
    func cluster(_ request: ClusterRequest) async -> ClusterOutcome {
        await withCheckedContinuation { continuation in
            let token: UInt64? = state.withLock { state in
                guard !state.isClosed else { return nil }
                let token = state.newToken()
                state.waiting[token] = .cluster(continuation)
                return token
            }
            guard let token else {
                return continuation.resume(
                    returning: .refused(code: "stopping", sentence: "this server is stopping; ask another one"))
            }
            if !inbox.offer(.cluster(RequestToken(token), request)) {
                deliver(
                    token,
                    .refused(
                        code: "busy",
                        sentence: "this server's queue of \(Inbox.limit) requests is full; nothing was done"))
            }
        }
    }

    /// From the replica thread, or its queue.
    func deliver(_ token: UInt64, _ outcome: ClusterOutcome) {
        let waiting = state.withLock { state -> Waiting? in
            guard case .cluster? = state.waiting[token] else { return nil }
            return state.waiting.removeValue(forKey: token)
        }
        if case .cluster(let continuation) = waiting { continuation.resume(returning: outcome) }
    }
}
