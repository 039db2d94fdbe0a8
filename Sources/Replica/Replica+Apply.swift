import ByteCoding
import DequeModule
import Raft
import TupleSpace

extension Replica {
    /// Takes committed entries into the backlog, and applies what this pass has room for.
    mutating func apply(_ entries: [Entry]) {
        backlog.append(contentsOf: entries)
        applyBacklog()
    }

    /// Applies in log order, a bounded number of bytes in one pass: a server that has much to catch up with, as after its start, must
    /// still send its heartbeats. While a snapshot is being loaded everything waits behind it.
    mutating func applyBacklog() {
        guard installing == nil else { return }
        while appliedBytesInPass < settings.appliedBytesPerPass, let entry = backlog.popFirst() {
            appliedBytesInPass += entry.payload.count
            apply(entry)
        }
    }

    private mutating func apply(_ entry: Entry) {
        let index = entry.index.rawValue
        guard entry.kind == .command else {
            machine.skip(to: index)
            if entry.kind == .configuration { effects.notices.append(.configurationChanged(entry.index)) }
            digests.applied(entry.index, digest: machine.digest)
            return
        }
        while let first = proposed.first, first.index <= entry.index {
            commitLatency.record(nanoseconds: now.since(first.at))
            proposed.removeFirst()
        }
        applied.reset()
        entry.payload.withUnsafeBytes { machine.apply($0, at: index, into: &applied) }
        answer()
        for session in applied.sessionsOpened {
            sessionKeeper.opened(session.id, timeoutMilliseconds: session.timeoutMilliseconds, at: now)
        }
        for session in applied.sessionsEnded { sessionKeeper.ended(session) }
        leaseClock.raise(to: machine.leaseTime, at: now)
        digests.applied(entry.index, digest: machine.digest)
        appliedBytesSinceSnapshot += entry.payload.count
        ticksProposedAt = nil
        notify()
    }

    /// Whoever waits at this server for something that was just applied gets the answer.
    private mutating func answer() {
        guard pendingCommands.count > 0 else { return }
        let outcomes = applied.outcomes
        let replies = applied.bytes.bytes
        replies.withUnsafeBytes { bytes in
            for outcome in outcomes {
                let key = CommandKey(session: outcome.session, sequence: outcome.sequence)
                guard let pending = pendingCommands.remove(key) else { continue }
                let reply = UnsafeRawBufferPointer(rebasing: bytes[outcome.range])
                effects.reply(encoded: reply, to: pending.token)
                for token in pending.laterTokens { effects.reply(encoded: reply, to: token) }
            }
        }
    }

    // MARK: - Now and then

    mutating func runTimers() {
        if now.since(timers.pending) >= 50_000_000 {
            timers.pending = now
            reviewPending()
            reviewReads()
            askForMending()
        }
        if now.since(timers.status) >= settings.statusIntervalMilliseconds * 1_000_000 {
            timers.status = now
            sendStatus()
        }
    }

    private mutating func sendStatus() {
        let checkpoint = digests.newest
        for member in reachableMembers where member.id != id {
            let echo = peers.echo(to: member.id, at: now)
            let status = PeerStatus(
                role: raft.role, term: raft.term, commit: raft.commit, applied: appliedIndex, last: raft.lastIndex,
                checkpoint: checkpoint.index, digest: checkpoint.digest, sentAt: now.nanoseconds, echo: echo.clock,
                echoHeld: echo.held, version: settings.version)
            effects.send(.status(status), to: member.id)
        }
    }

    mutating func receive(_ status: PeerStatus, from sender: NodeID) {
        peers.received(status, from: sender, at: now)
        guard status.checkpoint > .zero, raft.configuration[sender] != nil else { return }
        let verdict = digests.compare(
            sender, at: status.checkpoint, digest: status.digest, leads: isLeader)
        switch verdict {
        case .unknown, .agrees: break
        case .differs: effects.notices.append(.diverged(sender, at: status.checkpoint))
        case .weAreOdd:
            effects.notices.append(.diverged(id, at: status.checkpoint))
            effects.fatal =
                "this server's state differs from the others' at log index \(status.checkpoint): it stops so that nobody reads a wrong "
                + "answer. Remove its data directory and add it anew; please report this with its log."
        }
    }
}
