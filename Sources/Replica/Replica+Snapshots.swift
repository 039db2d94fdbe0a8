import ByteCoding
import Raft
import TupleSpace

extension Replica {
    // MARK: - Taking one

    /// Servers stagger their snapshots: each waits a little longer than the member before it. A large state is written more rarely: never
    /// more bytes of snapshots than of log.
    mutating func considerSnapshot() {
        guard !isTakingSnapshot, installing == nil, effects.snapshotToTake == nil, now >= snapshotNotBefore else {
            return
        }
        if isNewestDamaged || mustNoteMembership { return takeSnapshot() }
        let rank = raft.configuration.members.firstIndex { $0.id == id } ?? 0
        let entries = appliedIndex - newestSnapshot.index
        let staggered = { (threshold: Int) in threshold + threshold / 4 * rank }
        let isLarge = newestSnapshotBytes > settings.snapshotBytes
        guard
            appliedBytesSinceSnapshot >= staggered(max(settings.snapshotBytes, newestSnapshotBytes))
                || !isLarge && entries >= staggered(settings.snapshotEntries)
        else { return }
        takeSnapshot()
    }

    /// A server that joined knows in every later life that it was a member, and so of its removal, only by a snapshot with a configuration
    /// that has it: which entries of its log are committed is forgotten in a crash.
    private var mustNoteMembership: Bool {
        newestSnapshot.configuration[id] == nil
            && raft.snapshotMetadata(at: appliedIndex).configuration[id] != nil
    }

    /// Begins a snapshot now, whatever the policy says. Does nothing if one is under way or nothing was applied since the last, unless the
    /// last one is damaged: then its file is written again.
    public mutating func takeSnapshot() {
        guard !isTakingSnapshot, installing == nil, isNews(appliedIndex) else { return }
        let metadata = raft.snapshotMetadata(at: appliedIndex)
        // A server that joins gets the log before it gets the first configuration in it. Until then it does not know who the members were,
        // and a snapshot that does not say it is of no use to anyone: others would be sent it again and again.
        guard !metadata.configuration.members.isEmpty else { return }
        isTakingSnapshot = true
        appliedBytesSinceSnapshot = 0
        effects.snapshotToTake = .init(metadata: metadata, image: machine.capture(), keepFrom: keepFrom)
    }

    private var keepFrom: LogIndex {
        keepingWhatIsSent(
            raft.firstIndex(behind: appliedIndex, entries: settings.trailingEntries, bytes: settings.trailingBytes))
    }

    /// While the newest snapshot so far is being sent, what is behind it stays: whoever gets it shall not need another one at once. Once:
    /// the log does not grow without end for a stream that never ends.
    private func keepingWhatIsSent(_ trailing: LogIndex) -> LogIndex {
        let isBeingSent = snapshotExchange.outgoing.values.contains { $0.index == newestSnapshot.index }
        return isBeingSent ? min(trailing, newestSnapshot.index.next) : trailing
    }

    /// The shell has made the snapshot durable, or discarded it (nil): then it is tried again later.
    public mutating func snapshotTaken(_ metadata: SnapshotMetadata?, keepFrom: LogIndex) {
        isTakingSnapshot = false
        guard let metadata else {
            appliedBytesSinceSnapshot = max(settings.snapshotBytes, newestSnapshotBytes) * 2
            snapshotNotBefore = now.advanced(byMilliseconds: settings.snapshotRetryMilliseconds)
            return
        }
        guard isNews(metadata.index) else { return }
        // Writing it took a while, in which the sending of the one before may have begun.
        let keepFrom = keepingWhatIsSent(keepFrom)
        setNewestSnapshot(metadata)
        effects.notices.append(.snapshotTaken(metadata.index))
        step(.snapshotTaken(metadata, keepFrom: keepFrom))
    }

    private func isNews(_ index: LogIndex) -> Bool {
        index > newestSnapshot.index || isNewestDamaged && index == newestSnapshot.index
    }

    private mutating func setNewestSnapshot(_ metadata: SnapshotMetadata) {
        if isNewestDamaged {
            previousSnapshot = nil
        } else if newestSnapshot.index > .zero {
            previousSnapshot = SnapshotPlaceInLog(index: newestSnapshot.index, term: newestSnapshot.term)
        }
        newestSnapshot = metadata
        isNewestDamaged = false
    }

    // MARK: - Sending one

    mutating func beginSending(to peer: NodeID) {
        // Of a damaged one the successor is being written: consensus asks again until it is there.
        guard newestSnapshot.index > .zero, !isNewestDamaged else {
            followUps.append(.snapshotSent(to: peer, index: nil))
            return
        }
        let place = snapshotToSend(to: peer)
        guard snapshotExchange.begin(to: peer, place, now: now) else { return }
        effects.notices.append(.sendingSnapshot(place.index, to: peer))
    }

    /// The newest; but what the peer has a part of goes on, if it is one of the two that are kept and the log goes on behind it.
    private func snapshotToSend(to peer: NodeID) -> SnapshotPlaceInLog {
        let newest = SnapshotPlaceInLog(index: newestSnapshot.index, term: newestSnapshot.term)
        guard let begun = snapshotExchange.unfinished[peer], begun == previousSnapshot else { return newest }
        return raft.status.first <= begun.index.next ? begun : newest
    }

    /// Which snapshot of an index is on its way to a peer.
    public func termOfSnapshotBeingSent(to peer: NodeID) -> Term? { snapshotExchange.outgoing[peer]?.term }

    /// Their files are still needed.
    public var snapshotsBeingSent: Set<LogIndex> { Set(snapshotExchange.outgoing.values.map(\.index)) }

    /// The shell has read a piece of a snapshot file, and checked it; nil if that file is gone, cannot be read or is damaged.
    public mutating func snapshotRead(_ read: ReplicaEffects.SnapshotRead, _ piece: (bytes: [UInt8], total: UInt64)?) {
        guard let stream = snapshotExchange.outgoing[read.peer], stream.index == read.index else { return }
        guard let piece else { return snapshotUnreadable(read.index) }
        snapshotExchange.pieceRead(
            read.peer, askedBytes: read.maximumBytes, bytes: piece.bytes.count, total: piece.total)
        snapshotBytesSent += UInt64(piece.bytes.count)
        let chunk = SnapshotChunk(
            index: stream.index, term: stream.term, offset: read.offset, total: piece.total, bytes: piece.bytes)
        // Whoever has not said what it understands gets what everybody understands.
        let isChecked = (peers.featureLevel(of: read.peer) ?? 1) >= Replica.snapshotPieceLevel
        effects.send(isChecked ? .snapshotPiece(chunk) : .snapshotChunk(chunk), to: read.peer, isBulk: true)
    }

    /// The file is never sent again. If it was the newest, this server's state of now takes its place.
    private mutating func snapshotUnreadable(_ index: LogIndex) {
        if index == previousSnapshot?.index { previousSnapshot = nil }
        if index == newestSnapshot.index, !isNewestDamaged {
            isNewestDamaged = true
            effects.notices.append(.snapshotDamaged(index))
        }
        for peer in snapshotExchange.endAll(of: index) { step(.snapshotSent(to: peer, index: nil)) }
    }

    /// The receiver of a snapshot threw it away: perhaps because our file is damaged.
    mutating func receiveSnapshotRefused(_ index: LogIndex, _ reason: String, from peer: NodeID) {
        guard snapshotExchange.doubt(peer, index) else { return }
        effects.notices.append(.snapshotRefused(index, by: peer, reason))
    }

    /// From this feature level on a server knows pieces with a checksum, and refusals of whole snapshots.
    private static var snapshotPieceLevel: UInt32 { 2 }

    mutating func receiveSnapshotProgress(
        _ index: LogIndex, nextOffset: UInt64, complete: Bool, from peer: NodeID
    ) {
        let sent = snapshotExchange.progressed(
            peer, index: index, nextOffset: nextOffset, complete: complete, window: settings.snapshotWindow, now: now)
        if let sent { step(.snapshotSent(to: peer, index: sent)) }
    }

    /// Once a pass: what the budget allows.
    mutating func pumpSnapshots() {
        let (reads, givenUp) = snapshotExchange.pump(
            now,
            SnapshotExchange.Pace(
                pieceBytes: settings.snapshotChunkBytes, bytesPerSecond: settings.snapshotBytesPerSecond,
                window: settings.snapshotWindow, patienceMilliseconds: settings.snapshotPatienceMilliseconds))
        effects.snapshotReads += reads
        for peer in givenUp { step(.snapshotSent(to: peer, index: nil)) }
    }

    // MARK: - Receiving one

    mutating func receive(_ chunk: SnapshotChunk, from sender: NodeID) {
        guard chunk.index > raft.commit else {
            // We have all of that by other ways.
            return effects.send(
                .snapshotProgress(index: chunk.index, nextOffset: chunk.total, complete: true), to: sender)
        }
        // Two streams at once, of the leader and of one that was it, would each throw away what the other has brought.
        if let leader = raft.leader, leader != sender {
            return noteRefused(
                sender,
                "a piece of the snapshot at log index \(chunk.index), offset \(chunk.offset): \(names(sender)) does not lead"
            )
        }
        effects.snapshotChunks.append((sender, chunk))
    }

    /// The shell has written a piece (or refused one that does not fit), and has the file up to `nextOffset`; `complete` when the file
    /// is whole, verified and durable.
    /// - Parameter refusal: why everything that was received was thrown away: the sender is told.
    public mutating func snapshotChunkStored(
        from sender: NodeID, index: LogIndex, nextOffset: UInt64, complete: SnapshotMetadata?, refusal: String? = nil
    ) {
        if let refusal, (peers.featureLevel(of: sender) ?? 1) >= Replica.snapshotPieceLevel {
            effects.send(.snapshotRefused(index: index, reason: String(refusal.prefix(500))), to: sender)
        }
        effects.send(
            .snapshotProgress(index: index, nextOffset: nextOffset, complete: complete != nil), to: sender)
        if let complete {
            installingFrom = sender
            step(.snapshotReceived(complete, from: sender))
        }
    }

    /// Whether `installed` is still waited for. No longer, if a newer snapshot has arrived meanwhile: then its file may be gone.
    public func isInstalling(_ metadata: SnapshotMetadata) -> Bool { installing?.index == metadata.index }

    mutating func beginInstalling(_ metadata: SnapshotMetadata) {
        installing = metadata
        // Everything handed out before stands in the snapshot.
        backlog.removeAll()
        effects.snapshotToLoad = metadata
    }

    /// The shell has restored the state of the snapshot that `snapshotToLoad` named.
    public mutating func installed(_ machine: StateMachine, _ metadata: SnapshotMetadata) {
        guard let installing, installing.index == metadata.index else { return }
        self.machine = machine
        self.machine.skip(to: metadata.index.rawValue)
        setNewestSnapshot(metadata)
        appliedBytesSinceSnapshot = 0
        digests.restart()
        self.installing = nil
        if isLeader {
            // Elected while it was loading: what it began with were the sessions and the time of before.
            leaseClock.raise(to: self.machine.leaseTime, at: now)
            sessionKeeper.begin(self.machine.sessions, at: now)
        }
        effects.notices.append(.snapshotInstalled(metadata.index, from: installingFrom))
        answerFromSnapshot()
        subscriptions.restart(at: self.machine.lastPosition)
        for (token, watch) in watches.all {
            let reply = self.machine.answer(.read(space: watch.space, template: watch.template))
            if reply != .noMatch {
                watches.forget(token)
                effects.reply(reply, to: token)
            }
        }
        applyBacklog()
        serveReads()
    }

    /// Commands that were applied within what the snapshot stands for: their replies are in their sessions. The rest is sent again by
    /// and by.
    private mutating func answerFromSnapshot() {
        for key in pendingCommands.allKeys {
            let start = effects.replyBytes.count
            guard machine.cachedReply(key.session, key.sequence, into: &effects.replyBytes) else { continue }
            let range = start..<effects.replyBytes.count
            for token in pendingCommands.remove(key)?.tokens ?? [] {
                effects.replies.append(.init(token: token, range: range))
            }
        }
    }
}
