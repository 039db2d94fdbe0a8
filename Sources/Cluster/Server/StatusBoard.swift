import Raft
import Replica
import Synchronization
import TupleSpace

/// Where the replica thread publishes the server's status, and everyone else reads it.
final class StatusBoard: Sendable {
    static let keptEvents = 100

    private let status: Mutex<ServerStatus>
    private let meters: Meters

    init(_ status: ServerStatus, meters: Meters) {
        self.status = Mutex(status)
        self.meters = meters
    }

    var current: ServerStatus {
        var current = status.withLock { $0 }
        let readings = meters.current
        current.sync = readings.sync
        current.isDiskFull = readings.isDiskFull
        current.snapshotSave = readings.snapshotSave
        current.snapshotFailures = readings.snapshotFailures
        return current
    }

    func publish(
        _ replica: Replica, _ clients: ClientEndpoint.Counters, _ transport: TransportStatistics, joining: [Member],
        malformedMessages: UInt64, applyLatency: Histogram
    ) {
        let dropped = DropReason.allCases.map { ($0, transport.dropped($0)) }
        let node = replica.status
        let statuses = replica.peerStatuses
        let peers = replica.configuration.members.map { member in
            peer(member, node, statuses.first { $0.id == member.id }, isSelf: member.id == replica.id, replica)
        }
        status.withLock { status in
            status.role = node.role
            status.term = node.term
            status.leader = node.leader
            status.commit = node.commit
            status.applied = replica.appliedIndex
            status.last = node.last
            status.first = node.first
            status.durable = node.durable
            status.snapshot = replica.newestSnapshotIndex
            status.peers = peers
            status.joining = joining
            status.tuples = replica.machine.tupleCount
            status.waiters = replica.machine.waiterCount
            status.watches = replica.watchCount
            status.subscriptions = replica.subscriptionCount
            status.sessions = replica.machine.sessionCount
            status.held = replica.machine.heldCount
            status.pendingCommands = replica.pendingCommandCount
            status.clientConnections = clients.connections
            status.clientRequests = clients.requests
            status.malformedFrames = clients.malformed + malformedMessages
            status.droppedReplies = clients.droppedReplies
            status.proposalsFailed = replica.failedCommands
            status.commitLatency = replica.commitLatency
            status.applyLatency = applyLatency
            status.mayVote = replica.mayVote
            status.isLearner = replica.isLearner
            status.isRemoved = replica.isRemoved
            status.featureLevel = replica.featureLevel
            status.electionTimeoutMilliseconds = node.electionTimeoutMilliseconds
            status.snapshotBytesSent = replica.snapshotBytesSent
            status.transfers = replica.transfersBegun
            status.transfersFailed = replica.transfersFailed
            status.refusedMessages = replica.refusedMessages
            status.droppedFrames = dropped
            status.certificateExpires = transport.certificateExpires
            status.publishedAt = .current
        }
    }

    private func peer(
        _ member: Member, _ node: Status,
        _ heard: (id: NodeID, status: PeerStatus, silentMilliseconds: UInt64, roundTripNanoseconds: UInt64)?,
        isSelf: Bool, _ replica: Replica
    ) -> ServerStatus.Peer {
        if isSelf {
            return ServerStatus.Peer(
                member: member, role: node.role, term: node.term, commit: node.commit, applied: replica.appliedIndex,
                last: node.last, match: node.role == .leader ? node.durable : nil, silentMilliseconds: 0,
                roundTripNanoseconds: 0, isReceivingSnapshot: false, version: replica.settings.version)
        }
        let progress = node.peers.first { $0.id == member.id }
        return ServerStatus.Peer(
            member: member, role: heard?.status.role, term: heard?.status.term, commit: heard?.status.commit,
            applied: heard?.status.applied, last: heard?.status.last, match: progress?.match,
            silentMilliseconds: heard?.silentMilliseconds,
            roundTripNanoseconds: progress?.roundTripNanoseconds ?? heard?.roundTripNanoseconds ?? 0,
            isReceivingSnapshot: progress?.isReceivingSnapshot ?? false, version: heard?.status.version)
    }

    func note(_ text: String) {
        let event = ServerStatus.Event(millisecondsSince1970: wallMilliseconds(), text: text)
        status.withLock { status in
            status.events.insert(event, at: 0)
            if status.events.count > StatusBoard.keptEvents { status.events.removeLast() }
        }
    }

    func note(_ notice: Notice) {
        if case .leaderChanged(.some, _) = notice { status.withLock { $0.leaderChanges += 1 } }
        let names = current
        note(notice.text { names.name(of: $0) ?? "\($0)" })
    }
}

extension Notice {
    var level: LogLevel {
        switch self {
        case .snapshotDamaged, .snapshotRefused, .diverged, .transferFailed, .refused, .removed: .warning
        default: .info
        }
    }

    /// A sentence for the event log.
    func text(_ name: (NodeID) -> String) -> String {
        switch self {
        case .becameLeader(let term): "this server was elected leader of term \(term)"
        case .lostLeadership(let term): "this server leads no more (term \(term))"
        case .leaderChanged(let id?, let term): "\(name(id)) leads in term \(term)"
        case .leaderChanged(nil, let term): "no leader is known in term \(term)"
        case .snapshotTaken(let index): "took a snapshot at log index \(index)"
        case .snapshotInstalled(let index, let from?):
            "caught up by a snapshot at log index \(index) from \(name(from))"
        case .snapshotInstalled(let index, nil): "caught up by a snapshot at log index \(index)"
        case .sendingSnapshot(let index, let to):
            "sends the snapshot at log index \(index) to \(name(to)), which is far behind"
        case .snapshotDamaged(let index):
            "the file of the snapshot at log index \(index) cannot be read or is damaged: it is used no more, and a new one is taken"
        case .snapshotRefused(let index, let by, let reason):
            "\(name(by)) threw away what it was sent of the snapshot at log index \(index): \(reason)"
        case .sessionsExpired(let count): "\(count) silent session\(count == 1 ? "" : "s") end"
        case .diverged(let id, let index): "the state of \(name(id)) differs at log index \(index)"
        case .configurationChanged(let index): "the members changed at log index \(index)"
        case .transferring(let to): "hands leadership to \(name(to))"
        case .transferFailed(let to): "\(name(to)) did not take over leadership; this server leads on"
        case .asksForLeader(let id):
            "this server is repaired and asks that \(name(id)) lead: after an election it votes again"
        case .removed(let index?): "this server was removed from the cluster at log index \(index)"
        case .removed(nil): "this server was removed from the cluster"
        case .refused(let from, let reason): "a message from \(name(from)) was refused: \(reason)"
        }
    }
}
