import Raft

/// State digests at recent checkpoints: indices that are multiples of `interval`, which every server passes. Servers compare them in
/// their status messages; whoever disagrees with most has diverged.
struct DigestHistory: Sendable {
    static let interval: UInt64 = 64
    private static let kept = 1_024

    private var checkpoints: [(index: LogIndex, digest: UInt64)] = []
    /// The newest checkpoint at which each peer agreed (true) or not.
    private var verdicts: [NodeID: Bool] = [:]

    var newest: (index: LogIndex, digest: UInt64) { checkpoints.last ?? (.zero, 0) }

    mutating func applied(_ index: LogIndex, digest: UInt64) {
        guard index.rawValue % DigestHistory.interval == 0 else { return }
        checkpoints.append((index, digest))
        if checkpoints.count > 2 * DigestHistory.kept {
            checkpoints.removeFirst(checkpoints.count - DigestHistory.kept)
        }
    }

    /// After a snapshot took the state's place, what was applied before it is of no more use.
    mutating func restart() {
        checkpoints.removeAll()
        verdicts.removeAll()
    }

    enum Verdict { case unknown, agrees, differs, weAreOdd }

    /// - Parameter others: how many servers there are beside this one.
    mutating func compare(_ peer: NodeID, at index: LogIndex, digest: UInt64, others: Int, leads: Bool) -> Verdict {
        guard let own = find(index) else { return .unknown }
        let agrees = own == digest
        verdicts[peer] = agrees
        if agrees { return .agrees }
        let against = verdicts.values.filter { !$0 }.count
        let with = verdicts.values.count - against
        // With one other server nobody can tell who is odd; the follower stops, since clients talk to what the leader decided.
        if others == 1 { return leads ? .differs : .weAreOdd }
        return against > with + (leads ? 1 : 0) ? .weAreOdd : .differs
    }

    private func find(_ index: LogIndex) -> UInt64? {
        checkpoints.last { $0.index == index }?.digest
    }
}
