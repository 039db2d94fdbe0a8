import ByteCoding
import ClientProtocol
import Raft
import Replica
import TupleSpace
import WriteAheadLog
import ZeroMQ

/// The one thread that owns the replica core and all ZeroMQ sockets. Everything else talks to it through the inbox.
final class ReplicaThread<Files: FileSystem> {
    /// Messages taken from one source before the others get their turn.
    private static var takenPerPass: Int { 2_048 }
    private static var tickMilliseconds: Int { 5 }

    private var replica: Replica
    private let transport: any PeerTransport
    private let responder: FirstStartResponder?
    private let memberFile: [Member]
    private let endpoint: ClientEndpoint
    private let door: LocalDoor
    private let inbox: Inbox
    private let storage: StorageThread<Files>
    private let snapshots: SnapshotThread<Files>
    private let board: StatusBoard
    private let welcome: Welcome
    private let statusJSON: @Sendable () -> String
    private let onNotice: @Sendable (Notice) -> Void
    private let onRemoved: @Sendable (LogIndex?) -> Void
    private let onFailure: @Sendable (String) -> Void

    private let poller = Poller()
    private var arrived: [Inward] = []
    /// Not nil once the server was asked to stop.
    private var stop: CleanStop?
    private var compactBefore: LogIndex?
    private var exports = SnapshotExports()
    private var hasMembers = false
    private var needsMemberFile: Bool
    private var removedSince: MonotonicTime?
    private var hasToldRemoval = false
    private var keptAliveAt = MonotonicTime.zero
    private var askedAgainAt = MonotonicTime.zero
    private var publishedAt = MonotonicTime.zero
    private var wasRepairing: Bool
    private var malformedMessages: UInt64 = 0
    private var applyLatency = Histogram()

    init(
        replica: Replica, transport: any PeerTransport, responder: FirstStartResponder?, endpoint: ClientEndpoint,
        door: LocalDoor, memberFile: [Member], inbox: Inbox,
        storage: StorageThread<Files>, snapshots: SnapshotThread<Files>, board: StatusBoard, welcome: Welcome,
        statusJSON: @escaping @Sendable () -> String, isRepairing: Bool, onNotice: @escaping @Sendable (Notice) -> Void,
        onRemoved: @escaping @Sendable (LogIndex?) -> Void, onFailure: @escaping @Sendable (String) -> Void
    ) {
        self.replica = replica
        self.transport = transport
        self.responder = responder
        self.memberFile = memberFile
        needsMemberFile = !memberFile.isEmpty
        self.endpoint = endpoint
        self.door = door
        self.inbox = inbox
        self.storage = storage
        self.snapshots = snapshots
        self.board = board
        self.welcome = welcome
        self.statusJSON = statusJSON
        self.onNotice = onNotice
        self.onRemoved = onRemoved
        self.onFailure = onFailure
        wasRepairing = isRepairing
    }

    /// Runs until it is told to stop, or something fails for good.
    func run() {
        _ = poller.add(fileDescriptor: inbox.waker.fileDescriptor)
        poller.add(transport.pollItems)
        endpoint.addTo(poller)
        endpoint.statusJSON = statusJSON
        // What happens first is told with the members' names.
        publish()
        do {
            var mayHaveMore = false
            while stop?.stage != .over {
                try poller.wait(milliseconds: mayHaveMore ? 0 : Self.tickMilliseconds)
                inbox.waker.drain()
                mayHaveMore = try pass()
            }
            // What was decided is still told.
            endpoint.flush(&replica)
        } catch {
            onFailure("the server's sockets failed: \(error)")
        }
        door.close()
        endpoint.close()
    }

    /// - Returns: whether a source may have more than was taken.
    private func pass() throws -> Bool {
        let now = MonotonicTime.current
        replica.advance(to: now, wallMilliseconds: wallMilliseconds())
        if !hasMembers || replica.effects.membersChanged { updateMembers() }
        let appliedBefore = replica.appliedIndex
        let limit = Self.takenPerPass
        let fromPeers = try transport.receive(now: now, limit: limit) { take($0) }
        var fromClients = 0
        if stop?.takesRequests ?? true {
            fromClients = try endpoint.receive(
                into: &replica, welcome: { [welcome] in Self.welcome(welcome, of: $0) }, now: now, limit: limit)
        }
        inbox.takeAll(into: &arrived)
        for item in arrived { handle(item) }
        serveExports(now)
        stop?.advance(&replica, isSessionOver: !door.isEndingSession, now: now)
        replica.flush()
        if replica.appliedIndex > appliedBefore {
            applyLatency.record(nanoseconds: MonotonicTime.current.since(now))
        }
        perform()
        housekeeping(now)
        return fromPeers == limit || fromClients == limit || replica.needsAnotherPass
    }

    private func take(_ event: PeerEvent) {
        do throws(MalformedBytes) {
            switch event {
            case .message(let sender, let bytes): try receive(bytes, from: sender)
            case .introduction(let name, let bytes): try answer(FirstStartMessage(decoding: bytes), from: name)
            case .connectionLost(let peer): replica.connectionLost(peer)
            case .request, .response, .failed: break
            }
        } catch {
            malformedMessages += 1
        }
    }

    private func receive(_ bytes: UnsafeRawBufferPointer, from sender: NodeID) throws(MalformedBytes) {
        do throws(MalformedBytes) {
            try replica.receive(bytes, from: sender)
        } catch {
            replica.noteRefused(sender, error.description)
            throw error
        }
    }

    /// A server of the plan that is new, while this one has been running.
    private func answer(_ message: FirstStartMessage, from name: String?) {
        guard let (answer, to) = responder?.answer(to: message, from: name) else { return }
        var writer = ByteWriter()
        answer.encode(into: &writer)
        _ = transport.introduce(writer.take(), to: to)
    }

    private static func welcome(_ start: Welcome, of replica: Replica) -> Welcome {
        var welcome = start
        welcome.leader = replica.leader?.rawValue ?? 0
        welcome.servers = replica.configuration.members.map { member in
            Welcome.Server(
                id: member.id.rawValue, name: member.name, clientAddress: member.clientAddress,
                httpAddress: member.httpAddress, publicKey: member.publicKey)
        }
        return welcome
    }

    private func updateMembers() {
        hasMembers = true
        let reachable = replica.reachableMembers
        let file = needsMemberFile ? memberFile : []
        transport.update(members: file + reachable.filter { member in !file.contains { $0.id == member.id } })
    }

    private func handle(_ item: Inward) {
        switch item {
        case .command(let token, let header, let operation):
            operation.withUnsafeBytes { replica.command(token, header: header, operation: $0) }
        case .query(let token, let query, let consistency, let timeout, let credential):
            query.withUnsafeBytes {
                replica.query(token, query: $0, consistency: consistency, timeout: timeout, as: credential)
            }
        case .subscribe(let token, let space, let template, let position, let credential):
            replica.subscribe(token, space: space, template: template, after: position, as: credential)
        case .forget(let token): replica.forget(token)
        case .keepAlive(let session): replica.keepAlive(session)
        case .cluster(let token, let request): replica.clusterRequest(token, request)
        case .diskFull(let sentence): replica.setDiskFull(sentence)
        case .stored(let sequence): replica.stored(sequence)
        case .snapshotTaken(let metadata, let bytes, let keepFrom):
            replica.newestSnapshotBytes = bytes
            replica.snapshotTaken(metadata, keepFrom: keepFrom)
            // Not what the replica keeps longer, for whom it sends the one before to.
            compactBefore = min(keepFrom, replica.status.first)
        case .snapshotNotTaken(let keepFrom):
            replica.snapshotTaken(nil, keepFrom: keepFrom)
            exports.failed(at: .current)
        case .snapshotRead(let read, let bytes, let total): replica.snapshotRead(read, (bytes, total))
        case .snapshotUnreadable(let read): replica.snapshotRead(read, nil)
        case .snapshotChunkStored(let sender, let index, let nextOffset, let complete, let refusal):
            replica.snapshotChunkStored(
                from: sender, index: index, nextOffset: nextOffset, complete: complete, refusal: refusal)
        case .pieceRefused(let sender, let reason): replica.noteRefused(sender, reason)
        case .installed(let machine, let metadata):
            replica.installed(machine, metadata)
            compactBefore = metadata.index.next
        case .notLoaded(let metadata, let reason):
            if replica.isInstalling(metadata) { onFailure(reason) }
        case .pieceExported(let token, let piece): endpoint.deliver(piece, to: token, at: replica.position)
        case .pieceNotExported(let token, let reason):
            endpoint.refuse(token, Failure(.positionGone, reason), at: replica.position)
        case .takeSnapshot: exports.wish(replica.appliedIndex)
        case .run(let body): body(&replica)
        case .stop(let handsOver):
            guard stop == nil else { return }
            stop = CleanStop(now: .current, handsOver: handsOver)
            if handsOver { _ = door.endSession() }
        }
    }

    // MARK: - Effects

    private func perform() {
        guard !replica.effects.isEmpty || compactBefore != nil else {
            // What the clients' door answers by itself.
            return endpoint.flush(&replica)
        }
        var effects = ReplicaEffects()
        swap(&effects, &replica.effects)
        // First: some of the messages may be for a member that has just come.
        if effects.membersChanged { updateMembers() }
        for message in effects.messages {
            // What is not sent now is lost, as the network may lose it: consensus sends again.
            _ = transport.send(message.bytes, to: message.to, over: message.isBulk ? .bulk : .main)
        }
        storage.perform(effects.writes)
        if let index = compactBefore {
            // Behind the write that marks the snapshot in the log.
            compactBefore = nil
            let needed = replica.snapshotsBeingSent
            storage.perform(
                .compact(
                    before: index,
                    then: { [snapshots] marked in snapshots.perform(.prune(needed: needed.union([marked]))) }))
        }
        for (token, outcome) in effects.clusterOutcomes {
            if token == CleanStop.token {
                stop?.handedOver()
            } else if token.rawValue & LocalDoor.tokenMark == 0 {
                endpoint.conclude(token, outcome, at: replica.position)
            } else {
                door.deliver(token.rawValue, outcome)
            }
        }
        answer(effects)
        performSnapshots(effects)
        for notice in effects.notices { onNotice(notice) }
        if let reason = effects.fatal { onFailure(reason) }
        effects.reset()
        swap(&effects, &replica.effects)
    }

    private func answer(_ effects: ReplicaEffects) {
        let position = replica.position
        effects.replyBytes.bytes.withUnsafeBytes { bytes in
            for reply in effects.replies {
                let encoded = UnsafeRawBufferPointer(rebasing: bytes[reply.range])
                let position = reply.position ?? position
                if reply.token.rawValue & LocalDoor.tokenMark == 0 {
                    endpoint.reply(reply.token, encoded, at: position)
                } else {
                    door.deliver(reply.token.rawValue, encoded: encoded, at: position)
                }
            }
        }
        for delivery in effects.events {
            if delivery.token.rawValue & LocalDoor.tokenMark == 0 {
                endpoint.deliver(delivery)
            } else {
                door.deliver(delivery.token.rawValue, delivery.batch)
            }
        }
        for (token, failure) in effects.endedSubscriptions {
            if token.rawValue & LocalDoor.tokenMark == 0 {
                endpoint.end(token, failure, at: position)
            } else {
                door.end(token.rawValue, failure)
            }
        }
        endpoint.flush(&replica)
    }

    private func performSnapshots(_ effects: ReplicaEffects) {
        if let snapshot = effects.snapshotToTake { snapshots.perform(.take(snapshot)) }
        for read in effects.snapshotReads {
            guard let term = replica.termOfSnapshotBeingSent(to: read.peer) else { continue }
            snapshots.perform(.read(read, term))
        }
        for (sender, chunk) in effects.snapshotChunks { snapshots.perform(.store(chunk, from: sender)) }
        if let metadata = effects.snapshotToLoad { snapshots.perform(.load(metadata)) }
    }

    // MARK: - Snapshots for operators

    private func serveExports(_ now: MonotonicTime) {
        // Nearly always.
        if endpoint.pieceRequests.isEmpty, exports.isIdle { return }
        for (token, request) in endpoint.pieceRequests {
            if request.index == 0 {
                exports.wait(token, request, for: replica.appliedIndex, at: now)
            } else {
                export(request, for: token)
            }
        }
        endpoint.pieceRequests.removeAll()
        let newest = replica.newestSnapshotIndex
        for (token, request) in exports.ready(newest) { export(request, for: token) }
        for token in exports.late(now) {
            let seconds = SnapshotExports.patienceMilliseconds / 1_000
            endpoint.refuse(
                token,
                Failure(.busy, "no snapshot could be taken within \(seconds) seconds; this server's log says why"),
                at: replica.position)
        }
        // Nothing happens while one is under way: then the next one is begun behind it.
        if exports.wantsNewer(than: newest, at: now) { replica.takeSnapshot() }
    }

    private func export(_ request: SnapshotPieceRequest, for token: RequestToken) {
        snapshots.perform(.export(token, request))
    }

    // MARK: - Now and then

    /// A removed server has nothing more to do here. For a moment it still answers whoever asked for it, and tells the others what it
    /// knows, so that they do not have to find out by waiting.
    private func considerRemoval(_ now: MonotonicTime) {
        guard replica.isRemoved else { return removedSince = nil }
        guard let since = removedSince else { return removedSince = now }
        guard !hasToldRemoval, now.since(since) >= 500_000_000 else { return }
        hasToldRemoval = true
        onRemoved(replica.removedAt)
    }

    private func housekeeping(_ now: MonotonicTime) {
        if now.since(keptAliveAt) > LocalDoor.keepAliveMilliseconds * 1_000_000 {
            keptAliveAt = now
            door.keepAlive()
        }
        if now.since(askedAgainAt) > LocalDoor.askAgainMilliseconds * 1_000_000 {
            askedAgainAt = now
            // It was open here, so that its absence is its end.
            if let session = door.session, replica.machine.sessionTimeout(session) == nil { door.sessionEnded(session) }
            door.askAgain()
        }
        if wasRepairing, replica.mayVote {
            wasRepairing = false
            storage.perform(.markRepaired)
        }
        considerRemoval(now)
        if needsMemberFile, replica.leader != nil, replica.configuration[replica.id] != nil {
            needsMemberFile = false
            updateMembers()
        }
        guard now.since(publishedAt) > 100_000_000 else { return }
        publishedAt = now
        publish()
    }

    private func publish() {
        // Who has been added meanwhile asks no more, and would be shown for some seconds yet.
        let joining = endpoint.joining.members.filter { replica.configuration[$0.id] == nil }
        board.publish(
            replica, endpoint.counters, transport.statistics, joining: joining,
            malformedMessages: malformedMessages, applyLatency: applyLatency)
    }
}
