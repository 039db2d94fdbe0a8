import Raft

/// One random run, and what it has seen.
struct Chaos {
    var cluster: TestCluster
    var violations: [String] = []
    /// What anyone has ever been told is committed, by index.
    private(set) var committed: [LogIndex: Entry] = [:]
    private var leaders: [Term: NodeID] = [:]
    var random: TestRandom
    /// Servers join, leave, move and change roles as well.
    let changesMembers: Bool
    /// How many servers there were at first.
    let first: Int
    private var proposals: UInt64 = 0
    /// For each read that is waiting: the highest index that anyone had applied when it began.
    private var reads: [UInt64: LogIndex] = [:]
    private var highest = LogIndex.zero
    var checked: [Int]
    var checkedReads: [Int]

    init(servers: Int, seed: UInt64, mutations: Mutations = [], changesMembers: Bool = false) {
        self.changesMembers = changesMembers
        first = servers
        var settings = Settings.fixed
        settings.maximumRequestBytes = 30
        settings.maximumInflightRequests = 4
        settings.mutations = mutations
        // Short, so that there are many elections.
        settings.leaseVoteMilliseconds = 1
        cluster = TestCluster(servers, settings: settings)
        random = TestRandom(seed: seed)
        checked = Array(repeating: 0, count: servers)
        checkedReads = checked
        for n in 1...servers { cluster.servers[n - 1].disk.isSlow = random.below(3) > 0 }
    }

    mutating func run(events: Int) {
        for _ in 0..<events where violations.isEmpty {
            event()
            check()
        }
    }

    private mutating func event() {
        let n = Int(random.below(UInt64(cluster.servers.count))) + 1
        switch random.below(1000) {
        case 0..<500: deliverOne()
        case 500..<650: cluster.wait(n, milliseconds: 10 * (1 + random.below(4)))
        case 650..<800: cluster.store(n, writes: 1 + Int(random.below(3)))
        case 800..<880: propose(n)
        case 880..<920: read(n)
        case 920..<930: cluster.crash(n)
        case 930..<960: if !cluster.servers[n - 1].isUp { restart(n) }
        case 960..<970: partition()
        case 970..<976: cluster.heal()
        case 976..<980: sleep(n)
        case 980..<985: cluster.wait(n, milliseconds: 700)
        case 985..<992: compact(n)
        case 992..<997: stream()
        default: if changesMembers { changeMembers(n) } else { stream() }
        }
    }

    /// Out of order, twice or never.
    private mutating func deliverOne() {
        guard !cluster.network.isEmpty else { return }
        let i = random.below(4) == 0 ? Int(random.below(UInt64(cluster.network.count))) : 0
        let message = cluster.network[i]
        if random.below(20) > 0 { cluster.network.remove(at: i) }
        if random.below(20) > 0 { cluster.deliver(message) }
        let to = Int(message.to.rawValue)
        cluster.step(to, .tick(cluster.servers[to - 1].clock))
        if cluster.network.count > 300 { cluster.network.removeFirst(100) }
    }

    /// Time passes for all but one, which nobody reaches.
    private mutating func sleep(_ sleeper: Int) {
        for n in 1...cluster.servers.count {
            cluster.sides[NodeID(UInt64(n))] = n == sleeper ? 1 : 0
            if n != sleeper { cluster.wait(n, milliseconds: 700) }
        }
    }

    private mutating func propose(_ n: Int) {
        guard cluster.servers[n - 1].isUp else { return }
        proposals += 1
        // Now and then one that is bigger than a request.
        let text = "\(proposals)" + String(repeating: "x", count: random.below(10) == 0 ? 40 : 0)
        _ = try? cluster.propose(n, text)
    }

    private mutating func read(_ n: Int) {
        guard cluster.servers[n - 1].isUp else { return }
        proposals += 1
        reads[proposals] = highest
        cluster.step(n, .read(context: proposals))
    }

    private mutating func restart(_ n: Int) {
        cluster.restart(n)
        checked[n - 1] = 0
    }

    private mutating func partition() {
        for server in cluster.servers { cluster.sides[server.id] = Int(random.below(2)) }
    }

    private mutating func compact(_ n: Int) {
        let server = cluster.servers[n - 1]
        guard server.isUp, server.node.commit > server.node.status.first else { return }
        let metadata = server.node.snapshotMetadata(at: server.node.commit)
        cluster.step(n, .snapshotTaken(metadata, keepFrom: metadata.index.next))
    }

    private mutating func stream() {
        guard let (from, to) = cluster.snapshotsAsked.popLast() else { return }
        let source = cluster.servers[Int(from.rawValue) - 1]
        guard source.isUp else { return }
        let metadata = source.disk.durable.snapshot
        let arrives = random.below(4) > 0 && cluster.sides[from] == cluster.sides[to] && metadata.index > .zero
        if arrives {
            cluster.step(Int(to.rawValue), .snapshotReceived(metadata, from: from))
            // The state machine starts again from the snapshot.
            checked[Int(to.rawValue) - 1] = 0
        }
        cluster.step(Int(from.rawValue), .snapshotSent(to: to, index: arrives ? metadata.index : nil))
    }

    // MARK: What must hold

    private mutating func check() {
        violations += cluster.violations
        cluster.violations = []
        for (i, server) in cluster.servers.enumerated() where server.isUp {
            if server.node.role == .leader {
                let known = leaders.updateValue(server.id, forKey: server.node.term)
                if let known, known != server.id { violations.append("two leaders in term \(server.node.term)") }
            }
            checked[i] = min(checked[i], server.applied.count)
            for entry in server.applied[checked[i]...] {
                let known = committed.updateValue(entry, forKey: entry.index)
                if let known, known != entry { violations.append("index \(entry.index) was committed differently") }
                highest = max(highest, entry.index)
            }
            checked[i] = server.applied.count
            for (context, index) in server.confirmed[checkedReads[i]...] where index < reads[context] ?? .zero {
                violations.append("read \(context) at \(index) misses what was committed before it began")
            }
            checkedReads[i] = server.confirmed.count
            checkContiguous(server)
            if changesMembers { checkMembership(server) }
        }
    }

    private mutating func checkContiguous(_ server: TestServer) {
        guard server.applied.count > 1, let last = server.applied.last else { return }
        let before = server.applied[server.applied.count - 2]
        if last.index != before.index.next {
            violations.append("\(server.id) applied \(last.index) after \(before.index)")
        }
    }

    // MARK: Healing

    /// Everything works again, and time passes.
    mutating func heal() {
        cluster.heal()
        for n in 1...cluster.servers.count {
            if !cluster.servers[n - 1].isUp { restart(n) }
            cluster.servers[n - 1].disk.isSlow = false
            cluster.store(n)
        }
        for round in 0..<600 where violations.isEmpty {
            cluster.wait(milliseconds: 10)
            if round == 400, let leader = cluster.leaders.first { propose(leader) }
            for _ in 0..<4 { cluster.deliver() }
            while !cluster.snapshotsAsked.isEmpty { stream() }
            check()
        }
    }

    /// One leader, no change under way, and every member has committed everything.
    var isLive: Bool {
        guard cluster.leaders.count == 1, let leader = cluster.leaders.first else { return false }
        let node = cluster[leader]
        guard !node.configuration.isJoint, !node.configuration.members.contains(where: \.promoteWhenCaughtUp) else {
            return false
        }
        return node.configuration.members.allSatisfy { cluster[Int($0.id.rawValue)].commit == node.lastIndex }
    }
}

struct TestRandom {
    private var state: UInt64

    init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 &+ 1 }

    mutating func below(_ bound: UInt64) -> UInt64 {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return (state >> 11) % bound
    }
}
