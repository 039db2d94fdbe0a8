import ByteCoding
import DequeModule
import Raft
import TupleSpace

/// The join of consensus and state machine, as a value: it takes what clients, peers, the disk and the clock say, and says in `effects`
/// what is to be done. It knows no thread, socket, file or clock of its own.
///
/// One pass of the shell: `advance` the time; hand over everything that has arrived (`receive`, `command`, `query`, `stored`, …); `flush`,
/// which makes one batch of all commands and one round of all reads; perform `effects`.
public struct Replica: Sendable {
    public let id: NodeID
    public internal(set) var machine: StateMachine
    public var effects = ReplicaEffects()
    public let settings: ReplicaSettings

    var raft: Node
    var raftEffects = Effects()
    /// Inputs that came of absorbing effects; stepped when that is done.
    var followUps: Deque<Input> = []
    var applied = Applied()
    var now: MonotonicTime
    var wallMilliseconds: UInt64 = 0

    // Commands.
    var pendingCommands = PendingCommands()
    /// Leader: what the next entry will carry. Gathered while the disk is busy.
    var batch = BatchWriter()
    /// A batch that consensus would not take yet because too much is uncommitted.
    var heldBack: [UInt8]?
    /// Follower: what goes to the leader at the end of this pass.
    var forwarding: [[UInt8]] = []
    var lastWrite = WriteSequence.zero
    var lastStored = WriteSequence.zero
    var ticksProposedAt: MonotonicTime?

    /// Entries of ours on their way to commitment, and when each was proposed.
    var proposed: Deque<(index: LogIndex, at: MonotonicTime)> = []
    public internal(set) var commitLatency = Histogram()
    /// Commands answered `busy`, `no-leader` or `outcome-unknown`.
    public internal(set) var failedCommands: UInt64 = 0

    /// Committed, and still to be applied.
    var backlog: Deque<Entry> = []
    var appliedBytesInPass = 0

    // Reads.
    var reads = Reads()
    var deferred = DeferredReplies()
    var watches = Watches()
    var subscriptions = Subscriptions()

    // Leader's memory, and what all remember of the others.
    var leaseClock = LeaseClock()
    var sessionKeeper = SessionKeeper()
    var keepAlives: Set<SessionID> = []
    var peers = PeerTable()
    var digests = DigestHistory()
    var knownLeader: NodeID?
    var wasLeader = false
    var timers = Timers()

    // The cluster itself.
    var desk: ClusterDesk
    var wasRemoved = false
    /// Why this server takes no commands; nil: it does.
    var refusal: Failure?
    /// Messages of members that were not used, for what they said.
    public internal(set) var refusedMessages: UInt64 = 0

    // Snapshots.
    var snapshotExchange = SnapshotExchange()
    var newestSnapshot: SnapshotMetadata
    /// Its file cannot be read any more, or is not what was written: a new one is to be taken, and nobody is sent this one.
    var isNewestDamaged = false
    /// Of the two that are kept the older one.
    var previousSnapshot: SnapshotPlaceInLog?
    /// Bytes of snapshots that were sent to others.
    public internal(set) var snapshotBytesSent: UInt64 = 0
    /// Transfers of leadership that this server began, and those of them that did not come about.
    public internal(set) var transfersBegun: UInt64 = 0
    public internal(set) var transfersFailed: UInt64 = 0
    /// Size of its file, as far as the shell has told.
    public var newestSnapshotBytes = 0
    /// When a server that is repaired and does not vote asks for another leader, and whom it named last.
    var mendingDue: MonotonicTime?
    var mendingHeir: NodeID?
    var random: SplitMix
    var isTakingSnapshot = false
    var appliedBytesSinceSnapshot = 0
    var snapshotNotBefore = MonotonicTime.zero
    /// A received snapshot that is being loaded.
    var installing: SnapshotMetadata?
    var installingFrom: NodeID?

    /// When each thing that is done now and then was last done.
    struct Timers: Sendable {
        var status = MonotonicTime.zero
        var sessions = MonotonicTime.zero
        var pending = MonotonicTime.zero
        var waiting = MonotonicTime.zero
        var keepAlives = MonotonicTime.zero
        var refusals: MonotonicTime?
    }

    /// - Parameters:
    ///   - machine: restored from the recovered snapshot (or new, if its index is 0).
    ///   - seed: of the randomised election timeouts, and of when it asks for another leader.
    public init(
        id: NodeID, cluster: ClusterID, recovered: RecoveredLog, machine: StateMachine,
        settings: ReplicaSettings = ReplicaSettings(), now: MonotonicTime, seed: UInt64
    ) {
        self.id = id
        self.machine = machine
        self.settings = settings
        self.now = now
        newestSnapshot = recovered.snapshot
        desk = ClusterDesk(seed: seed)
        random = SplitMix(seed: ~seed)
        raft = Node(id: id, cluster: cluster, recovered: recovered, settings: settings.raft, now: now, seed: seed)
        self.machine.skip(to: recovered.snapshot.index.rawValue)
        subscriptions.dispatched = self.machine.lastPosition
    }

    public var status: Status { raft.status }
    public var isLeader: Bool { raft.role == .leader }
    public var leader: NodeID? { raft.leader }
    public var configuration: Configuration { raft.configuration }
    /// Whom this server may have to talk to, in ascending order of id: see `Node.reachableMembers`.
    public var reachableMembers: [Member] { raft.reachableMembers }
    /// This server is no longer a member, and knows it for certain. It may be stopped for good.
    public var isRemoved: Bool { raft.isRemoved }
    /// Whom this leader hands over to.
    public var transferee: NodeID? { raft.status.transferee }
    public var appliedIndex: LogIndex { LogIndex(machine.appliedIndex) }
    /// What this server has applied, as a position: reading elsewhere at it sees as much, subscribing from it misses and repeats nothing.
    public var position: Position {
        let last = machine.lastPosition
        return last.index == machine.appliedIndex ? last : Position(index: machine.appliedIndex, ordinal: 0)
    }
    public func isSubscription(_ token: RequestToken) -> Bool { subscriptions[token] != nil }
    /// Reads that wait for a tuple.
    public var watchCount: Int { watches.count }
    public var subscriptionCount: Int { subscriptions.count }
    public var newestSnapshotIndex: LogIndex { newestSnapshot.index }
    /// False after damage to the log, until its peers have repaired this server.
    public var mayVote: Bool { raft.mayVote }
    public var pendingCommandCount: Int { pendingCommands.count }
    /// Commands on their way to the state machine; not those that it keeps waiting.
    public var commandsUnderWay: Int { pendingCommands.underWayCount }
    /// Of the configuration that is in force.
    public var featureLevel: UInt32 { raft.configuration.featureLevel }
    public var isLearner: Bool { raft.configuration[id]?.role == .learner }
    /// There is something to apply or to answer in another pass, which should come at once; or reads wait for its fresh time.
    public var needsAnotherPass: Bool {
        !deferred.isEmpty || installing == nil && !backlog.isEmpty || raft.readsAwaitTick
    }
    public var peerStatuses:
        [(id: NodeID, status: PeerStatus, silentMilliseconds: UInt64, roundTripNanoseconds: UInt64)]
    {
        peers.all(at: now)
    }

    /// The node's own view of its invariants, for the simulator.
    public func violatedInvariants() -> [String] {
        var violations = raft.checkInvariants()
        if appliedIndex > raft.commit { violations.append("applied \(appliedIndex) is beyond commit \(raft.commit)") }
        return violations
    }

    // MARK: - Inputs

    /// Time passes. Call it at the beginning of each pass, at least every 10 ms.
    /// - wallMilliseconds: since 1970; only for ids and display.
    public mutating func advance(to now: MonotonicTime, wallMilliseconds: UInt64) {
        self.now = max(self.now, now)
        self.wallMilliseconds = wallMilliseconds
        appliedBytesInPass = 0
        if !backlog.isEmpty {
            applyBacklog()
            serveReads()
        }
        serveDeferred()
        step(.tick(self.now))
        runTimers()
    }

    /// Storage has made every write up to this one durable.
    public mutating func stored(_ sequence: WriteSequence) {
        lastStored = max(lastStored, sequence)
        step(.stored(sequence))
    }

    /// The connection to a peer broke, as far as the transport can tell.
    public mutating func connectionLost(_ peer: NodeID) {
        step(.connectionLost(peer))
    }

    /// Bytes from a peer that the transport knows to be `sender`.
    /// - Throws: what is malformed in them; nothing has changed then.
    public mutating func receive(_ bytes: UnsafeRawBufferPointer, from sender: NodeID) throws(MalformedBytes) {
        if PeerMessage.isForward(bytes) {
            // The bulk of a leader's work: its commands are copied once, from the frame into the batch.
            try receiveForwarded(bytes, from: sender)
            return peers.heard(sender, at: now)
        }
        let message = try PeerMessage(decoding: bytes)
        peers.heard(sender, at: now)
        switch message {
        case .raft(let message):
            guard message.from == sender else {
                return noteRefused(sender, "a message of consensus in the name of \(message.from)")
            }
            peers.supports(message.featureLevel, sender)
            step(.message(message))
        case .forward: break  // Taken above, without being decoded.
        case .refused(let keys): receiveRefused(keys)
        case .keepAlive(let sessions):
            for session in sessions { sessionKeeper.hear(session, at: now) }
        case .status(let status): receive(status, from: sender)
        case .snapshotChunk(let chunk), .snapshotPiece(let chunk): receive(chunk, from: sender)
        case .clusterQuestion(let question): serve(question, for: sender)
        case .clusterAnswer(let id, let outcome): receiveAnswer(id, outcome)
        case .snapshotProgress(let index, let next, let complete):
            receiveSnapshotProgress(index, nextOffset: next, complete: complete, from: sender)
        case .snapshotRefused(let index, let reason): receiveSnapshotRefused(index, reason, from: sender)
        }
    }

    /// Ends a pass: proposes what has gathered, sends what goes to the leader, begins a round of reads.
    public mutating func flush() {
        proposeBatch()
        sendForwarded()
        sendKeepAlives()
        beginReads()
        continueSubscriptions()
        considerSnapshot()
        reviewCluster()
        pumpSnapshots()
    }

    /// Bytes of a member that could not be used, by whoever found out. Counted; the reason is told at most once a second.
    public mutating func noteRefused(_ sender: NodeID, _ reason: String) {
        refusedMessages += 1
        if let last = timers.refusals, now.since(last) < 1_000_000_000 { return }
        timers.refusals = now
        effects.notices.append(.refused(from: sender, reason))
    }

    // MARK: - Consensus

    mutating func step(_ input: Input) {
        raft.step(input, into: &raftEffects)
        absorb()
        while let next = followUps.popFirst() {
            raft.step(next, into: &raftEffects)
            absorb()
        }
    }

    /// Turns consensus's effects into ours. Nothing in here steps consensus again: what must follow goes to `followUps`.
    mutating func absorb() {
        guard !raftEffects.isEmpty else { return }
        var effects = Effects()
        swap(&effects, &raftEffects)
        if let write = effects.write {
            lastWrite = write.sequence
            self.effects.writes.append(write)
        }
        for message in effects.messages { send(message) }
        if let metadata = effects.snapshotToInstall { beginInstalling(metadata) }
        if effects.membersChanged { membersChanged() }
        if let target = effects.transferFailed { transferFailed(target) }
        if effects.roleChanged { roleChanged() }
        if !effects.committed.isEmpty { apply(effects.committed) }
        if !effects.confirmedReads.isEmpty || !effects.failedReads.isEmpty {
            reads.confirmed(effects.confirmedReads)
            reads.failed(effects.failedReads)
        }
        for peer in effects.snapshotsToSend { beginSending(to: peer) }
        if !effects.confirmedReads.isEmpty || !effects.committed.isEmpty { serveReads() }
    }

    private mutating func send(_ message: Message) {
        var size = 256
        if case .appendRequest(let request) = message.body {
            for entry in request.entries { size += entry.payload.count + 32 }
        }
        var writer = ByteWriter(reserving: size)
        PeerMessage.encode(raft: message, into: &writer)
        effects.messages.append(.init(to: message.to, bytes: writer.take(), isBulk: false))
    }

    private mutating func roleChanged() {
        let leads = raft.role == .leader
        if leads, !wasLeader {
            leaseClock.begin(from: machine.leaseTime, at: now)
            sessionKeeper.begin(machine.sessions, at: now)
            effects.notices.append(.becameLeader(raft.term))
        }
        if !leads, wasLeader {
            leaseClock.stop()
            sessionKeeper.stop()
            batch = BatchWriter()
            heldBack = nil
            proposed.removeAll()
            effects.notices.append(.lostLeadership(raft.term))
            for peer in snapshotExchange.endAll() { followUps.append(.snapshotSent(to: peer, index: nil)) }
        }
        wasLeader = leads
        if raft.leader != knownLeader {
            knownLeader = raft.leader
            effects.notices.append(.leaderChanged(raft.leader, raft.term))
            desk.askAgain()
            if raft.leader != nil { sendAllAgain() }
        }
    }

    private mutating func membersChanged() {
        effects.membersChanged = true
        let reachable = reachableMembers.map(\.id)
        peers.keep(reachable)
        snapshotExchange.keep(reachable)
        digests.keep(raft.configuration.members.map(\.id))
        guard isRemoved, !wasRemoved else { return wasRemoved = isRemoved }
        wasRemoved = true
        effects.notices.append(.removed(at: removedAt))
    }

    /// Where the configuration without this server stands in the log, if this server has it.
    public var removedAt: LogIndex? {
        guard isRemoved else { return nil }
        let committed = raft.snapshotMetadata(at: raft.commit)
        return committed.configuration[id] == nil ? committed.configurationIndex : nil
    }
}
