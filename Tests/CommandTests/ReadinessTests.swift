import Gateways
import Raft
import Testing

@testable import Cluster
@testable import starling

@Suite("When a server is ready") struct ReadinessTests {
    private func status(heard: [UInt64?] = [10, 20]) -> ServerStatus {
        var status = ServerStatus(node: NodeID(1), cluster: ClusterID(7), name: "a", version: "1")
        status.leader = NodeID(2)
        for (i, silent) in ([0] + heard).enumerated() {
            let member = Member(
                id: NodeID(UInt64(i) + 1), name: ["a", "b", "c"][i], peerAddress: "h:1", clientAddress: "h:2",
                httpAddress: "h:3", publicKey: [])
            status.peers.append(
                .init(
                    member: member, role: .follower, term: Term(1), commit: LogIndex(2_000), applied: LogIndex(2_000),
                    last: LogIndex(2_000),
                    match: nil, silentMilliseconds: silent, roundTripNanoseconds: 0, isReceivingSnapshot: false,
                    version: nil))
        }
        status.commit = LogIndex(2_000)
        status.applied = LogIndex(2_000)
        return status
    }

    private func failed(_ status: ServerStatus, uptime: Duration = .seconds(1)) -> [String] {
        ClusterAdapter.readiness(status, uptime: uptime).filter { !$0.isOK }.map { "\($0.name): \($0.detail)" }
    }

    @Test("With a leader, room, a vote, all applied and all heard it is") func ready() {
        #expect(failed(status()).isEmpty)
    }

    @Test("What is missing is named") func missing() {
        var status = status()
        status.leader = nil
        #expect(failed(status) == ["has-leader: no leader is known in term \(status.term)"])
        status = self.status()
        status.isDiskFull = true
        status.mayVote = false
        status.applied = LogIndex(999)
        #expect(failed(status).map { $0.prefix { $0 != ":" } } == ["disk-has-room", "may-vote", "caught-up"])
    }

    @Test("What a new leader does not know of a member yet is what the member said of itself") func trailing() {
        var status = status()
        status.peers[1].match = .zero
        status.peers[2].match = LogIndex(1_990)
        let shown = ClusterAdapter.status(status).members
        #expect(shown.map(\.trailsBy) == [0, 0, 10])
    }

    @Test("One that has just started waits for the others to find their way back to it, but not for the dead")
    func hearing() {
        #expect(failed(status(heard: [10, nil])) == ["hears-all: not heard yet since this server's start: c"])
        #expect(failed(status(heard: [10, nil]), uptime: .seconds(6)).isEmpty)
        // Silent by now, but heard before: that is for the others' checks.
        #expect(failed(status(heard: [10, 60_000])).isEmpty)
    }
}
