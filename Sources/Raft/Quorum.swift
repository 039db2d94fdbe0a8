/// Who has to agree: a majority of every set. One set in normal times; with joint consensus (dissertation 4.3) there
/// are two, the old voters and the new.
struct VoterSets: Sendable, Equatable {
    private(set) var sets: [[NodeID]]

    init(_ sets: [[NodeID]]) {
        self.sets = sets
    }

    init(_ configuration: Configuration) {
        sets = configuration.isJoint ? [configuration.outgoingVoters, configuration.voters] : [configuration.voters]
    }

    func contains(_ id: NodeID) -> Bool { sets.contains { $0.contains(id) } }

    /// Whether `id` alone decides.
    func isOnly(_ id: NodeID) -> Bool { sets.allSatisfy { $0 == [id] } }

    /// Each voter once, in ascending order.
    var all: [NodeID] {
        guard sets.count > 1 else { return sets.first ?? [] }
        return Set(sets.joined()).sorted()
    }

    /// Whether a majority of every set passes. Nobody is a majority of no one.
    /// - Parameter missing: how many fewer than a majority are let pass; not 0 only in a mutation.
    func hasMajority(missing: Int = 0, _ passes: (NodeID) -> Bool) -> Bool {
        for set in sets {
            var count = 0
            for id in set where passes(id) { count += 1 }
            guard count >= set.count / 2 + 1 - missing, !set.isEmpty else { return false }
        }
        return !sets.isEmpty
    }

    /// The greatest index that a majority of every set has reached. Counted afresh each time: there is no order kept
    /// that could go stale when the voters change (scenario 11). Sets are small, so comparing all with all is cheap.
    func majorityIndex(missing: Int = 0, _ match: (NodeID) -> LogIndex) -> LogIndex {
        var result: LogIndex?
        for set in sets {
            var best = LogIndex.zero
            for candidate in set {
                let index = match(candidate)
                guard index > best else { continue }
                var count = 0
                for id in set where match(id) >= index { count += 1 }
                if count >= set.count / 2 + 1 - missing { best = index }
            }
            result = min(result ?? best, best)
        }
        return result ?? .zero
    }
}

/// The votes of one election or pre-election, each voter's first word counting.
struct Ballots: Sendable {
    private var answers: [(id: NodeID, granted: Bool)] = []

    mutating func record(_ id: NodeID, granted: Bool) {
        guard !answers.contains(where: { $0.id == id }) else { return }
        answers.append((id, granted))
    }

    func hasGranted(_ id: NodeID) -> Bool { answers.contains { $0.id == id && $0.granted } }

    /// They are asked again.
    mutating func forgetRefusals() { answers.removeAll { !$0.granted } }

    func isWon(by sets: VoterSets) -> Bool {
        sets.hasMajority { id in answers.contains { $0.id == id && $0.granted } }
    }

    /// So many have refused that it cannot be won any more.
    func isLost(by sets: VoterSets) -> Bool {
        !sets.hasMajority { id in !answers.contains { $0.id == id && !$0.granted } }
    }
}
