import Raft
import Replica
import TupleSpace

/// Scripts of disks.
extension Scripts {
    static let storage: [Script] = [
        Script(
            name: "the first segments are gone", claim: "what is durable survives a crash", seeds: 3,
            failure: { compactedHardState($0, $1) })
    ]

    private static func filler(_ number: Int, bytes: Int = 20_000) -> TupleSpace.Operation {
        .write(space: "jobs", tuple: Tuple([.string(String(repeating: "x", count: bytes)), .int(Int64(number))]))
    }

    /// The segment in which term and vote were written is compacted away.
    package static func compactedHardState(_ seed: UInt64, _ options: SimulationOptions) -> String? {
        let cluster = SimulatedCluster.scripted(servers: 1, seed: seed, options) {
            $0.snapshotEntries = 6
            $0.trailingEntries = 0
        }
        let client = cluster.addScriptedClient()
        for number in 0..<40 {
            let written = cluster.begin(filler(number), by: client)
            guard cluster.reply(to: written, of: client)?.isWritten ?? false else {
                return cluster.violationText ?? "nothing is written"
            }
            cluster.run(milliseconds: 20)
        }
        cluster.crash(0)
        cluster.restart(0)
        return cluster.recover()
    }
}
