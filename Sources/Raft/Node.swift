/// One server's consensus: a value that takes an input and says what is to be done.
///
/// It holds no clock, file, socket or random generator but a seeded one. What it promises to others (a vote, a term, an
/// acknowledgement) is held back inside until `.stored` says that the disk has what the promise rests on.
///
/// The rules are those of Ongaro's dissertation ("Consensus: Bridging Theory and Practice", 2014), cited where they
/// stand.
public struct Node: Sendable {
    public let id: NodeID
    public let cluster: ClusterID
    let settings: Settings
    var now: MonotonicTime
    var random: SplitMix

    // What the disk has too, or has been asked to write (dissertation 3.4, figure 3.1: persistent state).
    var hardState: HardState
    /// The write that holds the current term and vote. No message goes out before it is done.
    var hardStateWrite = WriteSequence.zero
    var log: Log
    var durability: DurableQueue
    /// To be dropped from the disk with the first write.
    var leftover: Leftover?
    /// Not nil after damage to the log was found and until it is mended: this node neither votes nor campaigns.
    var damage: Damage?

    // What is forgotten in a crash.
    public internal(set) var role = Role.follower
    public internal(set) var leader: NodeID?
    /// Never goes back.
    public internal(set) var commit: LogIndex
    /// What has been handed out in `Effects.committed` or stands in a snapshot that was handed out. At most `commit`.
    var handedOut: LogIndex
    /// Of the newest snapshot.
    var snapshotIndex: LogIndex
    var voters: VoterSets
    var membership = Membership()

    // Elections.
    var electionDeadline: MonotonicTime
    var leaderContact: MonotonicTime
    /// The connection to the leader broke, and nothing came from it since.
    var leaderIsUnreachable = false
    /// No vote is given to another before this time.
    var pledgedUntil = MonotonicTime.zero
    var ballots = Ballots()
    var preVoteRound: PreVoteRound?

    // Timing.
    let startedAt: MonotonicTime
    var known = KnownPeers()
    var timing = Timing()

    // Leadership: all empty on others.
    /// The other members, in ascending order of id.
    var progress: [Progress] = []
    var uncommittedBytes = 0
    /// In this life. Wraps.
    var appendedBytes: UInt64 = 0
    var nextHeartbeat = MonotonicTime.zero
    var leaderReads = LeaderReads()
    var transfer: Transfer?
    /// Whoever did not take over in this term when it was told to: perhaps it may not vote.
    var unwilling: [NodeID] = []
    /// In this term another may have been told to stand for election: there is no lease any more.
    var leaseIsVoid = false

    // Following.
    var followerReads: FollowerReads
    /// The latest round of leadership confirmation answered to the present leader.
    var answeredRound: UInt64 = 0
    /// The highest index that the present leader has mentioned.
    var announced = LogIndex.zero

    /// - Parameters:
    ///   - recovered: what is on the disk. The state machine holds its snapshot already, and nothing behind it.
    ///   - seed: chooses the randomised election timeouts and the numbers of forwarded reads; nothing else is random.
    ///     It must differ from one life of the server to the next.
    public init(
        id: NodeID, cluster: ClusterID, recovered: RecoveredLog, settings: Settings = Settings(), now: MonotonicTime,
        seed: UInt64
    ) {
        self.id = id
        self.cluster = cluster
        self.settings = settings
        self.now = now
        startedAt = now
        random = SplitMix(seed: seed)
        let log = recovered.usableLog()
        self.log = log.log
        leftover = log.leftover
        durability = DurableQueue(durable: log.log.last)
        hardState = recovered.consistentHardState(lastTerm: log.log.lastTerm, id: id)
        damage = log.isWhole && recovered.mayVote ? nil : Damage(recoveredTerm: hardState.term)
        commit = recovered.snapshot.index
        handedOut = recovered.snapshot.index
        snapshotIndex = recovered.snapshot.index
        voters = VoterSets(log.log.latestConfiguration.configuration)
        electionDeadline = now
        leaderContact = now
        followerReads = FollowerReads(token: random.next())
        electionDeadline = now.advanced(byMilliseconds: firstElectionTimeout())
        pledgeAfterStart()
        var unheard = Effects()  // nobody knows anything yet that could have changed
        updateRemoved(into: &unheard)
    }

    /// Takes one input. What is to be done is added to `effects`.
    public mutating func step(_ input: Input, into effects: inout Effects) {
        switch input {
        case .tick(let time): tick(time, into: &effects)
        case .message(let message): receive(message, into: &effects)
        case .stored(let sequence): stored(sequence, into: &effects)
        case .read(let context): read(context, into: &effects)
        case .snapshotTaken(let metadata, let keepFrom): snapshotTaken(metadata, keepFrom: keepFrom, into: &effects)
        case .snapshotReceived(let metadata, _): snapshotReceived(metadata, into: &effects)
        case .snapshotSent(let peer, let index): snapshotSent(to: peer, index: index, into: &effects)
        case .connectionLost(let peer): connectionLost(to: peer, into: &effects)
        }
    }

    /// Appends a batch to the log if this node leads.
    /// - Returns: where it stands, and the term: it is committed if an entry of that very term is committed at that
    /// index.
    @discardableResult
    public mutating func propose(
        _ payload: [UInt8], into effects: inout Effects
    ) throws(ProposalRefused) -> (index: LogIndex, term: Term) {
        guard role == .leader else { throw .notLeader(known: leader) }
        if let transferee, !settings.mutations.contains(.proposalsDuringTransfer) {
            throw .transferring(to: transferee)
        }
        guard uncommittedBytes == 0 || uncommittedBytes + payload.count <= settings.maximumUncommittedBytes else {
            throw .busy
        }
        let entry = Entry(index: log.last.next, term: term, kind: .command, payload: payload)
        appendAsLeader(entry, into: &effects)
        lead(into: &effects)
        return (entry.index, entry.term)
    }

    private mutating func tick(_ time: MonotonicTime, into effects: inout Effects) {
        now = max(now, time)
        tickPledge()
        if !membership.departing.isEmpty { forgetDeparted(into: &effects) }
        if role == .leader {
            tickAsLeader(into: &effects)
        } else {
            // A leader may count on this server for a while: not to vote for another, and not to be the other.
            let mayStand = !isPledged || settings.mutations.contains(.pledgedStands)
            if now >= electionDeadline, mayStand { electionTimeoutElapsed(into: &effects) }
            tickFollowerReads(into: &effects)
        }
    }

    private mutating func stored(_ sequence: WriteSequence, into effects: inout Effects) {
        guard durability.complete(through: sequence) else { return }
        durability.release(into: &effects.messages)
        if role == .candidate { countOwnVote(into: &effects) }
        if role == .leader { lead(into: &effects) }
        considerMended()
    }
}

// MARK: - What others may know

extension Node {
    public var term: Term { hardState.term }
    public var lastIndex: LogIndex { log.last }
    /// Of the configuration that is in force: the latest appended one.
    public var configuration: Configuration { log.latestConfiguration.configuration }
    /// False after damage to the log and until it is mended. Whoever recovers the log from disk has to remember the
    /// damage across restarts until this is true again.
    public var mayVote: Bool { damage == nil }

    /// True once the leader has committed an entry of its own term (dissertation 6.4): its commit index is then
    /// current.
    public var leaderIsCurrent: Bool { role == .leader && log.term(at: commit) == term }

    /// Index and term of what a snapshot of the state at `index` would stand for, with the configuration in force
    /// there.
    /// - Precondition: first - 1 <= index <= commit.
    public func snapshotMetadata(at index: LogIndex) -> SnapshotMetadata {
        guard let term = log.term(at: index), index <= commit else {
            preconditionFailure("no snapshot of \(index): the log holds \(log.first) to \(log.last), commit \(commit)")
        }
        let placed = log.configuration(at: index)
        return SnapshotMetadata(
            index: index, term: term, configuration: placed.configuration, configurationIndex: placed.index)
    }

    /// Nil for what is compacted away or not there yet.
    public func term(at index: LogIndex) -> Term? { log.term(at: index) }

    /// Where a window of the log begins that ends with `last` and has at most so many entries and bytes of payload; `last.next` if there is
    /// room for none.
    public func firstIndex(behind last: LogIndex, entries: Int, bytes: Int) -> LogIndex {
        log.firstIndex(behind: last, entries: entries, bytes: bytes)
    }

    /// Reads wait for the next tick, because only fresh time can show that a lease still holds. It should come at once.
    public var readsAwaitTick: Bool {
        settings.leaseReads && leaderIsCurrent && !leaderReads.waiting.isEmpty && leaderReads.out.isEmpty
    }

    /// - Returns: at most `maximumBytes` of payload, at least one entry if there is one.
    public func entries(from: LogIndex, through: LogIndex, maximumBytes: Int) -> [Entry] {
        log.batch(from: from, through: through, maximumBytes: maximumBytes)
    }

    public var status: Status {
        Status(
            id: id, role: role, term: term, leader: leader, first: log.first, last: log.last, commit: commit,
            durable: durability.durable,
            peers: progress.map { peer in
                Status.Peer(
                    id: peer.id, match: peer.match,
                    silentMilliseconds: peer.wasHeard ? now.since(peer.contact) / 1_000_000 : nil,
                    roundTripNanoseconds: known[peer.id]?.roundTrip ?? 0,
                    isReceivingSnapshot: peer.state == .snapshot)
            },
            transferee: transferee, electionTimeoutMilliseconds: leastElectionTimeout)
    }
}
