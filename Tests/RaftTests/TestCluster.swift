import Raft

/// A disk that does what it is told when the test says so. What was handed in but not completed is lost in a crash.
struct TestDisk {
    private(set) var durable: RecoveredLog
    private(set) var pending: [StorageWrite] = []
    private(set) var lastSequence = WriteSequence.zero
    /// The test completes writes by hand.
    var isSlow = false

    init(_ recovered: RecoveredLog) {
        durable = recovered
    }

    mutating func take(_ write: StorageWrite) {
        precondition(write.sequence == lastSequence.next, "writes ascend by one")
        lastSequence = write.sequence
        pending.append(write)
    }

    /// Completes the oldest `count` writes, and says which was the last.
    mutating func complete(_ count: Int) -> WriteSequence? {
        let done = pending.prefix(count)
        for write in done { durable.apply(write) }
        pending.removeFirst(done.count)
        return done.last?.sequence
    }

    mutating func crash() {
        pending = []
        lastSequence = .zero
    }

    mutating func change(_ change: (inout RecoveredLog) -> Void) {
        change(&durable)
    }
}

extension RecoveredLog {
    mutating func apply(_ write: StorageWrite) {
        if let hardState = write.hardState { self.hardState = hardState }
        if let snapshot = write.snapshot {
            self.snapshot = snapshot
            if !write.keepsTail { entries = [] }
            entries.removeAll { $0.index <= snapshot.index }
        }
        if let from = write.truncateFrom { entries.removeAll { $0.index >= from } }
        for entry in write.entries {
            let end = entries.last?.index ?? snapshot.index
            precondition(entry.index == end.next, "entry \(entry.index) does not follow \(end)")
            entries.append(entry)
        }
    }
}

struct TestServer {
    let id: NodeID
    var node: Node
    var disk: TestDisk
    var isUp = true
    /// What the state machine was given since the start, in order.
    var applied: [Entry] = []
    var installed: SnapshotMetadata?
    var confirmed: [(context: UInt64, index: LogIndex)] = []
    var failed: [UInt64] = []
    /// Each server's clock is its own.
    var clock = MonotonicTime(nanoseconds: 1_000_000_000)
    var lives: UInt64 = 0
}

/// Servers in one process, step by step. Nothing happens unless a test says so; but disks are quick unless made slow.
struct TestCluster {
    static let id = ClusterID(0xC1)

    var servers: [TestServer]
    var network: [Message] = []
    /// Messages between servers of different sides are lost.
    var sides: [NodeID: Int] = [:]
    var settings: Settings
    /// Peers for whom a snapshot was asked: from and to.
    var snapshotsAsked: [(from: NodeID, to: NodeID)] = []
    /// Called with the effects of every step.
    var observe: (Node, Effects) -> Void = { _, _ in }
    /// Violations of invariants that were seen after any step.
    var violations: [String] = []

    init(_ count: Int, settings: Settings = .fixed) {
        self.init(logs: Array(repeating: (Term.zero, []), count: count), settings: settings)
    }

    /// One server for each log: its term, and the terms of its entries.
    init(logs: [(term: Term, entries: [UInt64])], settings: Settings = .fixed) {
        self.settings = settings
        let configuration = TestCluster.configuration(logs.count)
        servers = []
        for (i, log) in logs.enumerated() {
            let entries = log.entries.enumerated().map { index, term in
                Entry(
                    index: LogIndex(UInt64(index + 1)), term: Term(term), kind: .command,
                    payload: Array("\(index + 1).\(term)".utf8))
            }
            let disk = TestDisk(
                RecoveredLog(
                    hardState: HardState(term: log.term),
                    snapshot: SnapshotMetadata(
                        index: .zero, term: .zero, configuration: configuration, configurationIndex: .zero),
                    entries: entries))
            let id = NodeID(UInt64(i + 1))
            let node = TestCluster.start(id, disk, settings, at: MonotonicTime(nanoseconds: 1_000_000_000), life: 0)
            var server = TestServer(id: id, node: node, disk: disk)
            // Long enough after its start that it owes nothing to a leader that it may have heard before.
            if log.term > .zero {
                server.clock = MonotonicTime(nanoseconds: 1_200_000_000)
                server.node.hearTime(server.clock)
            }
            servers.append(server)
        }
    }

    static func configuration(_ count: Int) -> Configuration {
        Configuration(
            members: (1...count).map { i in
                Member(
                    id: NodeID(UInt64(i)), name: "s\(i)", peerAddress: "h:\(i)", clientAddress: "", httpAddress: "",
                    publicKey: [UInt8](repeating: UInt8(i), count: 32))
            })
    }

    private static func start(
        _ id: NodeID, _ disk: TestDisk, _ settings: Settings, at now: MonotonicTime, life: UInt64
    ) -> Node {
        Node(
            id: id, cluster: TestCluster.id, recovered: disk.durable, settings: settings, now: now,
            seed: id.rawValue &* 1000 &+ life)
    }

    subscript(_ n: Int) -> Node { servers[n - 1].node }

    func log(_ n: Int) -> [UInt64] {
        let node = self[n]
        return node.entries(from: node.status.first, through: node.lastIndex, maximumBytes: .max).map(\.term.rawValue)
    }

    var leaders: [Int] {
        servers.indices.filter { servers[$0].isUp && servers[$0].node.role == .leader }.map { $0 + 1 }
    }

    // MARK: What a test does

    mutating func step(_ n: Int, _ input: Input) {
        guard servers[n - 1].isUp else { return }
        var effects = Effects()
        servers[n - 1].node.step(input, into: &effects)
        perform(effects, on: n)
    }

    @discardableResult
    mutating func propose(_ n: Int, _ text: String) throws -> (index: LogIndex, term: Term) {
        var effects = Effects()
        let place = try servers[n - 1].node.propose(Array(text.utf8), into: &effects)
        perform(effects, on: n)
        return place
    }

    /// Time passes on one server, in steps of 10 ms.
    mutating func wait(_ n: Int, milliseconds: UInt64) {
        for _ in 0..<max(1, milliseconds / 10) {
            servers[n - 1].clock = servers[n - 1].clock.advanced(byMilliseconds: 10)
            step(n, .tick(servers[n - 1].clock))
        }
    }

    mutating func wait(milliseconds: UInt64) {
        for _ in 0..<max(1, milliseconds / 10) {
            for n in 1...servers.count { wait(n, milliseconds: 10) }
        }
    }

    /// The server's election timeout runs out: it stands.
    mutating func expire(_ n: Int) {
        for _ in 0..<100 where servers[n - 1].node.role == .follower { wait(n, milliseconds: 10) }
    }

    /// Delivers what is under way now and passes the filter. What comes of it is under way next.
    mutating func deliver(where passes: (Message) -> Bool = { _ in true }) {
        let now = network.filter(passes)
        network.removeAll(where: passes)
        for message in now { deliver(message) }
    }

    mutating func deliver(_ message: Message) {
        guard sides[message.from] == sides[message.to] else { return }
        step(Int(message.to.rawValue), .message(message))
    }

    mutating func drop(where passes: (Message) -> Bool = { _ in true }) {
        network.removeAll(where: passes)
    }

    /// Completes the server's oldest writes.
    mutating func store(_ n: Int, writes: Int = .max) {
        guard let sequence = servers[n - 1].disk.complete(writes) else { return }
        step(n, .stored(sequence))
    }

    /// Delivers everything until nothing is under way.
    mutating func settle() {
        for _ in 0..<1000 where !network.isEmpty { deliver() }
        precondition(network.isEmpty, "the servers do not come to rest")
    }

    /// Server `n` is elected by those who hear it, and everything is delivered.
    mutating func elect(_ n: Int) {
        for other in 1...servers.count where other != n {
            servers[other - 1].node.hearTime(servers[other - 1].clock)
            // Time enough has passed for the others to have lost the old leader.
            let later = servers[other - 1].clock.advanced(byMilliseconds: 301)
            guard servers[other - 1].node.role == .follower, servers[other - 1].node.hearTime(later) else { continue }
            servers[other - 1].clock = later
        }
        expire(n)
        settle()
    }

    mutating func crash(_ n: Int) {
        servers[n - 1].isUp = false
        servers[n - 1].disk.crash()
        let id = NodeID(UInt64(n))
        network.removeAll { $0.from == id }
    }

    mutating func restart(_ n: Int) {
        servers[n - 1].lives += 1
        servers[n - 1].isUp = true
        servers[n - 1].applied = []
        let server = servers[n - 1]
        servers[n - 1].node = TestCluster.start(
            server.id, server.disk, settings, at: server.clock, life: server.lives)
    }

    mutating func partition(_ groups: [[Int]]) {
        sides = [:]
        for (side, group) in groups.enumerated() {
            for n in group { sides[NodeID(UInt64(n))] = side }
        }
    }

    mutating func heal() { sides = [:] }

    mutating func perform(_ effects: Effects, on n: Int) {
        let id = NodeID(UInt64(n))
        observe(servers[n - 1].node, effects)
        network.append(contentsOf: effects.messages)
        if let snapshot = effects.snapshotToInstall {
            servers[n - 1].installed = snapshot
            servers[n - 1].applied = []
        }
        servers[n - 1].applied += effects.committed
        servers[n - 1].confirmed += effects.confirmedReads
        servers[n - 1].failed += effects.failedReads
        for peer in effects.snapshotsToSend { snapshotsAsked.append((id, peer)) }
        violations += servers[n - 1].node.checkInvariants()
        if let write = effects.write {
            servers[n - 1].disk.take(write)
            if !servers[n - 1].disk.isSlow { store(n) }
        }
    }
}

extension Node {
    /// Learns the time, if nothing else comes of it.
    @discardableResult
    mutating func hearTime(_ time: MonotonicTime) -> Bool {
        var effects = Effects()
        var copy = self
        copy.step(.tick(time), into: &effects)
        guard effects.isEmpty else { return false }
        self = copy
        return true
    }
}

extension Settings {
    /// The election timeouts that are set, whatever the round trips: what a test that counts milliseconds needs.
    static var fixed: Settings {
        var settings = Settings()
        settings.adaptiveTimeoutMilliseconds = nil
        return settings
    }
}
