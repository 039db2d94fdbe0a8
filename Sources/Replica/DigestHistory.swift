import Raft

/// State digests at recent checkpoints: indices that are multiples of `interval`, which every server passes. Servers compare them in
/// their status messages; whoever disagrees with most has diverged.
struct DigestHistory: Sendable {
    static let interval: UInt64 = 64
    private static let kept = 1_024

    private var checkpoints: [(index: LogIndex, digest: UInt64)] = []
    /// The newest checkpoint at which each peer agreed (true) or not.
    private var verdicts: [NodeID: Bool] = [:]
    /// Comparisons in a row that left it open who is odd.
    private var ties = 0
    private static let tiesBorne = 8

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
        ties = 0
    }

    /// Who is no member any more has no say.
    mutating func keep(_ members: [NodeID]) {
        verdicts = verdicts.filter { members.contains($0.key) }
    }

    enum Verdict { case unknown, agrees, differs, weAreOdd }

    /// A majority of all that have compared, this server included, is right. Should it stay open who is (the others are away, or there is
    /// only one), the follower is odd, since clients talk to what the leader decided; but it gives the others time to say what they have.
    mutating func compare(_ peer: NodeID, at index: LogIndex, digest: UInt64, leads: Bool) -> Verdict {
        guard let own = find(index) else { return .unknown }
        let agrees = own == digest
        verdicts[peer] = agrees
        if agrees { return .agrees }
        let against = verdicts.values.filter { !$0 }.count
        let with = verdicts.values.count - against + 1
        if against != with || leads { ties = 0 }
        if against > with { return .weAreOdd }
        guard against == with, !leads else { return .differs }
        ties += 1
        return ties > DigestHistory.tiesBorne ? .weAreOdd : .differs
    }

    private func find(_ index: LogIndex) -> UInt64? {
        checkpoints.last { $0.index == index }?.digest
    }
}
