import Foundation
import Testing

@testable import Raft

/// Timeouts that adapt to the round trips, from a rack to the other side of the world.
@Suite("Timing")
struct TimingTests {
    /// Hours of virtual time without an election; a day with `STARLING_TIMING_HOURS=24`.
    static let hours = ProcessInfo.processInfo.environment["STARLING_TIMING_HOURS"].flatMap { UInt64($0) } ?? 1

    static let links = [100, 20_000, 150_000, 300_000].map { Link(delay: $0) }

    @Test("There is no needless election, near or far, though messages are lost", arguments: links.indices)
    func quiet(_ i: Int) {
        var servers = LinkedServers(link: TimingTests.links[i], seed: 1)
        servers.run(milliseconds: 30_000)
        #expect(servers.leader != nil)
        let elections = servers.elections.count
        // Near each other they say twenty times as much in the same time.
        let minutes = TimingTests.hours * (i == 0 && TimingTests.hours == 1 ? 10 : 60)
        for _ in 0..<minutes { servers.run(milliseconds: 60_000) }
        #expect(servers.elections.count == elections)
    }

    @Test(
        "Where nothing is known of the network yet a first leader is elected within seconds", arguments: links.indices)
    func firstLeader(_ i: Int) {
        var times: [UInt64] = []
        for seed in 0..<40 as Range<UInt64> {
            var link = TimingTests.links[i]
            link.lost = 30
            var servers = LinkedServers(link: link, seed: seed)
            let time = servers.run(atMostMilliseconds: 60_000) { servers in
                servers.leader.map { servers.nodes[$0 - 1].leaderIsCurrent } ?? false
            }
            times.append(time ?? .max)
        }
        times.sort()
        #expect(times[times.count / 2] < 3_000)
        #expect(times[times.count - 1] < 12_000)
    }

    /// A leader is killed again and again.
    private func failover(_ link: Link, connectionsBreak: Bool) -> (times: [UInt64], timeout: UInt64) {
        var servers = LinkedServers(link: link, seed: 3)
        var times: [UInt64] = []
        var timeout: UInt64 = 0
        for _ in 0..<30 {
            servers.run(milliseconds: 30_000)
            guard let leader = servers.leader else { return ([.max], 0) }
            timeout = max(timeout, servers.nodes[leader - 1].status.electionTimeoutMilliseconds)
            servers.kill(leader, connectionsBreak: connectionsBreak)
            let time = servers.run(atMostMilliseconds: 120_000) { $0.leader != nil }
            times.append(time ?? .max)
            servers.restart(leader)
        }
        return (times.sorted(), timeout)
    }

    @Test(
        "After a leader's death the next one is there in three least timeouts and four round trips",
        arguments: links.indices)
    func failover(_ i: Int) {
        let link = TimingTests.links[i]
        let (times, timeout) = failover(link, connectionsBreak: false)
        // Should a message of the election be lost, whoever stood waits once more.
        #expect(times[times.count * 9 / 10] <= 3 * timeout + 4 * link.roundTripMilliseconds)
        #expect(times[times.count - 1] <= 5 * timeout + 6 * link.roundTripMilliseconds)
    }

    @Test("If its connections broke nobody waits for the timeout", arguments: links.indices)
    func brokenConnections(_ i: Int) {
        let link = TimingTests.links[i]
        let (times, timeout) = failover(link, connectionsBreak: true)
        #expect(times[times.count / 2] <= 200 + 5 * link.roundTripMilliseconds / 2 + 10)
        #expect(times[times.count - 1] <= 5 * timeout + 6 * link.roundTripMilliseconds)
    }

    @Test("Connections that break and come back at once cause no election", arguments: links.indices)
    func reconnect(_ i: Int) {
        var servers = LinkedServers(link: TimingTests.links[i], seed: 5)
        servers.run(milliseconds: 60_000)
        let elections = servers.elections.count
        for _ in 0..<100 {
            if let leader = servers.leader { servers.breakConnections(of: leader) }
            servers.run(milliseconds: 5_000)
        }
        #expect(servers.elections.count == elections)
    }

    @Test("A network that becomes slow, and fast again, is followed")
    func changingNetwork() {
        var servers = LinkedServers(link: Link(delay: 100), seed: 7)
        func timeout() -> UInt64 { servers.leader.map { servers.nodes[$0 - 1].leastElectionTimeout } ?? 0 }
        servers.run(milliseconds: 30_000)
        #expect(timeout() == 150)
        for (delay, range) in [(20_000, 300...1_500), (150_000, 2_000...3_000), (100, 150...150)]
            as [(UInt64, ClosedRange<UInt64>)]
        {
            servers.link.delay = delay
            servers.run(milliseconds: 60_000)
            #expect(range.contains(timeout()), "\(delay) µs: \(timeout()) ms")
            #expect(servers.nodes.allSatisfy { $0.leastElectionTimeout == timeout() })
        }
        #expect(servers.elections.count <= 4)
    }

    // MARK: The rules one by one

    /// A leader whose followers seemed near when it was elected, and then answered after 300 ms.
    private func slowLeader(waitedForDisk: Bool = false, _ mutations: Mutations = []) -> Bench {
        var settings = Settings()
        settings.mutations = mutations
        var bench = Bench(
            recovered: RecoveredLog(hardState: HardState(term: Term(1)), snapshot: Bench.origin(3), entries: []),
            settings: settings)
        bench.win(votes: 2...3)
        bench.step(.tick(MonotonicTime(nanoseconds: 3_100_000_000)))
        for peer in 2...3 as ClosedRange<UInt64> {
            let answer = AppendResponse(
                result: .alive, readRound: 0, sentAt: 2_800_000_000, waitedForDisk: waitedForDisk)
            bench.hear(.appendResponse(answer), from: peer, term: 2)
        }
        bench.step(.tick(MonotonicTime(nanoseconds: 3_140_000_000)))
        return bench
    }

    @Test("The leader tells a longer timeout at once, and slows its heartbeats when all have been told")
    func heartbeatsSlowLater() {
        func heartbeats(_ mutations: Mutations) -> (told: UInt32, first: Int, second: Int) {
            var bench = slowLeader(mutations)
            var told: UInt32 = 0
            var counts = [0, 0]
            for i in 0..<400 as Range<UInt64> {
                bench.step(.tick(MonotonicTime(nanoseconds: 3_141_000_000 + i * 5_000_000)))
                for message in bench.last.messages where message.to == NodeID(2) {
                    guard case .appendRequest(let request) = message.body else { continue }
                    told = max(told, request.electionTimeoutMilliseconds)
                    if i < 60 { counts[0] += 1 } else if i >= 200 { counts[1] += 1 }
                }
            }
            return (told, counts[0], counts[1])
        }
        let sound = heartbeats([])
        #expect(sound.told == 3_000)
        #expect(sound.first >= 5)
        #expect(sound.second <= 3)
        #expect(heartbeats(.paceGrowsAtOnce).first <= 2)
    }

    @Test("Answers that waited for the disk say nothing about the network")
    func disksAreNotMeasured() {
        #expect(slowLeader().node.leastElectionTimeout == 3_000)
        #expect(slowLeader(waitedForDisk: true).node.leastElectionTimeout == 150)
        #expect(slowLeader(waitedForDisk: true, .roundTripsIncludeDisk).node.leastElectionTimeout == 3_000)
    }

    @Test("A follower takes the timeout that it is told, within the bounds that are set")
    func timeoutsAreTold() {
        func told(_ milliseconds: UInt32, adaptive: ClosedRange<UInt64>? = 150...3_000) -> UInt64 {
            var settings = Settings()
            settings.adaptiveTimeoutMilliseconds = adaptive
            var bench = Bench(
                recovered: RecoveredLog(hardState: HardState(), snapshot: Bench.origin(3), entries: []),
                settings: settings)
            let request = AppendRequest(
                previousIndex: .zero, previousTerm: .zero, commit: .zero, entries: [], readRound: 0, sentAt: 1,
                electionTimeoutMilliseconds: milliseconds)
            bench.hear(.appendRequest(request), from: 2, term: 1)
            return bench.node.status.electionTimeoutMilliseconds
        }
        #expect(told(1_000) == 1_000)
        #expect(told(1) == 150)
        #expect(told(.max) == 3_000)
        #expect(told(0) == 300)
        #expect(told(1_000, adaptive: nil) == 300)
    }

    @Test("The answer to a question that was asked again counts")
    func lateAnswer() {
        func role(_ mutations: Mutations) -> Role {
            var bench = Bench(mutations: mutations)
            bench.step(.tick(MonotonicTime(nanoseconds: 2_000_000_000)))
            let first = bench.last.messages
            bench.step(.tick(MonotonicTime(nanoseconds: 2_700_000_000)))
            #expect(first.count == 2)
            #expect(bench.last.messages.count == 2)
            bench.hear(
                .preVoteResponse(VoteResponse(granted: true, sentAt: 2_000_000_000)), from: 2, term: 0)
            return bench.node.role
        }
        #expect(role([]) == .candidate)
        #expect(role(.lateAnswersAreLost) == .preCandidate)
    }

    @Test("Of two servers that ask at once one gives way")
    func oneGivesWay() {
        var cluster = TestCluster(3)
        cluster.crash(3)
        cluster.expire(1)
        cluster.expire(2)
        #expect(cluster[1].role == .preCandidate && cluster[2].role == .preCandidate)
        cluster.settle()
        #expect(cluster.leaders == [2])
    }

    // MARK: Broken connections

    @Test("A broken connection shortens the wait for a dead leader; anything that it says undoes that")
    func connectionLost() {
        /// - Returns: after how many milliseconds the follower stands, at most 2000.
        func stands(after word: Message.Body?, from: UInt64 = 2, lost: UInt64 = 2, _ mutations: Mutations = []) -> Int {
            var bench = Bench(
                recovered: RecoveredLog(hardState: HardState(), snapshot: Bench.origin(3), entries: []),
                settings: {
                    var settings = Settings()
                    settings.mutations = mutations
                    return settings
                }())
            let request = AppendRequest(
                previousIndex: .zero, previousTerm: .zero, commit: .zero, entries: [], readRound: 0, sentAt: 1,
                electionTimeoutMilliseconds: 1_000)
            bench.hear(.appendRequest(request), from: 2, term: 1)
            bench.storeLast()
            bench.step(.connectionLost(NodeID(lost)))
            if let word { bench.hear(word, from: from, term: 1) }
            var waited = 0
            while bench.node.role == .follower, waited < 2_000 {
                waited += 5
                bench.step(.tick(MonotonicTime(nanoseconds: 1_000_000_000 + UInt64(waited) * 1_000_000)))
            }
            return waited
        }
        #expect((150...205).contains(stands(after: nil)))
        #expect(stands(after: nil, lost: 3) >= 1_000)
        #expect(stands(after: .readIndexResponse(context: 9, index: nil)) >= 1_000)
        #expect((150...205).contains(stands(after: .readIndexResponse(context: 9, index: nil), from: 3)))
        #expect(stands(after: .readIndexResponse(context: 9, index: nil), .leaderStaysLost) <= 205)
    }

    @Test("A leader with a broken connection hurries, so that whoever comes back hears it")
    func leaderHurries() {
        var bench = slowLeader()
        for i in 0..<300 as Range<UInt64> {
            bench.step(.tick(MonotonicTime(nanoseconds: 3_141_000_000 + i * 5_000_000)))
            for peer in 2...3 as ClosedRange<UInt64> {
                bench.hear(
                    .appendResponse(AppendResponse(result: .alive, readRound: 0, sentAt: 0)), from: peer, term: 2)
            }
        }
        func heartbeats() -> Int {
            var count = 0
            for i in 0..<50 as Range<UInt64> {
                bench.step(.tick(MonotonicTime(nanoseconds: bench.node.now.nanoseconds + 5_000_000)))
                count += bench.last.messages.count { $0.to == NodeID(2) }
                _ = i
            }
            return count
        }
        #expect(heartbeats() <= 1)
        bench.step(.connectionLost(NodeID(2)))
        #expect(heartbeats() >= 8)
    }

    @Test("However many strangers are heard, members stay known and come to be known")
    func strangers() {
        var bench = Bench(term: 1)
        func hear(_ id: UInt64) {
            bench.hear(.timeoutNow, from: id, term: 1)
        }
        hear(2)
        for stranger in 100..<300 as Range<UInt64> { hear(stranger) }
        #expect(bench.node.known.all.count == KnownPeers.limit)
        #expect(bench.node.known[NodeID(299)] != nil && bench.node.known[NodeID(100)] == nil)
        hear(3)
        #expect(bench.node.known[NodeID(3)] != nil && bench.node.known[NodeID(2)] != nil)
    }

    // MARK: Disks

    @Test(
        "A disk that stalls for less than its bound deposes nobody, however near the servers are; longer, and it does")
    func stalledDisk() throws {
        func leader(stallMilliseconds: UInt64) -> Bool {
            var servers = LinkedServers(link: Link(delay: 100, lost: 0), seed: 11)
            servers.run(milliseconds: 30_000)
            guard let leader = servers.leader else { return false }
            servers.link.disk = stallMilliseconds * 1000
            servers.propose(leader)
            servers.link.disk = 500
            servers.run(milliseconds: 3_000)
            return servers.leader == leader
        }
        #expect(leader(stallMilliseconds: 300))
        #expect(leader(stallMilliseconds: 500))
        #expect(!leader(stallMilliseconds: 2_500))
    }

    @Test("A server does not stand while its disk hangs")
    func hangingDiskDoesNotStand() {
        func role(_ mutations: Mutations) -> Role {
            var bench = Bench(mutations: mutations)
            bench.hearAppend(behind: 0, 0, term: 1)
            bench.storeLast()
            bench.hearAppend([1], behind: 0, 0, term: 1)  // never stored
            for time in [3_000_000_000, 3_200_000_000] as [UInt64] {  // the pledge to the leader ends in between
                bench.step(.tick(MonotonicTime(nanoseconds: time)))
            }
            return bench.node.role
        }
        #expect(role([]) == .follower)
        #expect(role(.hangingDiskStands) == .preCandidate)
    }
}
