import Raft
import Testing

/// Nothing that waits may grow without a bound.
@Suite("Back-pressure")
struct BackPressureTests {
    private func leader(_ change: (inout Settings) -> Void) -> Bench {
        var settings = Settings.fixed
        change(&settings)
        var bench = Bench(
            recovered: RecoveredLog(hardState: HardState(term: Term(1)), snapshot: Bench.origin(3), entries: []),
            settings: settings)
        bench.win(votes: 2...2)
        bench.stored(2)
        for peer in 2...3 as ClosedRange<UInt64> {
            bench.hearAnswer(.accepted(match: LogIndex(1)), from: peer, term: 2)
        }
        return bench
    }

    /// What one step sent to a peer: the last index of each request with entries.
    private func sent(_ bench: Bench, to peer: UInt64) -> [LogIndex] {
        bench.last.messages.compactMap { message in
            guard message.to == NodeID(peer), case .appendRequest(let request) = message.body else { return nil }
            return request.entries.last?.index
        }
    }

    private func propose(_ bench: inout Bench, bytes: Int) -> Effects? {
        var effects = Effects()
        guard (try? bench.node.propose([UInt8](repeating: 1, count: bytes), into: &effects)) != nil else { return nil }
        return effects
    }

    @Test("Uncommitted bytes are bounded; what is committed makes room; one proposal always fits")
    func uncommitted() {
        var bench = leader { $0.maximumUncommittedBytes = 100 }
        #expect(propose(&bench, bytes: 500) != nil)
        #expect(propose(&bench, bytes: 1) == nil)
        bench.hearAnswer(.accepted(match: LogIndex(2)), from: 2, term: 2)
        bench.hearAnswer(.accepted(match: LogIndex(2)), from: 3, term: 2)
        #expect(bench.node.commit == LogIndex(2))
        #expect(propose(&bench, bytes: 60) != nil)
        #expect(propose(&bench, bytes: 40) != nil)
        #expect(propose(&bench, bytes: 1) == nil)
        var effects = Effects()
        #expect(throws: ProposalRefused.busy) { try bench.node.propose([1], into: &effects) }
    }

    @Test("Requests under way to one follower are bounded, whatever the others do")
    func inflightRequests() {
        var bench = leader {
            $0.maximumInflightRequests = 3
            $0.maximumRequestBytes = 1
        }
        var counts: [UInt64: Int] = [:]
        for _ in 0..<10 {
            guard let effects = propose(&bench, bytes: 10) else { continue }
            for message in effects.messages {
                guard case .appendRequest(let request) = message.body, !request.entries.isEmpty else { continue }
                counts[message.to.rawValue, default: 0] += 1
            }
        }
        #expect(counts == [2: 3, 3: 3])
        bench.hearAnswer(.accepted(match: LogIndex(2)), from: 2, term: 2)
        #expect(sent(bench, to: 2) == [LogIndex(5)])
        #expect(sent(bench, to: 3) == [])
        #expect(bench.node.checkInvariants() == [])
    }

    @Test("Bytes under way to one follower are bounded")
    func inflightBytes() {
        var bench = leader {
            $0.maximumInflightBytes = 100
            $0.maximumRequestBytes = 1
        }
        var bytes = 0
        for _ in 0..<10 {
            guard let effects = propose(&bench, bytes: 40) else { continue }
            for message in effects.messages where message.to == NodeID(2) {
                if case .appendRequest(let request) = message.body {
                    bytes += request.entries.reduce(0) { $0 + $1.payload.count }
                }
            }
        }
        // The one that reaches the bound still goes.
        #expect(bytes == 120)
    }

    @Test("After a loss it probes with one request at a time, until an acceptance opens the pipeline again")
    func probing() {
        var bench = leader { $0.maximumRequestBytes = 1 }
        for _ in 0..<5 { _ = propose(&bench, bytes: 10) }
        // Only the first of them arrived: the next shows the gap.
        let rejected = AppendResponse.Result.rejected(
            previousIndex: LogIndex(3), hintIndex: LogIndex(2), hintTerm: Term(2))
        bench.hear(.appendResponse(AppendResponse(result: rejected, readRound: 0, sentAt: 2)), from: 2, term: 2)
        #expect(sent(bench, to: 2) == [LogIndex(3)])
        _ = propose(&bench, bytes: 10)
        #expect(sent(bench, to: 2) == [LogIndex(3)])
        bench.hearAnswer(.accepted(match: LogIndex(3)), from: 2, term: 2)
        #expect(sent(bench, to: 2) == [LogIndex(4), LogIndex(5), LogIndex(6), LogIndex(7)])
        #expect(bench.node.checkInvariants() == [])
    }

    @Test(
        "A follower that is far behind gets what it lacks at its pace while the others go on; at once if it is needed")
    func pacedCatchUp() throws {
        func behind(_ bytesPerSecond: Int, loses needed: Bool = false, writes: Bool = true) throws -> [UInt64] {
            var settings = Settings.fixed
            settings.farBehindEntries = 10
            settings.catchUpBytesPerSecond = bytesPerSecond
            settings.maximumRequestBytes = 100
            var cluster = TestCluster(3, settings: settings)
            cluster.elect(1)
            cluster.crash(3)
            for _ in 0..<500 { try cluster.propose(1, String(repeating: "x", count: 50)) }
            cluster.settle()
            if needed { cluster.crash(2) }
            cluster.restart(3)
            return try (0..<4).map { _ in
                for _ in 0..<10 {
                    if writes { try cluster.propose(1, "x") }
                    cluster.run(milliseconds: 50)
                }
                return cluster[3].lastIndex.rawValue
            }
        }
        // 20 entries fit into 1,000 bytes: a hundred in five tenths of a second.
        let paced = try behind(10_000)
        #expect((60...160).contains(paced[0]) && (60...160).contains(paced[1] - paced[0]), "\(paced)")
        #expect(try behind(0)[0] >= 510)
        #expect(try behind(10_000, writes: false)[0] == 501)
        let needed = try behind(10_000, loses: true)
        #expect(needed[0] >= 501, "\(needed)")
    }
}
