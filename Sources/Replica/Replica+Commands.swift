import ByteCoding
import Raft
import TupleSpace

extension Replica {
    /// A client's command came to this server. Its answer comes when this server has applied it.
    /// - operation: encoded; the same bytes go to the log.
    public mutating func command(_ token: RequestToken, header: CommandHeader, operation: UnsafeRawBufferPointer) {
        guard operation.count <= Limits.commandBytes else {
            return effects.reply(
                .failed(
                    Failure(
                        .tupleTooLarge, "the command has \(operation.count) bytes; the limit is \(Limits.commandBytes)")
                ),
                to: token)
        }
        if let failure = refusal ?? tooManyPending {
            return effects.reply(.failed(failure), to: token)
        }
        var writer = ByteWriter(reserving: operation.count + 40)
        header.encode(into: &writer)
        writer.write(raw: operation)
        let key = CommandKey(session: header.session, sequence: header.sequence)
        let command = writer.take()
        guard
            pendingCommands.insert(
                key, command: command, token: token, at: now,
                answerBy: now.advanced(byMilliseconds: settings.patienceMilliseconds))
        else { return }
        if raft.role == .leader, batch.byteCount > settings.maximumBatchBytes { return refuse([key]) }
        route(key, command)
    }

    /// The disk has no room for the log, or has again (nil). Until then commands that come to this server are refused, before anything is
    /// done of them, and if it leads it hands over: the others can go on. Reads are served as before.
    /// - Parameter sentence: says which disk.
    public mutating func setDiskFull(_ sentence: String?) {
        refusal = sentence.map { Failure(.diskFull, $0) }
        guard refusal != nil, raft.role == .leader else { return }
        // Should nobody be able to take over, a leader whose disk hangs steps down by itself.
        if let target = try? raft.transfer(to: nil, into: &raftEffects) {
            transfersBegun += 1
            effects.notices.append(.transferring(to: target))
        }
        absorb()
    }

    /// A server of an older version would not know what it is, and so it must not come into the log.
    ///
    /// The leader alone decides: one whose log has not the higher level yet cannot have the command in its log either, whoever took it before.
    private func notYet(_ command: UnsafeRawBufferPointer) -> Failure? {
        guard featureLevel < FeatureLevels.highest, !settings.mutations.contains(.levelNotAwaited) else { return nil }
        let level = FeatureLevels.needed(byCommand: command)
        guard level > featureLevel else { return nil }
        return Failure(
            .unsupported,
            "this needs feature level \(level), and the cluster is at \(featureLevel): it rises by itself when all servers run a version that supports it"
        )
    }

    private var tooManyPending: Failure? {
        if pendingCommands.count >= settings.maximumPendingCommands {
            return Failure(
                .busy, "this server holds \(settings.maximumPendingCommands) unanswered commands, which is its limit")
        }
        if pendingCommands.byteCount >= settings.maximumPendingBytes {
            return Failure(
                .busy,
                "this server holds \(settings.maximumPendingBytes) bytes of unanswered commands, which is its limit")
        }
        return nil
    }

    /// Whoever waits by this token has gone. The command goes on: it may be in the log already.
    public mutating func forget(_ token: RequestToken) {
        reads.forget(token)
        deferred.forget(token)
        watches.forget(token)
        subscriptions.end(token)
        desk.forget(token)
    }

    /// A client's session is in use, though it sends no command.
    public mutating func keepAlive(_ session: SessionID) {
        if raft.role == .leader {
            sessionKeeper.hear(session, at: now)
        } else if keepAlives.count < Limits.sessions {
            keepAlives.insert(session)
        }
    }

    /// Puts a command on its way to the log, if a leader is known and has room. If not, it waits until there is one: it may have been on
    /// its way before, so that nobody can say that it was not done.
    private mutating func route(_ key: CommandKey, _ command: [UInt8]) {
        var command = command
        if settings.mutations.contains(.forgetsSequenceNumbers), (pendingCommands[key]?.timesSent ?? 0) > 0 {
            // Bytes 8 to 15 are the sequence number: see `CommandKey.init(ofCommand:)`.
            command[14] = 1
        }
        if raft.role == .leader {
            guard batch.byteCount <= settings.maximumBatchBytes else { return }
            if let failure = command.withUnsafeBytes({ notYet($0) }) { return fail(key, failure) }
            command.withUnsafeBytes { gather($0, of: key.session) }
            pendingCommands.sent(key, at: now)
            if settings.mutations.contains(.answersBeforeCommit) {
                for token in pendingCommands.remove(key)?.tokens ?? [] { effects.reply(.done, to: token) }
            }
        } else if raft.leader != nil {
            forwarding.append(command)
            pendingCommands.sent(key, at: now)
        }
    }

    mutating func receiveForwarded(_ bytes: UnsafeRawBufferPointer, from sender: NodeID) throws(MalformedBytes) {
        let leads = raft.role == .leader
        var refused: [CommandKey] = []
        try PeerMessage.commands(ofForward: bytes) { command in
            // A follower that thinks we lead will learn better from consensus, and send them to the new leader.
            guard leads, let key = CommandKey(ofCommand: command), key.session.rawValue != 0 else { return }
            if batch.byteCount > settings.maximumBatchBytes || notYet(command) != nil { return refused.append(key) }
            gather(command, of: key.session)
        }
        if !refused.isEmpty { effects.send(.refused(refused), to: sender) }
    }

    private mutating func gather(_ command: UnsafeRawBufferPointer, of session: SessionID) {
        batch.append(command: command)
        sessionKeeper.hear(session, at: now)
    }

    /// The leader is full, or may not take it yet. What was sent only once was certainly not done; the rest is tried again until its time is
    /// up.
    mutating func receiveRefused(_ keys: [CommandKey]) {
        refuse(keys.filter { (pendingCommands[$0]?.timesSent ?? 2) <= 1 })
    }

    private mutating func refuse(_ keys: [CommandKey]) {
        for key in keys {
            let early = pendingCommands[key].flatMap { pending in pending.command.withUnsafeBytes { notYet($0) } }
            fail(
                key,
                early ?? Failure(.busy, "the leader's queue of \(settings.maximumBatchBytes) bytes is full; try again"))
        }
    }

    mutating func fail(_ key: CommandKey, _ failure: Failure) {
        guard let pending = pendingCommands.remove(key) else { return }
        failedCommands += 1
        for token in pending.tokens { effects.reply(.failed(failure), to: token) }
    }

    /// One entry of everything that has gathered, when the disk is idle (what arrives while it writes is gathered for the next) or the
    /// batch has grown large.
    mutating func proposeBatch() {
        guard raft.role == .leader else { return }
        proposeExpiries()
        guard !batch.isEmpty || heldBack != nil else { return }
        guard lastStored == lastWrite || batch.byteCount >= settings.batchBytes else { return }
        tellLevel()
        proposeNow()
    }

    /// The state machine learns by the log what all servers can do; said again until it has heard.
    private mutating func tellLevel() {
        guard machine.featureLevel < featureLevel, featureLevel >= FeatureLevels.rights, heldBack == nil else { return }
        var writer = ByteWriter()
        Operation.raiseLevel(featureLevel).encode(into: &writer)
        writer.bytes.withUnsafeBytes { batch.append(CommandHeader(session: SessionID(0), sequence: 0), operation: $0) }
    }

    private mutating func proposeNow() {
        guard let lease = leaseClock.now(now) else { return }
        let stamp = settings.mutations.contains(.leaseTimeFromWallClock) ? wallMilliseconds : lease
        let payload = heldBack ?? batch.finish(leaseTime: stamp, wallStamp: wallMilliseconds)
        heldBack = nil
        do {
            let place = try raft.propose(payload, into: &raftEffects)
            proposed.append((place.index, now))
        } catch .busy, .transferring {
            // Should the transfer succeed, this goes to the new leader when it is known: see `roleChanged`.
            heldBack = payload
        } catch {
            // Leadership has just been lost: every server sends its own unanswered commands to the next leader.
        }
        absorb()
    }

    /// Ends of sessions, and an empty batch when something's deadline has come: expiry happens only by applying an entry.
    private mutating func proposeExpiries() {
        guard raft.leaderIsCurrent, let lease = leaseClock.now(now) else { return }
        if now.since(timers.sessions) >= 500_000_000 {
            timers.sessions = now
            let expired = sessionKeeper.expired(at: now, limit: Limits.expiriesPerEntry)
            if !expired.isEmpty {
                var writer = ByteWriter()
                Operation.expireSessions(expired).encode(into: &writer)
                writer.bytes.withUnsafeBytes {
                    batch.append(CommandHeader(session: SessionID(0), sequence: 0), operation: $0)
                }
                effects.notices.append(.sessionsExpired(expired.count))
            }
        }
        guard let deadline = machine.nextDeadline, deadline <= lease, batch.isEmpty else { return }
        // One at a time: the next when this one has been applied, or is taking long.
        if let at = ticksProposedAt, now.since(at) < 100_000_000 { return }
        guard lastStored == lastWrite else { return }
        ticksProposedAt = now
        proposeNow()
    }

    mutating func sendForwarded() {
        guard !forwarding.isEmpty else { return }
        if let leader = raft.leader, leader != id {
            // The transport takes no message of any size, and a lost one shall not take everything with it.
            var piece: [[UInt8]] = []
            var bytes = 0
            for command in forwarding {
                if bytes + command.count > settings.forwardedBytes, !piece.isEmpty {
                    effects.send(.forward(piece), to: leader)
                    piece.removeAll(keepingCapacity: true)
                    bytes = 0
                }
                piece.append(command)
                bytes += command.count
            }
            effects.send(.forward(piece), to: leader)
        }
        forwarding.removeAll(keepingCapacity: true)
    }

    mutating func sendKeepAlives() {
        guard !keepAlives.isEmpty, now.since(timers.keepAlives) >= 200_000_000 else { return }
        guard let leader = raft.leader else { return }
        timers.keepAlives = now
        if leader == id {
            for session in keepAlives { sessionKeeper.hear(session, at: now) }
        } else {
            effects.send(.keepAlive(keepAlives.sorted()), to: leader)
        }
        keepAlives.removeAll(keepingCapacity: true)
    }

    /// There is another leader: what it may not have heard of is sent again. The state machine knows commands by session and number, so
    /// that none is done twice.
    mutating func sendAllAgain() {
        for key in pendingCommands.keysUnderWay(where: { _ in true }) {
            guard let pending = pendingCommands[key], !machine.isWaiting(key.session, key.sequence) else { continue }
            route(key, pending.command)
        }
    }

    /// Sends again what may have been lost, and ends what has taken too long.
    mutating func reviewPending() {
        let resend = settings.resendMilliseconds * 1_000_000
        let now = self.now
        let due = pendingCommands.keysUnderWay { pending in
            pending.answerBy <= now || (pending.sentAt.map { now.since($0) >= resend } ?? true)
        }
        for key in due {
            guard let pending = pendingCommands[key] else { continue }
            if machine.isWaiting(key.session, key.sequence) {
                pendingCommands.waits(key, until: deadline(ofWaiting: pending))
            } else if pending.answerBy > now {
                route(key, pending.command)
            } else if pending.timesSent == 0 {
                fail(key, Failure(.noLeader, "no leader is known: a majority of servers is needed; nothing was done"))
            } else {
                fail(key, .unconfirmed)
            }
        }
        if now.since(timers.waiting) >= 250_000_000 {
            timers.waiting = now
            reviewWaiting()
        }
    }

    /// Takes that wait in the state machine. Some wait there no more though no answer came by here: their session ended, or has
    /// acknowledged them. The state machine says which, when asked again.
    private mutating func reviewWaiting() {
        guard installing == nil else { return }
        let now = self.now
        let due = pendingCommands.keysWaiting { key, pending in
            pending.answerBy <= now || !machine.isWaiting(key.session, key.sequence)
        }
        for key in due {
            if machine.isWaiting(key.session, key.sequence) {
                fail(key, .unconfirmed)
            } else {
                pendingCommands.waitsNoMore(
                    key, answerBy: now.advanced(byMilliseconds: settings.patienceMilliseconds))
                if let pending = pendingCommands[key] { route(key, pending.command) }
            }
        }
    }

    /// A second after a waiting take's own time-out, by this server's clock: by then a leader would have ended it.
    private func deadline(ofWaiting pending: PendingCommands.Pending) -> MonotonicTime {
        switch Operation.timeout(ofCommand: pending.command) {
        case .milliseconds(let milliseconds)?:
            pending.arrivedAt.advanced(byMilliseconds: min(milliseconds, Limits.timeoutMilliseconds) + 1_000)
        case .forever?, nil: MonotonicTime(nanoseconds: .max)
        }
    }
}

extension Failure {
    fileprivate static let unconfirmed = Failure(
        .outcomeUnknown, "the cluster did not confirm in time; it may have been done")
}

extension CommandKey {
    /// The first 16 bytes of a command.
    init?(ofCommand command: UnsafeRawBufferPointer) {
        guard command.count > 16 else { return nil }
        let session = command.loadUnaligned(as: UInt64.self)
        let sequence = command.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
        self.init(session: SessionID(UInt64(littleEndian: session)), sequence: UInt64(littleEndian: sequence))
    }
}

extension Operation {
    /// The time-out of an encoded command that may wait; nil for any other.
    static func timeout(ofCommand command: [UInt8]) -> Timeout? {
        command.withUnsafeBytes { bytes in
            var reader = ByteReader(bytes)
            guard (try? CommandHeader(from: &reader)) != nil, let operation = try? Operation(from: &reader) else {
                return nil
            }
            return operation.timeout
        }
    }
}
