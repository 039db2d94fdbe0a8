import ByteCoding
import Raft
import Replica
import TupleSpace

/// A whole cluster with its clients, disks, clocks and network, in one thread and in virtual time. One seed decides
/// everything.
///
/// `Simulator` runs it with faults drawn from the seed; tests drive it step by step with the same functions (crash,
/// partition, …). One task at a time may use it.
package final class SimulatedCluster {
    let options: SimulationOptions
    let seed: UInt64
    let faults: Faults
    let replicaSettings: ReplicaSettings
    /// Another one after a recovery from the loss of a majority.
    var clusterID: ClusterID
    /// The first one.
    let configuration: Configuration
    var random: SeededRandom
    /// Of the times at which servers that went down come back.
    var faultRandom: SeededRandom
    /// Each misfortune has a stream of its own, so that leaving one out changes no other one's draws.
    let misfortuneSeed: UInt64
    var misfortunes = 0

    /// Nanoseconds of virtual time.
    package internal(set) var now: UInt64 = 0
    /// Events so far.
    package internal(set) var step: UInt64 = 0
    var queue = EventQueue<SimulationEvent>()
    var network: SimulatedNetwork
    var servers: [SimulatedServer]
    var clients: [SimulatedClient] = []
    var simulatedOperator: SimulatedOperator
    /// Looked up only. Nodes whose disk was wiped are not in it.
    private(set) var numbers: [NodeID: Int]
    var checker: SafetyChecker
    var history = HistoryRecorder()
    var trace: TraceLog
    var statistics = RunStatistics()
    var isHealing = false
    var healingBegan: UInt64 = 0
    /// Time between two ticks of a server, in nanoseconds.
    var tick: ClosedRange<UInt64> = 8_000_000...10_000_000
    /// Longest time between two misfortunes, in nanoseconds.
    var calm: UInt64 = 800_000_000
    /// Scripts may lose messages of their choice: true loses it.
    package var drops: ((_ message: PeerMessage, _ from: Int, _ to: Int) -> Bool)?
    var nextAttempt: UInt64 = 0
    var nextUnique: Int64 = 0
    /// Clients set policies and tokens in this run, and act by them: half of all do.
    let drawsRights: Bool
    /// Reservations that somebody was told of lately.
    var reservations: [ReservationID] = []

    package init(seed: UInt64, options: SimulationOptions, faults: Faults? = nil, settings: ReplicaSettings? = nil) {
        self.seed = seed
        self.options = options
        // What plain runs do not draw comes from a stream of its own, so that their seeds give what they gave.
        var latest = SeededRandom(seed: ~seed)
        drawsRights = !options.usesPlainOperations && !options.isSmallHistory && latest.chance(percent: 50)
        var random = SeededRandom(seed: seed)
        var character = random.fork()
        self.faults = faults ?? SimulatedCluster.drawFaults(options, &character)
        let drawn = character.below(20)
        let count = options.servers ?? [1, 2, 2, 2, 3, 3, 3, 3, 3, 3, 4, 4, 5, 5, 5, 5, 5, 6, 7, 3][drawn]
        replicaSettings = settings ?? SimulatedCluster.drawSettings(options, self.faults, &character)
        clusterID = ClusterID(character.next() | 1)
        let level = SimulatedCluster.drawLevel(options, self.faults, &latest)
        let spares = options.spares ?? (self.faults.contains(.members) ? 3 : 0)
        let ids = (0..<count + spares).map { NodeID(character.next() >> 8 | UInt64($0 + 1) << 56) }
        let first = Configuration(
            members: zip(ids, 0..<count).map { SimulatedCluster.member($0, named: "\(SimulatedCluster.letter($1))") },
            featureLevel: level)
        configuration = first
        numbers = Dictionary(uniqueKeysWithValues: zip(ids, 0...))
        servers = zip(ids, 0...).map { id, number in
            let server = SimulatedServer(number: number, id: id, first: first, random: random.fork())
            server.featureLevel = level
            server.isRetired = number >= count
            return server
        }
        network = SimulatedNetwork(servers: count + spares, random: random.fork())
        checker = SafetyChecker(first, options.tupleMutations)
        trace = TraceLog(lines: options.traceLines)
        faultRandom = random.fork()
        misfortuneSeed = random.next()
        simulatedOperator = SimulatedOperator()
        self.random = random
        drawWeather(&character)
        for server in servers where !server.isRetired { start(server) }
    }

    static func letter(_ number: Int) -> Character { Character(UnicodeScalar(UInt8(97 + number))) }

    static func member(_ id: NodeID, named name: String, role: Member.Role = .voter) -> Member {
        Member(
            id: id, name: name, peerAddress: "\(name):1", clientAddress: "\(name):2", httpAddress: "\(name):3",
            role: role, publicKey: Array(repeating: UInt8(truncatingIfNeeded: id.rawValue), count: 32))
    }

    /// The machine becomes another node with an empty disk, which is to join.
    func wipe(_ server: SimulatedServer) {
        numbers[server.id] = nil
        let id = NodeID(random.next() >> 8 | UInt64(server.number + 1) << 56)
        server.wipe(as: id)
        numbers[id] = server.number
    }

    func server(_ id: NodeID) -> SimulatedServer? { numbers[id].map { servers[$0] } }

    // MARK: - The loop

    /// - time: absolute virtual time in nanoseconds.
    func plan(_ event: SimulationEvent, at time: UInt64) { queue.plan(event, at: max(time, now)) }
    func plan(_ event: SimulationEvent, after delay: UInt64) { queue.plan(event, at: now + delay) }

    var violation: SafetyChecker.Violation? { checker.violation }

    /// Takes the next event.
    /// - Returns: false if there is none, or something was violated.
    @discardableResult
    package func advance() -> Bool {
        guard checker.violation == nil, let (time, event) = queue.pop() else { return false }
        now = time
        step += 1
        // Nobody has so much to do: somewhere a message begets a message at once.
        if step > 200_000 + now / 1_000 {
            checker.report("virtual time goes on", "\(step) events in \(now / 1_000_000) ms")
        }
        handle(event)
        return checker.violation == nil
    }

    /// Runs until this much more virtual time has passed.
    /// - Returns: false if something was violated.
    @discardableResult
    package func run(milliseconds: UInt64) -> Bool {
        let end = now + milliseconds * 1_000_000
        while let next = queue.nextTime, next <= end {
            guard advance() else { return false }
        }
        now = end
        return checker.violation == nil
    }

    /// Runs until the condition holds, looking after every event.
    /// - Returns: whether it came to hold in that time.
    @discardableResult
    package func run(upTo milliseconds: UInt64, until condition: (SimulatedCluster) -> Bool) -> Bool {
        let end = now + milliseconds * 1_000_000
        if condition(self) { return true }
        while let next = queue.nextTime, next <= end {
            guard advance() else { return false }
            if condition(self) { return true }
        }
        return false
    }

    private func handle(_ event: SimulationEvent) {
        switch event {
        case .tick(let number, let life):
            guard let process = process(number, life) else { return }
            trace.mix(1, now, UInt64(number))
            plan(.tick(server: number, life: life), after: random.within(tick))
            if !process.isPassPlanned { pass(servers[number]) }
        case .pass(let number, let life):
            guard process(number, life) != nil else { return }
            trace.mix(2, now, UInt64(number))
            pass(servers[number])
        case .deliver(let to, let from, let bytes):
            // The transport knows who is at the other end: nothing reaches another node than was meant.
            guard let server = server(to), server.canRead(bytes) else { return }
            trace.mix(3, now, UInt64(server.number), UInt64(bytes.count))
            receive(server, .peer(from: from, bytes))
        case .connectionLost(let number, let peer): receive(servers[number], .connectionLost(peer))
        case .request(let number, let request): receive(servers[number], .request(request))
        case .keepAlive(let number, let session): receive(servers[number], .keepAlive(session))
        case .writeDone(let number, let life):
            if process(number, life) != nil { finishWriting(servers[number]) }
        case .snapshotWritten(let number, let life):
            if process(number, life) != nil { writeSnapshot(servers[number]) }
        case .snapshotRead(let number, let life, let read):
            if process(number, life) != nil { readSnapshot(servers[number], read) }
        case .chunkWritten(let number, let life, let from, let chunk):
            if process(number, life) != nil { storeChunk(servers[number], from, chunk) }
        case .snapshotLoaded(let number, let life, let metadata):
            if process(number, life) != nil { loadSnapshot(servers[number], metadata) }
        case .reply(let client, let operation, let attempt, let reply):
            clients[client].receive(reply, operation: operation, attempt: attempt, in: self)
        case .clientWakes(let client): clients[client].wake(in: self)
        case .attemptOverdue(let client, let operation, let attempt):
            clients[client].overdue(operation, attempt, in: self)
        case .sessionPulse(let client, let session): clients[client].pulse(session, in: self)
        case .decideHeld(let client, let sequence, let session):
            clients[client].decide(sequence, session, in: self)
        case .subscribe(let number, let subscription): receive(servers[number], .subscribe(subscription))
        case .events(let client, let attempt, let number, let batch):
            clients[client].receive(batch, number, attempt, in: self)
        case .subscriptionPulse(let client): clients[client].pulseSubscription(in: self)
        case .operatorAsks(let number, let request):
            guard servers[number].featureLevel > 1 else { return simulatedOperator.isNotUnderstood(request.id) }
            receive(servers[number], .cluster(request))
        case .operatorHears(let id, let outcome): simulatedOperator.hears(outcome, id, in: self)
        case .retire(let id): retire(id)
        case .stop(let number, let life): stop(number, life)
        case .upgrade(let number): upgrade(servers[number])
        case .misfortune: strike()
        case .end(let ending): end(ending)
        }
    }

    /// The process of that life, if it still runs.
    private func process(_ number: Int, _ life: Int) -> ServerProcess? {
        servers[number].life == life ? servers[number].process : nil
    }

    /// Something arrives at a server: it is taken in by its next pass, together with what else has arrived until then.
    func receive(_ server: SimulatedServer, _ input: ServerProcess.Inbound) {
        guard let process = server.process else { return }
        process.inbox.append(input)
        guard !process.isPassPlanned, !server.isPaused else { return }
        process.isPassPlanned = true
        plan(.pass(server: server.number, life: server.life), after: 1_000 + random.below(60_000 as UInt64))
    }

    // MARK: - Looking at it

    package var serverCount: Int { servers.count }
    package func isUp(_ server: Int) -> Bool { servers[server].process != nil }
    package func isLeader(_ server: Int) -> Bool { servers[server].process?.replica.isLeader ?? false }
    package func status(_ server: Int) -> Status? { servers[server].process?.replica.status }
    package func appliedIndex(_ server: Int) -> LogIndex { servers[server].process?.replica.appliedIndex ?? .zero }
    package func machine(_ server: Int) -> StateMachine? { servers[server].process?.replica.machine }
    /// The leader of the latest term, if one runs.
    package var leader: Int? {
        servers.indices.filter { isLeader($0) }.max {
            servers[$0].process?.seenTerm ?? .zero < servers[$1].process?.seenTerm ?? .zero
        }
    }
    package var commit: LogIndex { checker.commit }
    package var violationText: String? { checker.violation.map { "\($0.invariant): \($0.details)" } }
}
