extension Node {
    mutating func becomeLeader(into effects: inout Effects) {
        become(.leader, leader: id, into: &effects)
        updateProgress()
        membership.isDue = true
        membership.begunHere = nil
        leaderReads = LeaderReads()
        leaseIsVoid = false
        beginTiming()
        nextHeartbeat = now.advanced(byMilliseconds: heartbeatInterval)
        uncommittedBytes = 0
        for entry in log.batch(from: commit.next, through: log.last, maximumBytes: .max) {
            uncommittedBytes += entry.payload.count
        }
        // With an entry of its own term it learns what is committed, and can commit what older terms left
        // (dissertation 3.6.2, 6.4).
        appendAsLeader(Entry(index: log.last.next, term: term, kind: .noop, payload: []), into: &effects)
        lead(into: &effects)
    }

    /// A leader only ever appends (dissertation 3.3, leader append-only). The disk writes while the network sends
    /// (dissertation 10.2.1).
    mutating func appendAsLeader(_ entry: Entry, into effects: inout Effects) {
        appendToLog(entry, into: &effects)
        uncommittedBytes += entry.payload.count
        appendedBytes &+= UInt64(entry.payload.count)
    }

    mutating func tickAsLeader(into effects: inout Effects) {
        // A leader that no majority answers, or that cannot write, must not keep others from electing one that can
        // (dissertation 6.2; for disks the same reasoning).
        if !hearsMajority || diskHangs {
            becomeFollower(of: term, leader: nil, into: &effects)
            return
        }
        tickTransfer(into: &effects)
        confirmByLease(into: &effects)
        guard now >= nextHeartbeat else {
            // Reads that no lease could confirm need a round.
            if settings.leaseReads, !leaderReads.waiting.isEmpty { lead(into: &effects) }
            return
        }
        adaptTiming()
        nextHeartbeat = now.advanced(byMilliseconds: heartbeatInterval)
        for i in progress.indices {
            progress[i].pushIsDue = true
            if let end = progress[i].snapshotAwaitedUntil, now >= end { progress[i].loseTrack() }
        }
        lead(into: &effects)
    }

    /// Whether a peer has answered in this leadership, and within the least election timeout.
    func isHeard(_ peer: Progress) -> Bool {
        peer.wasHeard && now.since(peer.contact) < minimumElectionTimeout
    }

    var hearsMajority: Bool {
        if settings.mutations.contains(.noCheckQuorum) { return true }
        return voters.hasMajority { voter in
            voter == id || progress.contains { $0.id == voter && now.since($0.contact) < minimumElectionTimeout }
        }
    }

    /// What a leader does at the end of every step that may have changed something: commit, confirm reads, send.
    mutating func lead(into effects: inout Effects) {
        commitByCounting(into: &effects)
        if membership.isDue {
            lookAfterMembers(into: &effects)
            guard role == .leader else { return }  // a configuration without it is committed
        }
        advanceReads(into: &effects)
        advanceTransfer(into: &effects)
        for i in progress.indices { sendWhatIsDue(to: i, into: &effects) }
    }

    // MARK: Sending

    mutating func sendWhatIsDue(to i: Int, into effects: inout Effects) {
        var hasSent = false
        while progress[i].next <= log.last, progress[i].mayTakeEntries(settings), !mustPause(i) {
            guard let previousTerm = log.term(at: progress[i].next.previous) else {
                beginSnapshot(to: i, into: &effects)
                break
            }
            let batch = log.batch(
                from: progress[i].next, through: log.last, maximumBytes: settings.maximumRequestBytes,
                skipsOversized: settings.mutations.contains(.skipOversizedEntry))
            sendAppend(to: i, behind: progress[i].next.previous, previousTerm, entries: batch, into: &effects)
            let bytes = batch.reduce(0) { $0 + $1.payload.count }
            progress[i].noteSent(through: batch.last?.index ?? log.last, bytes: bytes)
            progress[i].pace.spend(bytes)
            hasSent = true
        }
        // The new commit index goes at once, with entries or without (performance: a follower answers its clients
        // then).
        let commitIsDue = progress[i].state == .replicate && progress[i].commitTold < commit
        if !hasSent, commitIsDue || progress[i].pushIsDue { sendHeartbeat(to: i, into: &effects) }
        progress[i].pushIsDue = false
    }

    /// An append request without entries. Its previous index is the last one that was sent, so that its answer shows
    /// whether anything was lost on the way, in either direction.
    private mutating func sendHeartbeat(to i: Int, into effects: inout Effects) {
        let previous = progress[i].next.previous
        if progress[i].state != .snapshot, let term = log.term(at: previous) {
            sendAppend(to: i, behind: previous, term, entries: [], into: &effects)
        } else {
            // What was sent last is compacted away. If it was lost it cannot be sent again, and nobody would notice.
            if progress[i].state == .replicate { progress[i].loseTrack() }
            // Everybody agrees at 0; the answer says how far it is durable.
            sendAppend(to: i, behind: .zero, .zero, entries: [], into: &effects)
        }
    }

    private mutating func sendAppend(
        to i: Int, behind previous: LogIndex, _ previousTerm: Term, entries: [Entry], into effects: inout Effects
    ) {
        let request = AppendRequest(
            previousIndex: previous, previousTerm: previousTerm, commit: commit, entries: entries,
            readRound: leaderReads.round, sentAt: now.nanoseconds, electionTimeoutMilliseconds: timeoutToTell)
        send(.appendRequest(request), to: progress[i].id, into: &effects)
        progress[i].commitTold = commit
    }

    private mutating func beginSnapshot(to i: Int, into effects: inout Effects) {
        // Not to one that is away: it would be sent in vain, again and again.
        guard isHeard(progress[i]) else { return }
        progress[i].beginSnapshot()
        effects.snapshotsToSend.append(progress[i].id)
    }

    // MARK: Answers

    /// - Parameter featureLevel: what the peer says it supports.
    mutating func heed(
        _ response: AppendResponse, from peer: NodeID, featureLevel: UInt32, into effects: inout Effects
    ) {
        guard role == .leader, let i = progress.firstIndex(where: { $0.id == peer }) else { return }
        progress[i].noteContact(now: now, sentAt: response.sentAt)
        // The disk says nothing about the network; a program of before says nothing about the disk.
        if !response.waitedForDisk || settings.mutations.contains(.roundTripsIncludeDisk) {
            measure(peer, sentAt: response.sentAt)
        }
        if progress[i].featureLevel != featureLevel {
            progress[i].featureLevel = featureLevel
            membership.isDue = true
        }
        if response.readRound <= leaderReads.round {
            progress[i].readRound = max(progress[i].readRound, response.readRound)
        }
        switch response.result {
        case .alive: break
        case .accepted(let match):
            guard match <= log.last else { break }
            progress[i].accept(match, sentAt: response.sentAt, base: log.base)
        case .rejected(let previous, let hintIndex, let hintTerm):
            guard progress[i].believesRejection(of: previous, sentAt: response.sentAt) else { break }
            // Behind the hint the logs cannot agree; before it, wherever our term is later than the follower's they
            // cannot either. So a whole term is skipped in one round trip (dissertation 3.5, end).
            let agree = log.lastIndex(notAfter: hintIndex, termAtMost: hintTerm)
            progress[i].retreat(to: agree.next)
        }
        lead(into: &effects)
    }
}
