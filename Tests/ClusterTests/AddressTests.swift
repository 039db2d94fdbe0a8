import Raft
import Replica
import Testing
import TupleSpace

@testable import Cluster

@Suite("Members that move to other addresses", .serialized)
struct AddressTests {
    /// The addresses that every server is going to have, and the change that says so.
    private func newAddresses(_ cluster: TestCluster) -> (peer: [String], changes: [MemberChange]) {
        var ports = FreePorts()
        let peer = (0..<cluster.count).map { _ in "127.0.0.1:\(ports.next())" }
        let changes = (0..<cluster.count).map { i in
            let own = cluster.plan.servers[i].own
            return MemberChange.setAddresses(
                cluster[i].node, peer: peer[i], client: own.clientAddress, http: own.httpAddress)
        }
        return (peer, changes)
    }

    private func change(_ server: Server, _ changes: [MemberChange]) async throws {
        let outcome = await server.request(.change(changes))
        guard case .changed = outcome else { throw TestCluster.Timeout(description: "\(outcome)") }
    }

    @Test("All change their addresses at once, in force before any has moved; then one after the other moves")
    func allAtOnce() async throws {
        try await withCluster(3) { cluster in
            let leader = try await cluster.leader()
            let term = cluster[leader].status.term
            let (addresses, changes) = newAddresses(cluster)
            try await change(cluster[(leader + 1) % 3], changes)
            try await eventually("all know the new addresses") {
                cluster.running.allSatisfy { Set($0.status.peers.map(\.member.peerAddress)) == Set(addresses) }
            }
            for i in 0..<3 { try await expectFlow(cluster[i], cluster[(i + 1) % 3], i) }
            #expect(cluster[leader].status.term == term, "nobody lost the leader by it")
            for i in 0..<3 {
                cluster.adjust(i) { $0.peerAddress = addresses[i] }
                try await cluster.stop(i)
                try await cluster.start(i)
                // Two that have moved reach each other, and are a majority.
                if i == 1 { try await expectFlow(cluster[0], cluster[1], 10) }
            }
            for i in 0..<3 { try await expectFlow(cluster[i], cluster[(i + 1) % 3], 20 + i) }
            try await eventually("every way is there") {
                cluster.running.allSatisfy { server in
                    server.status.peers.allSatisfy {
                        $0.member.id == server.node || $0.silentMilliseconds ?? .max < 1_000
                    }
                }
            }
            #expect(cluster.failures.isEmpty)
        }
    }

    @Test("Of two voters one moves, on which the other waits")
    func oneOfTwo() async throws {
        try await withCluster(2) { cluster in
            let moving = try await cluster.follower()
            let (addresses, changes) = newAddresses(cluster)
            try await change(cluster[moving], [changes[moving]])
            try await expectFlow(cluster[0], cluster[1], 1)
            cluster.adjust(moving) { $0.peerAddress = addresses[moving] }
            try await cluster.stop(moving)
            try await cluster.start(moving)
            try await expectFlow(cluster[1], cluster[0], 2)
            #expect(cluster.failures.isEmpty)
        }
    }

    @Test(
        "Servers that moved while all were down find each other by a member file, until the members' list says the same"
    )
    func memberFile() async throws {
        try await withCluster(3) { cluster in
            try await expectFlow(cluster[0], cluster[1], 1)
            let (addresses, changes) = newAddresses(cluster)
            var moved = cluster[0].status.peers.map(\.member)
            for place in moved.indices {
                guard let i = (0..<3).first(where: { cluster[$0].node == moved[place].id }) else { continue }
                moved[place].peerAddress = addresses[i]
            }
            for i in 0..<3 { try await cluster.stop(i, handsOver: false) }
            for i in 0..<3 {
                cluster.adjust(i) { [moved] in
                    $0.peerAddress = addresses[i]
                    $0.memberFile = moved
                }
            }
            try await cluster.startAll()
            try await expectFlow(cluster[1], cluster[2], 2)
            try await change(cluster[0], changes)
            for i in 0..<3 { cluster.adjust(i) { $0.peerAddress = addresses[i] } }
            for i in 0..<3 {
                try await cluster.stop(i)
                try await cluster.start(i)
                try await expectFlow(cluster[i], cluster[(i + 1) % 3], 10 + i)
            }
            #expect(cluster.failures.isEmpty)
        }
    }
}
