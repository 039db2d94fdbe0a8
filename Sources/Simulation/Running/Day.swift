import Raft
import Replica

/// What a long quiet time came to, on a network that loses messages and does nothing worse.
public struct DayResult: Sendable {
    public var linkMilliseconds: Double
    public var lossPerMillion: Int
    public var hours: Double
    public var servers: Int
    public var events: UInt64
    /// Of real time.
    public var seconds: Double
    /// Beside the first one. Nobody had a reason for any of them.
    public var needlessElections: Int
    /// The least election timeout that the cluster had settled on.
    public var timeoutMilliseconds: UInt64
    /// After each death of a leader, until another one had committed in its term.
    public var failoverMilliseconds: [UInt64]
    /// What else went wrong; nil if nothing did.
    public var violation: String?

    public var longestFailover: UInt64 { failoverMilliseconds.max() ?? 0 }

    /// How long a failover may take: the crash is noticed within twice the least timeout and the time that a message takes; then come a
    /// pre-vote, a vote and an entry, each with a round trip and each perhaps lost and tried again.
    public var failoverBound: UInt64 { 6 * timeoutMilliseconds + UInt64(20 * linkMilliseconds) + 500 }

    /// In words; nil if it holds.
    var failure: String? {
        holds ? nil : violation ?? "\(needlessElections) needless elections, failover in \(longestFailover) ms"
    }

    public var holds: Bool { violation == nil && needlessElections == 0 && longestFailover <= failoverBound }
}

extension Simulator {
    /// Lets a cluster with adaptive timeouts stand idle for a long time, and then kills its leader some times.
    /// - Parameters:
    ///   - linkMilliseconds: of every link, in one direction; a tenth of it is jitter.
    ///   - lossPerMillion: messages lost of a million.
    public static func day(
        linkMilliseconds: Double, lossPerMillion: Int = 20_000, hours: Double = 24, servers: Int = 3, seed: UInt64 = 1,
        mutations: Mutations = []
    ) -> DayResult {
        let clock = ContinuousClock()
        let began = clock.now
        let cluster = quietCluster(linkMilliseconds, lossPerMillion, servers, seed, mutations)
        var result = DayResult(
            linkMilliseconds: linkMilliseconds, lossPerMillion: lossPerMillion, hours: hours, servers: servers,
            events: 0,
            seconds: 0, needlessElections: 0, timeoutMilliseconds: 0, failoverMilliseconds: [])
        if cluster.awaitLeader(within: 60_000) == nil { result.violation = "nobody is elected within a minute" }
        // The timeouts settle.
        cluster.run(milliseconds: 10_000)
        let before = cluster.statistics.elections
        cluster.run(milliseconds: UInt64(hours * 3_600_000))
        result.needlessElections = Int(cluster.statistics.elections - before)
        result.timeoutMilliseconds = cluster.leader.flatMap { cluster.status($0) }?.electionTimeoutMilliseconds ?? 0
        for _ in 0..<5 where cluster.violationText == nil {
            guard let leader = cluster.leader else { break }
            let dies = cluster.now
            cluster.crash(leader)
            let others = cluster.servers.indices.filter { $0 != leader }
            if cluster.awaitLeader(among: others, within: 120_000) == nil {
                result.violation = "no failover within two minutes"
            }
            result.failoverMilliseconds.append((cluster.now - dies) / 1_000_000)
            cluster.restart(leader)
            cluster.run(milliseconds: 20_000)
        }
        result.violation = cluster.violationText ?? result.violation
        result.events = cluster.step
        result.seconds = (clock.now - began).inSeconds
        return result
    }

    private static func quietCluster(
        _ linkMilliseconds: Double, _ lossPerMillion: Int, _ servers: Int, _ seed: UInt64, _ mutations: Mutations
    ) -> SimulatedCluster {
        var options = SimulationOptions()
        options.servers = servers
        options.linkMilliseconds = linkMilliseconds
        options.mutations = mutations
        var settings = ReplicaSettings()
        settings.statusIntervalMilliseconds = 5_000
        settings.raft.mutations = mutations
        let cluster = SimulatedCluster(seed: seed, options: options, faults: Faults.none, settings: settings)
        cluster.network.weather.lossPerMillion = lossPerMillion
        cluster.tick = 18_000_000...20_000_000
        return cluster
    }
}
