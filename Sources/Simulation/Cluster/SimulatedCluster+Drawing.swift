import Raft
import Replica

/// The character of a run, drawn from its seed.
extension SimulatedCluster {
    static func drawFaults(_ options: SimulationOptions, _ random: inout SeededRandom) -> Faults {
        var drawn: Faults = []
        for (fault, _) in Faults.names {
            // Drawn whether or not it is allowed, so that forbidding one changes nothing else.
            let isDrawn = random.chance(percent: 55)
            let isCertain = options.usesAllFaults || options.certainFaults.contains(fault)
            if options.allowedFaults.contains(fault), isDrawn || isCertain { drawn.insert(fault) }
        }
        // The few clients of a small history are all there is, and their sessions outlast the run.
        if options.isSmallHistory { drawn.remove(.clientDeaths) }
        // Each has more room in runs without the other: while bits are rotten nobody changes the members.
        let turn = random.below(100)
        if drawn.isSuperset(of: [.rot, .members]), turn < 70, !options.usesAllFaults {
            drawn.remove(turn < 35 ? .rot : .members)
        }
        // Most clusters run on one network, and the same program on all servers.
        let isNear = random.chance(percent: 60)
        if isNear, !options.usesAllFaults { drawn.remove(.distance) }
        let isUniform = random.chance(percent: 60)
        if isUniform, !options.usesAllFaults { drawn.remove(.upgrades) }
        return drawn.union(options.certainFaults.intersection(options.allowedFaults))
    }

    /// What all servers' programs can do when the run begins.
    static func drawLevel(_ options: SimulationOptions, _ faults: Faults, _ random: inout SeededRandom) -> UInt32 {
        guard faults.contains(.upgrades) else { return Configuration.supportedFeatureLevel }
        return options.usesPlainOperations ? 1 : random.pick([1, 1, 2, 3, 3]) ?? 1
    }

    static func drawSettings(
        _ options: SimulationOptions, _ faults: Faults, _ random: inout SeededRandom
    ) -> ReplicaSettings {
        var settings = ReplicaSettings()
        drawTimeouts(&settings.raft, faults, &random)
        if let fixed = options.leaseReads { settings.raft.leaseReads = fixed }
        settings.raft.maximumInflightRequests = random.pick([1, 2, 8, 64]) ?? 8
        settings.raft.maximumRequestBytes = random.pick([64, 1 << 10, 1 << 20]) ?? 1 << 20
        if faults.contains(.distance) {
            // One small request a round trip would take minutes for what a quick leader appends meanwhile.
            settings.raft.maximumInflightRequests = max(8, settings.raft.maximumInflightRequests)
            settings.raft.maximumRequestBytes = max(4 << 10, settings.raft.maximumRequestBytes)
        }
        settings.raft.maximumUncommittedBytes = random.pick([2 << 10, 64 << 20]) ?? 64 << 20
        settings.raft.mutations = options.mutations
        settings.patienceMilliseconds = random.pick([500, 1_500, 4_000]) ?? 1_500
        if faults.contains(.distance) {
            // A command under a key is a new one at each attempt, so each must be committed within the patience: to the
            // leader and back, and from there to a majority and back, is four ways of up to 330 ms.
            settings.patienceMilliseconds = max(2_000, settings.patienceMilliseconds)
        }
        settings.resendMilliseconds = random.pick([60, 250, 1_000]) ?? 250
        settings.batchBytes = random.pick([64, 512 << 10]) ?? 512 << 10
        settings.maximumBatchBytes = random.pick([1 << 10, 16 << 20]) ?? 16 << 20
        settings.statusIntervalMilliseconds = 50
        let entries = random.pick([4, 16, 40, 120]) ?? 40
        let trailing = random.pick([0, 0, 3, 30]) ?? 3
        settings.raft.farBehindEntries = entries
        settings.raft.catchUpBytesPerSecond = 20_000
        var chunk = random.pick([100, 4 << 10, 512 << 10]) ?? 4 << 10
        if faults.contains(.distance) { chunk = max(chunk, 4 << 10) }
        if faults.contains(.snapshots) {
            settings.snapshotEntries = entries
            settings.trailingEntries = trailing
        }
        settings.snapshotChunkBytes = chunk
        settings.snapshotPatienceMilliseconds = faults.contains(.distance) ? 3_000 : 1_000
        settings.subscriptionHeartbeatMilliseconds = 300
        settings.clusterPatienceMilliseconds = random.pick([500, 2_000, 10_000]) ?? 2_000
        settings.mendingMilliseconds = 1_000
        settings.mutations = options.replicaMutations
        return settings
    }

    private static func drawTimeouts(_ raft: inout Settings, _ faults: Faults, _ random: inout SeededRandom) {
        let isAdaptive = random.chance(percent: 65)
        let floor: UInt64 = random.pick([80, 150, 150]) ?? 150
        let usesLeases = random.chance(percent: 30)
        var election: UInt64 = random.pick([80, 150, 300]) ?? 150
        // A fixed timeout must fit the network.
        if faults.contains(.distance), !isAdaptive { election = 1_500 }
        if isAdaptive { election = max(election, floor) }
        raft.adaptiveTimeoutMilliseconds = isAdaptive ? floor...3_000 : nil
        raft.electionTimeoutMilliseconds = election..<election * 2
        raft.heartbeatMilliseconds = election / 6
        raft.leaseReads = usesLeases
        raft.leaseVoteMilliseconds = min(150, isAdaptive ? floor : election)
        raft.leaseMilliseconds = raft.leaseVoteMilliseconds * 2 / 3
    }

    func drawWeather(_ random: inout SeededRandom) {
        var weather = SimulatedNetwork.Weather()
        let loss = random.pick([2_000, 20_000, 100_000]) ?? 0
        let duplication = random.pick([5_000, 50_000, 200_000]) ?? 0
        let detour = random.pick([5_000, 50_000, 300_000]) ?? 0
        let longest: UInt64 = random.pick([5_000_000, 100_000_000, 1_000_000_000]) ?? 5_000_000
        let slowest: UInt64 = random.pick([300_000, 2_000_000, 10_000_000]) ?? 300_000
        if faults.contains(.loss) { weather.lossPerMillion = loss }
        if faults.contains(.duplication) { weather.duplicationPerMillion = duplication }
        if faults.contains(.delay) {
            weather.detourPerMillion = detour
            weather.detour = 1_000_000...longest
            weather.latency = 50_000...slowest
        }
        calm = random.pick([150_000_000, 400_000_000, 800_000_000, 1_500_000_000]) ?? calm
        if let fixed = options.calmMilliseconds { calm = fixed * 1_000_000 }
        if faults.contains(.clientLoss) { weather.clientLossPerMillion = loss }
        drawDistances(&random)
        network.weather = weather
    }

    /// The same between all, or for each pair of servers its own.
    private func drawDistances(_ random: inout SeededRandom) {
        let distances: [UInt64] = [100_000, 20_000_000, 150_000_000, 300_000_000]
        let common = random.chance(percent: 50) ? random.pick(distances) : nil
        var drawn: [UInt64] = []
        for _ in 0..<servers.count * servers.count { drawn.append(common ?? random.pick(distances) ?? 0) }
        for from in servers.indices {
            for to in servers.indices {
                if let fixed = options.linkMilliseconds {
                    network.distances[from * servers.count + to] = UInt64(fixed * 1_000_000)
                } else if faults.contains(.distance) {
                    network.distances[from * servers.count + to] = drawn[min(from, to) * servers.count + max(from, to)]
                }
            }
        }
    }
}
