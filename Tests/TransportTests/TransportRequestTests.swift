import Raft
import Testing
import ZeroMQ

@testable import Cluster

@Suite("Requests over every peer transport", .serialized)
struct TransportRequestTests {
    @Test("end exactly once, with their answer or by time-out, and leave nothing behind", arguments: WorldKind.allCases)
    func manyRequests(_ kind: WorldKind) throws {
        let world = try kind.make()
        let (a, b) = (try Station(Identity(1), in: world), try Station(Identity(2), in: world))
        world.introduce([a, b])
        try world.deliver([0], from: a, to: b)
        try world.deliver([0], from: b, to: a)
        var asked: [RequestID: UInt8] = [:]
        for number in UInt8(1)...100 {
            let id = try a.requestWhenConnected([number], to: b.id, timeoutMilliseconds: 500, pumping: [a, b])
            asked[id] = number
        }
        #expect(a.transport.nextDeadline != nil)
        try world.await("the end of all requests", [a, b]) {
            for (request, bytes) in b.requests.reversed() { _ = b.transport.respond([bytes[0], 0xAA], to: request) }
            b.requests = []
            return a.responses.count + a.failures.count == asked.count
        }
        for response in a.responses { #expect(try response.bytes == [#require(asked[response.id]), 0xAA]) }
        #expect(Set(a.responses.map(\.id)).isDisjoint(with: a.failures.map(\.id)))
        #expect(Set(a.responses.map(\.id) + a.failures.map(\.id)) == Set(asked.keys))
        if kind == .lossyMemory {
            #expect(!a.failures.isEmpty && !a.responses.isEmpty)
        } else {
            #expect(a.failures.isEmpty)
        }
        #expect(a.transport.nextDeadline == nil)
    }

    @Test("time out when nobody answers, and an answer that comes then is dropped", arguments: WorldKind.allCases)
    func timeouts(_ kind: WorldKind) throws {
        let world = try kind.make()
        let (a, b) = (try Station(Identity(1), in: world), try Station(Identity(2), in: world))
        world.introduce([a, b])
        try world.deliver([0], from: b, to: a)
        var asked = 0
        try world.await("a request that arrives and is not answered", [a, b]) {
            if (try? a.request([1], to: b.id, timeoutMilliseconds: 50)) != nil { asked += 1 }
            return !b.requests.isEmpty
        }
        try world.await("the time-out of all", [a, b]) { a.failures.count == asked }
        #expect(a.failures.allSatisfy { $0.failure == .timedOut })
        #expect(a.transport.statistics[b.id]?.timedOutRequests == asked)
        let late = try #require(b.requests.first).request
        try world.await("the drop of a late answer", [a, b]) {
            _ = b.transport.respond([2], to: late)
            return a.transport.statistics.dropped(.unexpectedResponse) > 0
        }
        #expect(a.responses.isEmpty)
    }

    @Test("are bounded in number, and fail when their peer leaves", arguments: WorldKind.allCases)
    func bounds(_ kind: WorldKind) throws {
        let world = try kind.make()
        var limits = TransportLimits()
        limits.outstandingRequestsPerPeer = 3
        let a = try Station(Identity(1), in: world, limits: limits)
        let b = try Station(Identity(2), in: world)
        world.introduce([a, b])
        for _ in 0..<3 {
            _ = try a.requestWhenConnected([1], to: b.id, timeoutMilliseconds: 60_000, pumping: [a, b])
        }
        #expect(throws: SendRefusal.tooManyRequests) { try a.request([1], to: b.id, timeoutMilliseconds: 60_000) }
        a.transport.update(members: [a.member])
        try a.pump()
        #expect(a.failures.map(\.failure) == [.peerLeft, .peerLeft, .peerLeft])
        #expect(a.transport.nextDeadline == nil)
    }
}

@Suite("The table of requests")
struct RequestTableTests {
    @Test("ends overdue requests in the order in which they began, and keeps the others")
    func expiry() {
        var table = RequestTable(limitPerPeer: 10, first: 5)
        let (x, y) = (NodeID(1), NodeID(2))
        func at(_ ms: UInt64) -> MonotonicTime { MonotonicTime.zero.advanced(byMilliseconds: ms) }
        let first = table.begin(to: x, deadline: at(30))
        let second = table.begin(to: y, deadline: at(10))
        let third = table.begin(to: x, deadline: at(20))
        #expect([first, second, third].map { $0?.rawValue } == [5, 6, 7])
        #expect(table.nextDeadline == at(10))
        #expect(table.fail(now: at(9)) { _ in true }.isEmpty)
        #expect(table.fail(now: at(20)) { _ in true }.map(\.id.rawValue) == [6, 7])
        #expect(table.nextDeadline == at(30))
        let ends = [y, x, x].map { table.end(RequestID(5), from: $0) }
        #expect(ends == [false, true, false], "only an answer from whom it went to ends it, and only once")
        #expect(table.count == 0 && table.count(to: x) == 0 && table.nextDeadline == nil)
    }

    @Test("Its numbers go round without ever being 0")
    func wrapping() {
        var table = RequestTable(limitPerPeer: 10, first: .max)
        let ids = (0..<2).map { _ in table.begin(to: NodeID(1), deadline: .zero)?.rawValue }
        #expect(ids == [.max, 1])
    }
}

@Suite("The switchboard")
struct PeerSwitchboardTests {
    @Test("tells the log of dropped frames once a second for each reason, and of how many")
    func rateLimitedLog() {
        final class Lines { var all: [String] = [] }
        let lines = Lines()
        var switchboard = PeerSwitchboard(
            cluster: ClusterID(1), own: NodeID(1), outstandingRequestsPerPeer: 1, firstRequest: 1,
            log: { lines.all.append($0) })
        for millisecond in UInt64(0)..<1500 {
            switchboard.drop(.wrongKey, now: MonotonicTime(nanoseconds: (millisecond + 1) * 1_000_000))
        }
        switchboard.drop(.malformed, now: MonotonicTime(nanoseconds: 1_500_000_000))
        #expect(
            lines.all == [
                "dropped 1 frame(s) from peers: wrongKey", "dropped 1000 frame(s) from peers: wrongKey",
                "dropped 1 frame(s) from peers: malformed",
            ])
        #expect(switchboard.statistics.dropped(.wrongKey) == 1500)
    }

    @Test("keeps a member's counters when the list of members changes")
    func countersStay() {
        var switchboard = PeerSwitchboard(
            cluster: ClusterID(1), own: NodeID(1), outstandingRequestsPerPeer: 1, firstRequest: 1, log: { _ in })
        func member(_ id: UInt64) -> Member {
            Member(id: NodeID(id), name: "", peerAddress: "", clientAddress: "", httpAddress: "", publicKey: [])
        }
        switchboard.update(members: [member(3), member(1)])
        switchboard.count(.sent, bytes: 10, toPosition: 0)
        switchboard.update(members: [member(1), member(2), member(3)])
        #expect(switchboard.statistics.peers.map(\.id.rawValue) == [2, 3], "in order of id, without itself")
        #expect(switchboard.statistics[NodeID(3)]?.sentBytes == 10)
        #expect(switchboard.statistics[NodeID(2)]?.sentBytes == 0)
    }
}
