/// Which messages arrive, when, and how often. Between servers, and between clients and servers.
struct SimulatedNetwork {
    /// How the network is when nothing is broken.
    struct Weather: Sendable {
        var lossPerMillion = 0
        var duplicationPerMillion = 0
        /// Of messages that take a long way round.
        var detourPerMillion = 0
        /// Nanoseconds.
        var latency: ClosedRange<UInt64> = 50_000...400_000
        var detour: ClosedRange<UInt64> = 1_000_000...200_000_000
        var clientLossPerMillion = 0
    }

    let servers: Int
    var weather = Weather()
    private var random: SeededRandom
    /// Link `from * servers + to` carries nothing.
    private var blocked: [Bool]
    /// Clients cannot reach these servers.
    private var unreachable: [Bool]
    /// How long the way of each link takes at least, in nanoseconds: no fault, but geography.
    var distances: [UInt64]
    private(set) var lost: UInt64 = 0

    init(servers: Int, random: SeededRandom) {
        self.servers = servers
        self.random = random
        blocked = Array(repeating: false, count: servers * servers)
        unreachable = Array(repeating: false, count: servers)
        distances = Array(repeating: 0, count: servers * servers)
    }

    // MARK: - Partitions

    mutating func block(from: Int, to: Int) { blocked[from * servers + to] = true }
    mutating func unblock(from: Int, to: Int) { blocked[from * servers + to] = false }
    func isBlocked(from: Int, to: Int) -> Bool { blocked[from * servers + to] }

    /// Nothing passes between one side and the other, in either direction.
    mutating func separate(_ side: [Int], from others: [Int]) {
        for a in side {
            for b in others where a != b {
                block(from: a, to: b)
                block(from: b, to: a)
            }
        }
    }

    mutating func hideFromClients(_ server: Int) { unreachable[server] = true }

    mutating func heal() {
        for i in blocked.indices { blocked[i] = false }
        for i in unreachable.indices { unreachable[i] = false }
    }

    // MARK: - Messages

    /// Delays in nanoseconds after which a message arrives: none if it is lost, two if it is doubled.
    mutating func delays(from: Int, to: Int, isBulk: Bool, bytes: Int) -> [UInt64] {
        if isBlocked(from: from, to: to) || random.chance(perMillion: weather.lossPerMillion) {
            lost += 1
            return []
        }
        let first = distance(from: from, to: to) + delay(isBulk: isBulk, bytes: bytes)
        guard random.chance(perMillion: weather.duplicationPerMillion) else { return [first] }
        return [first, first + delay(isBulk: isBulk, bytes: bytes)]
    }

    /// With jitter of up to a tenth.
    private mutating func distance(from: Int, to: Int) -> UInt64 {
        let least = distances[from * servers + to]
        return least == 0 ? 0 : least + random.skewed(0...least / 10)
    }

    private mutating func delay(isBulk: Bool, bytes: Int) -> UInt64 {
        var delay = random.skewed(weather.latency)
        if random.chance(perMillion: weather.detourPerMillion) { delay += random.skewed(weather.detour) }
        // A gigabit a second; what is patient takes ten times as long.
        return delay + UInt64(bytes) * (isBulk ? 80 : 8)
    }

    /// Between a client and a server, in either direction; nil if it is lost.
    mutating func clientDelay(server: Int) -> UInt64? {
        if unreachable[server] || random.chance(perMillion: weather.clientLossPerMillion) { return nil }
        return delay(isBulk: false, bytes: 100)
    }
}
