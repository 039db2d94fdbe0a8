import Raft
import Replica
import TupleSpace

/// What is looked at after each pass, at each message and at each reply.
extension SimulatedCluster {
    func observe(_ server: SimulatedServer, _ process: ServerProcess) {
        let status = process.replica.status
        let leads = process.seenRole == .leader && process.seenTerm == status.term && status.role == .leader
        let before = process.issued.configuration
        for write in process.replica.effects.writes {
            checker.wrote(write, by: server.id, leads: leads ? status.term : nil, log: &process.issued)
        }
        if status.role != process.seenRole || status.term != process.seenTerm {
            trace.mix(6, now, UInt64(server.number), status.term.rawValue)
            trace.note(now, "\(name(server)) is \(status.role.rawValue) in term \(status.term)")
            if status.role == .leader {
                statistics.elections += 1
                checker.leads(
                    server.id, in: status.term, log: process.issued, before: before?.configuration,
                    ownVote: server.durable.hardState == HardState(term: status.term, vote: server.id))
            }
            process.seenRole = status.role
            process.seenTerm = status.term
        }
        observeProgress(server, process, status, before)
        observeMembers(server, process, status, before, leads: leads)
        considerRepaired(server, process)
        if process.passes & 15 == 0 || !options.mutations.isEmpty {
            for violation in process.replica.violatedInvariants() {
                checker.report("a node's own invariants", "\(name(server)): \(violation)")
            }
        }
    }

    private func observeMembers(
        _ server: SimulatedServer, _ process: ServerProcess, _ status: Status, _ before: PlacedConfiguration?,
        leads: Bool
    ) {
        let latest = process.issued.configuration
        guard latest?.index != process.seenConfiguration else { return }
        process.seenConfiguration = latest?.index ?? .zero
        checker.inForce(process.replica.configuration, at: server.id, log: process.issued)
        checkLevel(latest)
        guard leads, let before, let latest, latest.index > before.index else { return }
        trace.note(
            now, "\(name(server)) appends the configuration \(latest.configuration.voterNames) at \(latest.index)")
        checker.changedMembers(
            server.id, in: status.term, before: before, log: process.issued,
            committedTerm: process.issued.term(at: status.commit))
    }

    /// The feature level rises when every member's program supports it.
    private func checkLevel(_ latest: PlacedConfiguration?) {
        guard let configuration = latest?.configuration else { return }
        for member in configuration.members {
            guard let old = server(member.id), old.featureLevel < configuration.featureLevel else { continue }
            checker.report(
                "every member supports the feature level",
                "the level is \(configuration.featureLevel), and the program of \(name(old)) supports \(old.featureLevel)"
            )
        }
    }

    private func observeProgress(
        _ server: SimulatedServer, _ process: ServerProcess, _ status: Status, _ before: PlacedConfiguration?
    ) {
        if status.commit < process.seenCommit {
            checker.report("commit never goes back", "\(name(server)): from \(process.seenCommit) to \(status.commit)")
        }
        if status.commit > status.last {
            checker.report("committed <= last", "\(name(server)): \(status.commit) and \(status.last)")
        }
        if status.last != process.issued.last {
            checker.report(
                "the log is what was written",
                "\(name(server)) has entries to \(status.last), wrote \(process.issued.last)")
        }
        if status.commit > process.seenCommit {
            var inForce = [process.issued.configuration?.configuration].compactMap { $0 }
            if let before, before.configuration != inForce.first { inForce.append(before.configuration) }
            checker.advanced(
                server.id, in: status.term, from: process.seenCommit, to: status.commit, log: process.issued,
                configurations: inForce,
                holds: { [numbers, servers] id, index, term in
                    numbers[id].map { servers[$0].holds(index, term) } ?? false
                })
            process.seenCommit = status.commit
            if status.role == .leader {
                checker.counted(server.id, in: status.term, to: status.commit, log: process.issued)
            }
        }
        let applied = process.replica.appliedIndex
        guard applied != process.seenApplied else { return }
        if applied < process.seenApplied {
            checker.report("applied never goes back", "\(name(server)): from \(process.seenApplied) to \(applied)")
        }
        if applied > status.commit {
            checker.report("applied <= committed", "\(name(server)): \(applied) and \(status.commit)")
        }
        process.seenApplied = applied
        checker.applied(server.id, applied, digest: process.replica.machine.digest)
        trace.mix(7, now, applied.rawValue, process.replica.machine.digest)
        if let twice = checker.reference.model.performedTwice {
            checker.report("exactly once", "command \(twice.sequence) of session \(twice.session) was done twice")
        }
        if let tuple = checker.reference.model.writtenTwice {
            checker.report("exactly once", "\(tuple) was written twice")
        }
        if let early = checker.reference.model.tooEarly {
            checker.report(
                "what needs a feature level is not in the log before it",
                "command \(early.sequence) of session \(early.session)")
        }
        if let tuple = checker.reference.model.doubleTake {
            checker.report("a tuple has one taker", "tuple \(tuple) was given away while it was away")
        }
    }

    func checkMessage(_ message: ReplicaEffects.PeerBytes, from server: SimulatedServer, to: Int) {
        guard message.bytes.first == 1 else { return }
        do {
            guard case .raft(let raft) = try message.bytes.withUnsafeBytes({ try PeerMessage(decoding: $0) }) else {
                return
            }
            let receiver = servers[to].process
            let leads = receiver.map { $0.seenRole == .leader && $0.seenTerm == raft.term } ?? false
            let stands = receiver.map { $0.seenRole == .candidate && $0.seenTerm == raft.term } ?? false
            checker.sends(
                raft, from: server.id, durable: server.durable, isDamaged: server.isDamaged,
                leaderLog: leads ? receiver?.issued : nil,
                candidateLog: stands ? receiver?.issued : nil)
        } catch {
            checker.report("what servers say can be read", "\(name(server)): \(error)")
        }
    }

    // MARK: - Replies

    func check(_ reply: Reply, to request: ClientRequest, at applied: LogIndex, by server: SimulatedServer) {
        switch request.body {
        case .command(let header, _): checkCommand(reply, header, request, at: applied, by: server)
        case .query(let query, _, let consistency, let timeout, let credential):
            statistics.readsAnswered += 1
            checkRead(reply, query, as: credential, consistency, timeout, request, at: applied, by: server)
        }
    }

    private func checkCommand(
        _ reply: Reply, _ header: CommandHeader, _ request: ClientRequest, at applied: LogIndex,
        by server: SimulatedServer
    ) {
        if case .failed(let failure) = reply {
            switch failure.code {
            case .busy, .noLeader, .diskFull, .outcomeUnknown: return
            // By a leader that does not know yet that the feature level has risen.
            case .unsupported: return
            // The session ended, or the reply was acknowledged, after the command was done: this answers a repetition.
            case .sessionExpired, .alreadyAcknowledged: return
            default: break
            }
        }
        statistics.commandsAnswered += 1
        let model = checker.reference.model
        // Before it was looked whether it had been done: a repetition may be answered so, and another be done later.
        if case .failed(let failure) = reply, failure.code == .unknownToken || failure.code == .notAllowed,
            let index = model.turnedAway[.init(session: header.session, sequence: header.sequence)],
            index <= applied.rawValue
        {
            return
        }
        guard let answer = model.answers[.init(session: header.session, sequence: header.sequence)] else {
            return checker.report(
                "no reply before commit",
                "\(name(server)) answers command \(header.sequence) of session \(header.session) with \(reply)"
                    + ", and no committed entry "
                    + "decided that")
        }
        if answer.index > applied.rawValue {
            checker.report(
                "no reply before it is applied",
                "\(name(server)) answers \(reply) at \(applied), decided at \(answer.index)")
        }
        if !isSame(answer.reply, reply) {
            checker.report(
                "replies are those of the one order",
                "\(name(server)) answers command \(header.sequence) of session \(header.session) with \(reply)"
                    + "; by the log it is "
                    + "\(answer.reply), decided at \(answer.index)")
        }
    }

    private func checkRead(
        _ reply: Reply, _ query: Query, as credential: Credential, _ consistency: Consistency, _ timeout: Timeout,
        _ request: ClientRequest,
        at applied: LogIndex, by server: SimulatedServer
    ) {
        if case .failed(let failure) = reply, failure.code == .busy || failure.code == .noLeader { return }
        let model = checker.reference.model
        var floor = LogIndex.zero
        switch consistency {
        case .linearizable: floor = request.floor
        case .sequential(let position): floor = LogIndex(position.index)
        case .local: break
        }
        if applied < floor {
            checker.report(
                "a linearizable read sees all that was committed before it",
                "\(name(server)) answers operation \(request.operation) at \(applied); \(floor)"
                    + " was committed when it was asked"
            )
        }
        let expected = model.answer(query, at: applied.rawValue, as: credential)
        if isSame(expected, reply) { return }
        let waited = floor.rawValue...max(floor.rawValue, applied.rawValue)
        if timeout != .none, isAnswer(reply, to: query, as: credential, waiting: waited) { return }
        checker.report(
            "reads show the state of one index",
            "\(name(server)) answers \(query), asked by \(credential), at \(applied) with \(reply); "
                + "by the log it is \(expected)"
        )
    }

    /// Of one that waited: it saw a tuple appear, which may be gone again. One that found nothing waited for nothing, unless it might have
    /// read by now what it might not when that appeared.
    private func isAnswer(
        _ reply: Reply, to query: Query, as credential: Credential, waiting entries: ClosedRange<UInt64>
    ) -> Bool {
        let model = checker.reference.model
        if case .found(let stored, _) = reply,
            model.appeared(stored, to: credential, behind: entries.lowerBound, through: entries.upperBound)
        {
            return true
        }
        if reply == .noMatch, !model.hadPolicies(from: entries.lowerBound, through: entries.upperBound) { return false }
        return entries.contains { isSame(model.answer(query, at: $0, as: credential), reply) }
    }

    /// Equal but for the wording of failures, and the position of what was only read.
    func isSame(_ a: Reply, _ b: Reply) -> Bool {
        switch (a, b) {
        case (.failed(let x), .failed(let y)): x.code == y.code
        case (.found(let x, let position), .found(let y, let other)):
            x == y && (position == other || position.index == 0)
        default: a == b
        }
    }

    func noteMessage(_ message: ReplicaEffects.PeerBytes, from server: SimulatedServer) {
        guard let decoded = try? message.bytes.withUnsafeBytes({ try PeerMessage(decoding: $0) }),
            let words = decoded.words
        else { return }
        trace.note(now, "\(name(server)) > \(name(message.to)) \(words)")
    }
}
