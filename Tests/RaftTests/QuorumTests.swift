import Testing

@testable import Raft

@Suite("Quorums")
struct QuorumTests {
    private func sets(_ sets: [[UInt64]]) -> VoterSets { VoterSets(sets.map { $0.map { NodeID($0) } }) }

    @Test("The majority's index is the middle one of all voters' indices", arguments: 1...7)
    func middle(count: Int) {
        let ids = (1...count).map { UInt64($0) }
        var random = TestRandom(seed: UInt64(count))
        for _ in 0..<200 {
            let matches = ids.map { _ in random.below(5) }
            let expected = matches.sorted(by: >)[count / 2]
            let found = sets([ids]).majorityIndex { LogIndex(matches[Int($0.rawValue) - 1]) }
            #expect(found == LogIndex(expected), "\(matches)")
        }
    }

    @Test("Of two sets both must agree")
    func joint() {
        let joint = sets([[1, 2, 3], [3, 4, 5]])
        #expect(!joint.hasMajority { $0.rawValue <= 3 })
        #expect(joint.hasMajority { [2, 3, 4].contains($0.rawValue) })
        #expect(joint.majorityIndex { LogIndex($0.rawValue * 10) } == LogIndex(20))
        #expect(joint.all.map(\.rawValue) == [1, 2, 3, 4, 5])
    }

    @Test("Nobody is a majority of no one")
    func empty() {
        #expect(!sets([]).hasMajority { _ in true })
        #expect(!sets([[]]).hasMajority { _ in true })
        #expect(sets([]).majorityIndex { _ in LogIndex(5) } == .zero)
        #expect(sets([[]]).majorityIndex { _ in LogIndex(5) } == .zero)
    }

    @Test("An election is lost as soon as it cannot be won, and a voter's first word counts")
    func ballots() {
        let five = sets([[1, 2, 3, 4, 5]])
        var ballots = Ballots()
        for (id, granted) in [(1, true), (2, false), (2, true), (3, false), (9, true)] {
            ballots.record(NodeID(UInt64(id)), granted: granted)
        }
        #expect(!ballots.isWon(by: five))
        #expect(!ballots.isLost(by: five))
        var won = ballots
        won.record(NodeID(4), granted: true)
        #expect(!won.isWon(by: five))
        won.record(NodeID(5), granted: true)
        #expect(won.isWon(by: five))
        ballots.record(NodeID(4), granted: false)
        #expect(ballots.isLost(by: five))
    }
}
