import ByteCoding
import TupleSpace

/// A client: opens a session, wants this and that, repeats what it gets no answer to at other servers, acknowledges or
/// releases what it took, and may die at any moment.
package final class SimulatedClient {
    package static let spaces = ["jobs", "log"]
    /// Whose tuples say who may what, where a policy asks for that.
    static let grants = "grants"

    enum SessionState { case none, opening, open }

    package let number: Int
    /// Wants nothing by itself.
    let isScripted: Bool
    /// A door for clients without sessions: sends commands under idempotency keys, with a new number at every attempt.
    let usesKeys: Bool
    /// Sets policies and tokens, where any are set; its sessions are nobody's in particular.
    let isOperator: Bool
    var random: SeededRandom
    let think: ClosedRange<UInt64>
    let maximumOutstanding: Int
    let sessionTimeout: UInt64
    /// In percent: how often it asks the same server again.
    private let loyalty: Int
    private var favourite = 0

    package internal(set) var session = SessionID(0)
    var state = SessionState.none
    var ledger = ClientLedger()
    var operations: [ClientOperation] = []
    /// Takes whose tuple is held and not decided about.
    var held: [UInt64] = []
    /// Tuples that it was told of lately, there or not.
    var known: [KnownTuple] = []
    var reservations: [ReservationID] = []
    var subscription: ClientSubscription?
    var isDead = false
    var isWindingDown = false
    var operationsLeft = Int.max
    private var nextOperation: UInt64 = 1
    /// Replies to a script's operations.
    package internal(set) var replies: [UInt64: Reply] = [:]

    init(
        number: Int, random: SeededRandom, options: SimulationOptions, isScripted: Bool = false,
        drawsRights: Bool = false
    ) {
        self.number = number
        self.isScripted = isScripted
        var random = random
        usesKeys = !isScripted && !options.isSmallHistory && random.chance(percent: 25)
        loyalty = random.pick([0, 0, 50, 90]) ?? 0
        maximumOutstanding = options.isSmallHistory ? 1 : random.pick([1, 1, 2, 4]) ?? 1
        let thinks: [ClosedRange<UInt64>] = [1...10, 5...40, 20...120]
        think = options.thinkMilliseconds ?? random.pick(thinks) ?? 5...40
        // A run ends when the sessions of those who died have ended: a short one shall not wait long for that.
        let timeouts: [UInt64] = options.faultMilliseconds < 2_000 ? [1_000, 1_000, 1_200] : [1_000, 1_500, 4_000]
        let drawn = random.pick(timeouts) ?? 1_000
        sessionTimeout = options.isSmallHistory || isScripted ? 60_000 : drawn
        isOperator = drawsRights && number % 3 == 0
        if options.isSmallHistory { operationsLeft = 10 }
        if let bound = options.operations { operationsLeft = min(operationsLeft, bound) }
        self.random = random
    }

    var isIdle: Bool {
        isDead || (operations.isEmpty && held.isEmpty)
    }

    var whatItWaitsFor: String {
        "\(operations.map { "\($0.kind) as \($0.sequence ?? 0), attempt \($0.attempts)" }), "
            + "held \(held), session \(state)"
    }

    func lives(_ id: SessionID) -> Bool { !isDead && id == session }

    // MARK: - Wanting

    func wake(in cluster: SimulatedCluster) {
        guard !isDead, !isScripted else { return }
        if !isWindingDown { cluster.plan(.clientWakes(number), after: random.within(think) * 1_000_000) }
        guard ensureSession(in: cluster), !isWindingDown, operations.count < maximumOutstanding, operationsLeft > 0,
            !operations.contains(where: \.endsSession)
        else { return }
        operationsLeft -= 1
        let kind = draw(cluster)
        submit(kind, in: cluster, as: credential(for: kind, cluster))
    }

    /// What the servers vouch for: needs no feature level.
    var ownName: Credential { isOperator ? .anonymous : .user("user\(number)") }

    /// - Returns: whether the session is open.
    private func ensureSession(in cluster: SimulatedCluster) -> Bool {
        if state == .none {
            session = SessionID(random.next() | 1)
            ledger = ClientLedger()
            held.removeAll()
            state = .opening
            submit(.open, in: cluster)
            cluster.plan(.sessionPulse(client: number, session), after: sessionTimeout / 4 * 1_000_000)
        }
        return state == .open
    }

    @discardableResult
    func submit(
        _ kind: ClientOperation.Kind, in cluster: SimulatedCluster, at server: Int? = nil, once: Bool = false,
        as credential: Credential? = nil
    ) -> UInt64 {
        var operation = ClientOperation(id: UInt64(number) << 32 | nextOperation, kind: kind)
        nextOperation += 1
        operation.server = server
        operation.isSentOnce = once
        operation.credential = credential ?? (operation.isQuery ? .anonymous : ownName)
        cluster.history.begins(operation, client: number, at: cluster.now)
        operations.append(operation)
        send(operations.count - 1, in: cluster)
        return operation.id
    }

    private func send(_ place: Int, in cluster: SimulatedCluster) {
        prepare(place)
        cluster.nextAttempt += 1
        operations[place].attempt = cluster.nextAttempt
        operations[place].attempts += 1
        if operations[place].attempts > 1 { cluster.statistics.retries += 1 }
        let operation = operations[place]
        let body: ClientRequest.Body
        switch operation.kind {
        case .query(let query, let consistency, let timeout):
            body = .query(query, operation.bytes, consistency, timeout, operation.credential)
        case .open, .command:
            guard let header = operation.header else { return }
            body = .command(header, operation.bytes)
        }
        let server = operation.server ?? chooseServer(cluster)
        let request = ClientRequest(
            client: number, operation: operation.id, attempt: operation.attempt, body: body,
            floor: cluster.checker.commit)
        if cluster.trace.isReadable {
            cluster.trace.note(
                cluster.now,
                "client \(number) asks \(server), operation \(operation.id) as "
                    + "\(operation.sequence ?? 0): \(operation.kind.words)"
            )
        }
        if let delay = cluster.network.clientDelay(server: server) {
            cluster.plan(.request(server: server, request), after: delay)
        }
        guard !operation.isSentOnce else { return }
        cluster.plan(
            .attemptOverdue(client: number, operation: operation.id, attempt: operation.attempt),
            after: random.within(40...900) * 1_000_000)
    }

    private func chooseServer(_ cluster: SimulatedCluster) -> Int {
        if !random.chance(percent: loyalty) { favourite = cluster.anyServer(&random) }
        return favourite
    }

    /// Numbers and encodes it, once; a keyed command anew for every attempt.
    private func prepare(_ place: Int) {
        var operation = operations[place]
        guard operation.header == nil || operation.isKeyed else { return }
        var writer = ByteWriter()
        switch operation.kind {
        case .query(let query, _, _):
            guard operation.bytes.isEmpty else { return }
            query.encode(into: &writer)
        case .open:
            operation.header = CommandHeader(session: session, sequence: 0, caller: operation.credential.text)
            TupleSpace.Operation.openSession(timeoutMilliseconds: sessionTimeout).encode(into: &writer)
        case .command(let command):
            let sequence = ledger.begin()
            operation.sequence = sequence
            operation.usedSequences.append(sequence)
            operation.header = ledger.header(session: session, sequence: sequence, caller: operation.credential)
            command.encode(into: &writer)
        }
        operation.bytes = writer.take()
        operations[place] = operation
    }

    // MARK: - Answers

    func receive(_ reply: Reply, operation id: UInt64, attempt: UInt64, in cluster: SimulatedCluster) {
        guard !isDead, let place = operations.firstIndex(where: { $0.id == id }) else { return }
        let operation = operations[place]
        if case .failed(let failure) = reply {
            if operation.isSentOnce { return complete(place, reply, in: cluster) }
            switch failure.code {
            case .busy, .noLeader, .diskFull: return refused(place, attempt, in: cluster)
            case .unsupported: return giveUp(place, in: cluster)
            case .unknownToken where !operation.isQuery:
                // A repetition of what was done while the token was known is answered so too: it acknowledges nothing.
                operations.remove(at: place)
                return cluster.history.gaveUp(id)
            case .outcomeUnknown, .superseded: return retrySoon(operation, attempt, in: cluster)
            case .sessionExpired: return sessionIsLost(operation, in: cluster)
            case .alreadyAcknowledged: return
            default: break
            }
        }
        complete(place, reply, in: cluster)
    }

    private func complete(_ place: Int, _ reply: Reply, in cluster: SimulatedCluster) {
        let operation = operations.remove(at: place)
        cluster.history.ends(operation.id, reply, at: cluster.now)
        learn(from: reply, to: operation.kind, in: cluster)
        if case .reserved(let id, _, _) = reply { learn(of: id, in: cluster) }
        if isScripted { replies[operation.id] = reply }
        switch operation.kind {
        case .query: return
        case .open: state = .open
        case .command(let command):
            for used in operation.usedSequences where !(operation.holds && reply.isFound) { ledger.acknowledge(used) }
            switch command {
            case .endSession: state = .none
            case .release(let sequence):
                held.removeAll { $0 == sequence }
                ledger.acknowledge(sequence)
            case .take(_, _, _, holds: true):
                guard reply.isFound, let sequence = operation.sequence else { return }
                held.append(sequence)
                guard !isScripted else { return }
                cluster.plan(
                    .decideHeld(client: number, sequence: sequence, session), after: random.within(0...200) * 1_000_000)
            default: return
            }
        }
    }

    /// The server says that it was certainly not done.
    private func refused(_ place: Int, _ attempt: UInt64, in cluster: SimulatedCluster) {
        let operation = operations[place]
        guard operation.attempt == attempt else { return }
        guard operation.attempts == 1, !operation.isQuery, !operation.isKeyed, !isWindingDown,
            let sequence = operation.sequence,
            case .command(.write) = operation.kind, random.chance(percent: 30)
        else { return retrySoon(operation, attempt, in: cluster) }
        operations.remove(at: place)
        cluster.history.gaveUp(operation.id)
        cluster.history.neverDone(session, sequence)
    }

    /// The cluster's feature level is too low, or the server's that answers: another one may have done it before.
    private func giveUp(_ place: Int, in cluster: SimulatedCluster) {
        let operation = operations.remove(at: place)
        cluster.history.gaveUp(operation.id)
        guard operation.attempts == 1, !operation.isKeyed, let sequence = operation.sequence else { return }
        cluster.history.neverDone(session, sequence)
    }

    private func retrySoon(_ operation: ClientOperation, _ attempt: UInt64, in cluster: SimulatedCluster) {
        guard operation.attempt == attempt else { return }
        cluster.plan(
            .attemptOverdue(client: number, operation: operation.id, attempt: attempt),
            after: random.within(2...40) * 1_000_000)
    }

    /// No answer in time, or one that says try again: the same once more, wherever.
    func overdue(_ id: UInt64, _ attempt: UInt64, in cluster: SimulatedCluster) {
        guard !isDead, let place = operations.firstIndex(where: { $0.id == id && $0.attempt == attempt }) else {
            return
        }
        let operation = operations[place]
        if isWindingDown, case .query(_, _, let timeout) = operation.kind, timeout != .none {
            operations.remove(at: place)
            cluster.history.gaveUp(id)
            return
        }
        if operation.isKeyed, !ensureSession(in: cluster) {
            // The session went: the same key again in the next one.
            return cluster.plan(
                .attemptOverdue(client: number, operation: id, attempt: attempt), after: 20_000_000)
        }
        if isWindingDown, operation.waitsForever { cancel(operation, in: cluster) }
        send(place, in: cluster)
    }

    private func cancel(_ operation: ClientOperation, in cluster: SimulatedCluster) {
        guard state == .open else { return }
        for sequence in operation.usedSequences { submit(.command(.cancel(sequence: sequence)), in: cluster) }
    }

    private func sessionIsLost(_ operation: ClientOperation, in cluster: SimulatedCluster) {
        guard operation.header?.session == session, state != .none else { return }
        state = .none
        held.removeAll()
        for lost in operations where !lost.isQuery && !lost.isKeyed { cluster.history.gaveUp(lost.id) }
        operations.removeAll { !$0.isQuery && !$0.isKeyed }
        for place in operations.indices { operations[place].usedSequences.removeAll() }
        if operations.contains(where: \.isKeyed) { _ = ensureSession(in: cluster) }
    }

    /// Wants nothing new, and ends what would wait for ever.
    func windDown(in cluster: SimulatedCluster) {
        isWindingDown = true
        guard !isDead, !isScripted else { return }
        for operation in operations where operation.waitsForever { cancel(operation, in: cluster) }
    }
}
