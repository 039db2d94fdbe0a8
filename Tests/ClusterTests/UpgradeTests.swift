import Raft
import Replica
import Testing
import TupleSpace

@testable import Cluster

@Suite("A rolling upgrade", .serialized)
struct UpgradeTests {
    private func level(_ cluster: TestCluster) -> [UInt32] { cluster.running.map(\.status.featureLevel) }

    @Test(
        "Old and new programs serve together in the old format; with the last old one gone the new format is used by itself"
    )
    func rolling() async throws {
        try await withCluster(3, starts: false) { cluster in
            for i in 0..<3 { cluster.adjust(i) { $0.settings.raft.supportedFeatureLevel = 1 } }
            try await cluster.startAll()
            try await expectFlow(cluster[0], cluster[1], 1)
            for i in 0..<3 {
                #expect(level(cluster).allSatisfy { $0 == 1 }, "an old program is there still, or was a moment ago")
                // The leader last would be kinder to clients; whichever order is to work.
                try await cluster.stop(i)
                cluster.adjust(i, nil)
                try await cluster.start(i)
                try await cluster.leader()
                try await expectFlow(cluster[i], cluster[(i + 1) % 3], i + 2)
                guard i == 1 else { continue }
                // What only the new program understands is refused, naming the server that does not.
                let outcome = await cluster[0].request(.change([.remove(cluster[1].node)]))
                guard case .refused("unsupported", let sentence) = outcome else {
                    Issue.record("\(outcome)")
                    continue
                }
                #expect(sentence.contains("s2") || sentence.contains("feature level 1"), "\(sentence)")
            }
            try await eventually("the new level is in force everywhere") {
                level(cluster).allSatisfy { $0 == Configuration.supportedFeatureLevel }
            }
            let (server, member) = try await cluster.join("x", knowing: cluster[0].status.peers.map(\.member))
            guard case .changed = await cluster[1].request(.change([.add(member)])) else {
                Issue.record("members cannot be changed after the upgrade")
                return
            }
            try await eventually("the new server is a voter") {
                cluster[0].status.peers.contains { $0.member.id == server.node && $0.member.role == .voter }
            }
            for number in 1...4 {
                #expect(
                    try await server.store.count(exactly(number), in: "flow", consistency: .linearizable).count >= 1)
            }
            #expect(cluster.failures.isEmpty)
        }
    }
}
