@testable import Raft

/// How far servers are from each other.
struct Link: CustomStringConvertible {
    /// One way, in microseconds; each message takes up to a tenth longer.
    var delay: UInt64
    /// In a thousand messages.
    var lost: UInt64 = 20
    /// How long a write takes, in microseconds.
    var disk: UInt64 = 500

    var description: String { "\(Double(delay) / 1000) ms one way, \(Double(lost) / 10) % lost" }
    var roundTripMilliseconds: UInt64 { 2 * delay / 1000 }
}

/// Nodes and nothing else, in virtual time: it jumps from one event to the next, so that a day passes in seconds. A
/// node is ticked whenever something arrives and when it waits for a time; the same seed gives the same history.
struct LinkedServers {
    private enum Event {
        case deliver(Message)
        case wake(Int)
        case stored(Int, WriteSequence, life: Int)
        case connectionLost(Int, NodeID)
    }

    private struct Scheduled: Comparable {
        let time: UInt64
        let number: UInt64
        let event: Event
        static func == (a: Self, b: Self) -> Bool { a.number == b.number }
        static func < (a: Self, b: Self) -> Bool { (a.time, a.number) < (b.time, b.number) }
    }

    var link: Link
    let settings: Settings
    private(set) var nodes: [Node] = []
    private(set) var isUp: [Bool]
    private var disks: [TestDisk] = []
    private var lives: [Int]
    private var wakes: [UInt64]
    private var events: [Scheduled] = []
    private var number: UInt64 = 0
    private var random: TestRandom
    /// Nanoseconds.
    private(set) var now: UInt64 = 1_000_000_000
    private(set) var steps = 0
    /// Each time that anyone became leader.
    private(set) var elections: [(time: UInt64, server: Int)] = []

    init(_ count: Int = 3, link: Link, seed: UInt64, settings: Settings = Settings()) {
        self.link = link
        self.settings = settings
        random = TestRandom(seed: seed &+ 1)
        isUp = Array(repeating: true, count: count)
        lives = Array(repeating: 0, count: count)
        wakes = Array(repeating: .max, count: count)
        for n in 1...count {
            disks.append(TestDisk(RecoveredLog(hardState: HardState(), snapshot: Bench.origin(count), entries: [])))
            nodes.append(start(n, seed: seed))
        }
        for n in 1...count { planWake(n) }
    }

    private func start(_ n: Int, seed: UInt64) -> Node {
        Node(
            id: NodeID(UInt64(n)), cluster: TestCluster.id, recovered: disks[n - 1].durable, settings: settings,
            now: MonotonicTime(nanoseconds: now), seed: seed &* 100 &+ UInt64(n) &* 10 &+ UInt64(lives[n - 1]))
    }

    /// Of those that are up, the one with the latest term.
    var leader: Int? {
        let leaders = nodes.indices.filter { isUp[$0] && nodes[$0].role == .leader }
        return leaders.max { nodes[$0].term < nodes[$1].term }.map { $0 + 1 }
    }

    // MARK: What a test does

    mutating func run(milliseconds: UInt64) { run(until: now + milliseconds * 1_000_000) { _ in false } }

    /// - Returns: after how many milliseconds the condition held; nil if it did not in time.
    @discardableResult
    mutating func run(atMostMilliseconds limit: UInt64, until condition: (Self) -> Bool) -> UInt64? {
        let start = now
        return run(until: now + limit * 1_000_000, condition) ? (now - start) / 1_000_000 : nil
    }

    mutating func kill(_ n: Int, connectionsBreak: Bool = false) {
        isUp[n - 1] = false
        lives[n - 1] += 1
        disks[n - 1].crash()
        wakes[n - 1] = .max
        if connectionsBreak { breakConnections(of: n) }
    }

    /// All others notice, and it notices too if it is up.
    mutating func breakConnections(of n: Int) {
        for other in 1...nodes.count where other != n {
            schedule(link.delay * 1000, .connectionLost(other, NodeID(UInt64(n))))
            schedule(link.delay * 1000, .connectionLost(n, NodeID(UInt64(other))))
        }
    }

    mutating func restart(_ n: Int) {
        isUp[n - 1] = true
        nodes[n - 1] = start(n, seed: now)
        planWake(n)
    }

    mutating func propose(_ n: Int) {
        var effects = Effects()
        nodes[n - 1].step(.tick(MonotonicTime(nanoseconds: now)), into: &effects)
        _ = try? nodes[n - 1].propose([1], into: &effects)
        perform(effects, on: n)
    }

    // MARK: Events

    @discardableResult
    private mutating func run(until end: UInt64, _ condition: (Self) -> Bool) -> Bool {
        var effects = Effects()
        while let next = events.first, next.time <= end {
            take()
            now = next.time
            perform(next.event, &effects)
            if condition(self) { return true }
        }
        now = max(now, end)
        return false
    }

    private mutating func perform(_ event: Event, _ effects: inout Effects) {
        switch event {
        case .deliver(let message): step(Int(message.to.rawValue), .message(message), &effects)
        case .wake(let n):
            guard wakes[n - 1] == now else { return }  // an earlier one took its place
            wakes[n - 1] = .max
            step(n, nil, &effects)
        case .stored(let n, _, let life):
            guard life == lives[n - 1], let done = disks[n - 1].complete(1) else { return }
            step(n, .stored(done), &effects)
        case .connectionLost(let n, let peer): step(n, .connectionLost(peer), &effects)
        }
    }

    private mutating func step(_ n: Int, _ input: Input?, _ effects: inout Effects) {
        guard isUp[n - 1] else { return }
        steps += 1
        effects.reset()
        let wasLeader = nodes[n - 1].role == .leader
        let tick = Input.tick(MonotonicTime(nanoseconds: now))
        nodes[n - 1].step(tick, into: &effects)
        if let input {
            nodes[n - 1].step(input, into: &effects)
            nodes[n - 1].step(tick, into: &effects)
        }
        if !wasLeader, nodes[n - 1].role == .leader { elections.append((now, n)) }
        perform(effects, on: n)
    }

    private mutating func perform(_ effects: Effects, on n: Int) {
        for message in effects.messages where random.below(1000) >= link.lost {
            let delay = link.delay * 1000
            schedule(delay + random.below(max(1, delay / 10)), .deliver(message))
        }
        if let write = effects.write {
            disks[n - 1].take(write)
            schedule(link.disk * 1000, .stored(n, write.sequence, life: lives[n - 1]))
        }
        planWake(n)
    }

    /// When the node waits for a time and nothing else.
    private mutating func planWake(_ n: Int) {
        guard isUp[n - 1] else { return }
        let isLeader = nodes[n - 1].role == .leader
        let deadline = isLeader ? nodes[n - 1].nextHeartbeat : nodes[n - 1].electionDeadline
        let time = max(deadline.nanoseconds, now + 1)
        guard time < wakes[n - 1] else { return }  // the one that is planned comes earlier, and then plans anew
        wakes[n - 1] = time
        schedule(time - now, .wake(n))
    }

    // MARK: The queue: a heap

    private mutating func schedule(_ delay: UInt64, _ event: Event) {
        number += 1
        events.append(Scheduled(time: now + delay, number: number, event: event))
        var i = events.count - 1
        while i > 0, events[i] < events[(i - 1) / 2] {
            events.swapAt(i, (i - 1) / 2)
            i = (i - 1) / 2
        }
    }

    private mutating func take() {
        events.swapAt(0, events.count - 1)
        events.removeLast()
        var i = 0
        while true {
            let left = 2 * i + 1
            guard left < events.count else { return }
            let smaller = left + 1 < events.count && events[left + 1] < events[left] ? left + 1 : left
            guard events[smaller] < events[i] else { return }
            events.swapAt(i, smaller)
            i = smaller
        }
    }
}
