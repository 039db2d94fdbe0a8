import Raft

/// Changes of members and of leadership, asked for at any server.
extension Replica {
    /// An operator's request. Its outcome comes in `effects.clusterOutcomes`, once, within `settings.clusterPatienceMilliseconds`.
    public mutating func clusterRequest(_ token: RequestToken, _ request: ClusterRequest) {
        if case .change(let changes) = request {
            if changes.isEmpty { return end(token, ChangeRefused.noChanges.refusal(names).outcome) }
            if changes.count > ClusterRequest.maximumChanges {
                return end(token, ClusterRefusal.tooManyChanges(changes.count).outcome)
            }
        }
        guard desk.asked.count < ClusterDesk.maximumAsked else {
            return end(token, ClusterRefusal.tooManyRequests(ClusterDesk.maximumAsked, at: names(id)).outcome)
        }
        let question = ClusterQuestion(id: desk.nextID(), isRepeat: false, term: .zero, request: request)
        desk.asked.append(
            .init(
                token: token, question: question,
                deadline: now.advanced(byMilliseconds: settings.clusterPatienceMilliseconds)))
        ask(desk.asked.count - 1)
    }

    var names: MemberNames { MemberNames(configuration: raft.configuration) }

    private mutating func end(_ token: RequestToken, _ outcome: ClusterOutcome) {
        effects.clusterOutcomes.append((token, outcome))
    }

    // MARK: - The server that was asked

    /// Sends a request to the leader, or serves it here. Without a leader it waits for one.
    private mutating func ask(_ i: Int) {
        guard let leader = raft.leader else { return }
        let level = leader == id ? settings.raft.supportedFeatureLevel : peers.featureLevel(of: leader)
        if let level, level < Replica.clusterRequestLevel {
            // Only if it was never sent: an earlier leader may have begun it.
            guard desk.asked[i].timesSent == 0 else { return }
            let refusal = ClusterRefusal.leaderTooOld(names(leader), level: level, needed: Replica.clusterRequestLevel)
            return end(desk.asked.remove(at: i).token, refusal.outcome)
        }
        // A known leader means that our term is its term.
        if desk.asked[i].timesSent == 0 { desk.asked[i].question.term = raft.term }
        var question = desk.asked[i].question
        question.isRepeat = desk.asked[i].timesSent > 0
        desk.asked[i].sentAt = now
        desk.asked[i].timesSent += 1
        if let before = desk.asked[i].sentTo, before != leader { desk.asked[i].hasMoved = true }
        desk.asked[i].sentTo = leader
        if leader == id { serve(question, for: id) } else { effects.send(.clusterQuestion(question), to: leader) }
    }

    /// From this feature level on a server knows these messages.
    static var clusterRequestLevel: UInt32 { 2 }

    mutating func receiveAnswer(_ questionID: UInt64, _ outcome: ClusterOutcome) {
        // Not there: it was answered, or given up, before.
        guard let i = desk.asked.firstIndex(where: { $0.question.id == questionID }) else { return }
        // What one leader refused another may be doing now, who was asked since.
        if case .refused = outcome, desk.asked[i].hasMoved { return }
        end(desk.asked.remove(at: i).token, outcome)
    }

    /// Once a pass: goes on with what could not go on before, and ends what has taken too long.
    mutating func reviewCluster() {
        guard !desk.isIdle else { return }
        for served in desk.served { review(served) }
        for asked in desk.asked {
            guard let i = desk.asked.firstIndex(where: { $0.question.id == asked.question.id }) else { continue }
            if asked.deadline <= now {
                desk.asked.remove(at: i)
                end(asked.token, lateOutcome(asked))
            } else if asked.sentAt.map({ now.since($0) >= settings.resendMilliseconds * 1_000_000 }) ?? true {
                ask(i)
            }
        }
    }

    private func lateOutcome(_ asked: ClusterDesk.Asked) -> ClusterOutcome {
        let patience = settings.clusterPatienceMilliseconds
        guard asked.timesSent > 0 else { return ClusterRefusal.noLeader(afterMilliseconds: patience).outcome }
        return .unknown(
            "no leader confirmed it within \(patience) ms; it may have been done, or be under way. The members' list tells,"
                + " and asking again is safe.")
    }

    // MARK: - The leader

    /// A request of a member, or of this server itself.
    mutating func serve(_ question: ClusterQuestion, for asker: NodeID) {
        if desk.isServing(asker, question.id) { return }
        if let outcome = desk.answer(to: asker, question.id) { return tell(asker, question.id, outcome) }
        guard raft.configuration[asker] != nil else {
            // Asked again: the first time it may have been done, and may be why the asker is no member any more.
            guard !question.isRepeat else { return tell(asker, question.id, .unknown(departedSentence)) }
            return refuse(from: asker, ClusterRefusal.notMember(asker), question)
        }
        // A server that thinks we lead will learn better from consensus, and ask the new leader.
        guard raft.role == .leader else { return }
        guard desk.served.count < ClusterDesk.maximumServed else {
            let refusal = ClusterRefusal.tooManyRequests(ClusterDesk.maximumServed, at: names(id))
            return answer(asker, question.id, refusal.outcome)
        }
        let served = ClusterDesk.Served(
            asker: asker, question: question,
            begunAt: now, deadline: now.advanced(byMilliseconds: settings.clusterPatienceMilliseconds),
            state: .waiting(ClusterRefusal("not-ready", "")))
        desk.served.append(served)
        review(served)
    }

    private var departedSentence: String {
        "the server that asked has ceased to be a member meanwhile; it may have been done. The members' list tells."
    }

    private mutating func refuse(from asker: NodeID, _ refusal: ClusterRefusal, _ question: ClusterQuestion) {
        noteRefused(asker, refusal.sentence)
        tell(asker, question.id, refusal.outcome)
    }

    private mutating func tell(_ asker: NodeID, _ questionID: UInt64, _ outcome: ClusterOutcome) {
        if asker == id { return receiveAnswer(questionID, outcome) }
        effects.send(.clusterAnswer(id: questionID, outcome), to: asker)
    }

    private mutating func answer(_ asker: NodeID, _ questionID: UInt64, _ outcome: ClusterOutcome) {
        desk.served.removeAll { $0.asker == asker && $0.question.id == questionID }
        desk.remember(outcome, to: asker, questionID)
        tell(asker, questionID, outcome)
    }

    private mutating func setState(_ served: ClusterDesk.Served, _ state: ClusterDesk.Served.State) {
        guard
            let i = desk.served.firstIndex(where: {
                $0.asker == served.asker && $0.question.id == served.question.id
            })
        else { return }
        desk.served[i].state = state
    }

    private mutating func drop(_ served: ClusterDesk.Served) {
        desk.served.removeAll { $0.asker == served.asker && $0.question.id == served.question.id }
    }

    private mutating func review(_ served: ClusterDesk.Served) {
        switch served.state {
        case .waiting(let refusal):
            guard raft.role == .leader else { return drop(served) }
            if served.deadline <= now { return answer(served.asker, served.question.id, refusal.outcome) }
            begin(served)
        case .change(let index, let term): reviewChange(served, index, term)
        case .transfer(let target, let term): reviewTransfer(served, to: target, begunIn: term)
        }
    }

    private mutating func begin(_ served: ClusterDesk.Served) {
        do throws(ClusterRefusal) {
            switch served.question.request {
            case .change(let changes): try begin(changes, served)
            case .transfer(let target): try beginTransfer(to: target, served)
            }
        } catch {
            // Asked again: what stands in the way may be that it was done the first time.
            let outcome =
                served.question.isRepeat
                ? ClusterOutcome.unknown("\(error.sentence); but it was asked before, and may have been done then")
                : error.outcome
            answer(served.asker, served.question.id, outcome)
        }
    }

    private mutating func begin(_ changes: [MemberChange], _ served: ClusterDesk.Served) throws(ClusterRefusal) {
        var wanted = changes
        // Consensus takes the removal of nobody for a mistake if it comes with real changes; here it was probably made before.
        if served.question.isRepeat { wanted.removeAll { raft.configuration.alreadyHas($0) } }
        guard !wanted.isEmpty else { return awaitLast(served) }
        do throws(ChangeRefused) {
            let place = try raft.change(wanted, into: &raftEffects)
            setState(served, .change(place.index, place.term))
        } catch {
            switch error {
            case .nothingToDo: awaitLast(served)
            case .notReady, .transferring: setState(served, .waiting(error.refusal(names)))
            case .unsupported where isFresh(served), .noMajority where isFresh(served):
                // Of a cluster, or a leader, that has just begun: a member may not have been heard yet, or the feature level is about to
                // be raised.
                setState(served, .waiting(error.refusal(names)))
            case .underWay where served.question.isRepeat || isFresh(served):
                // Its own, made before; or one that the leader makes by itself (a promotion, a feature level), over in a moment.
                setState(served, .waiting(error.refusal(names)))
            case .notLeader: drop(served)
            default: throw error.refusal(names)
            }
        }
        absorb()
    }

    /// Until then a request waits for what is over in a moment.
    private func isFresh(_ served: ClusterDesk.Served) -> Bool {
        now < served.begunAt.advanced(byMilliseconds: 1_000)
    }

    /// All is so already, but perhaps not yet committed. What is at or before the end of the log will be, if the last entry will.
    private mutating func awaitLast(_ served: ClusterDesk.Served) {
        setState(served, .change(raft.lastIndex, raft.term(at: raft.lastIndex) ?? raft.term))
    }

    private mutating func reviewChange(_ served: ClusterDesk.Served, _ index: LogIndex, _ term: Term) {
        guard raft.commit >= index else {
            // The next leader is asked again by whoever asked; this one's memory of it is of no use then.
            if raft.role != .leader, served.deadline <= now { drop(served) }
            return
        }
        // Lost to another leader's entries, or compacted away before anyone looked.
        guard raft.term(at: index) == term else { return drop(served) }
        let committed = raft.snapshotMetadata(at: raft.commit)
        guard !committed.configuration.isJoint else { return }
        answer(served.asker, served.question.id, .changed(committed.configurationIndex))
    }

    private mutating func beginTransfer(to target: NodeID?, _ served: ClusterDesk.Served) throws(ClusterRefusal) {
        let term = raft.term
        if target == id, served.asker != id, raft.renewTerm(into: &raftEffects) {
            setState(served, .transfer(to: id, term))
            return absorb()
        }
        // To this server itself; or asked again, of the one that it went to.
        if target == id || target == nil && served.question.isRepeat && raft.term > served.question.term {
            return answer(served.asker, served.question.id, .transferred(to: id, raft.term))
        }
        do throws(TransferRefused) {
            let chosen = try raft.transfer(to: target, into: &raftEffects)
            setState(served, .transfer(to: chosen, raft.term))
            transfersBegun += 1
            effects.notices.append(.transferring(to: chosen))
        } catch {
            switch error {
            case .notLeader: drop(served)
            case .underWay(let other) where target == nil || target == other:
                setState(served, .transfer(to: other, raft.term))
            default: throw error.refusal(names)
            }
        }
        absorb()
    }

    private mutating func reviewTransfer(_ served: ClusterDesk.Served, to target: NodeID, begunIn term: Term) {
        if let leader = raft.leader, raft.term > term {
            guard case .transfer(let wanted) = served.question.request, wanted != nil, wanted != leader else {
                return answer(served.asker, served.question.id, .transferred(to: leader, raft.term))
            }
            let refusal = ClusterRefusal.otherLeader(names(leader), raft.term, insteadOf: names(wanted))
            answer(served.asker, served.question.id, refusal.outcome)
        } else if served.deadline <= now {
            // Whoever asked gives up by itself.
            drop(served)
        }
    }

    // MARK: - A repaired server

    /// A member whose log was damaged votes again once a leader of a later term has committed something here. Under a leader that stays
    /// none comes, and the next server that fails could be one too many. So when it has everything again it asks for another leader, now and
    /// then, until it votes.
    mutating func askForMending() {
        guard !raft.mayVote, !settings.mutations.contains(.repairedStaysMute), let leader = raft.leader, leader != id,
            raft.configuration[id] != nil, (peers.featureLevel(of: leader) ?? 0) >= Replica.clusterRequestLevel
        else { return mendingDue = nil }
        let others = peers.all(at: now).filter { $0.silentMilliseconds < settings.mendingMilliseconds }
        let isComplete = others.contains { $0.id == leader && $0.status.commit <= appliedIndex }
        guard isComplete, let due = mendingDue else { return mendingDue = mendingDue ?? nextMending() }
        guard now >= due else { return }
        mendingDue = nextMending()
        // In turn: one of them may be repaired as well, and will not take over. The only voter takes over from itself.
        let voters = raft.configuration.voters.filter { $0 != id }
        let heirs = others.map(\.id).filter { voters.contains($0) && ($0 != leader || voters == [leader]) }
        guard let heir = heirs.first(where: { $0 > mendingHeir ?? NodeID(0) }) ?? heirs.first else { return }
        mendingHeir = heir
        let question = ClusterQuestion(
            id: desk.nextID(), isRepeat: false, term: raft.term, request: .transfer(to: heir))
        effects.send(.clusterQuestion(question), to: leader)
        effects.notices.append(.asksForLeader(heir))
    }

    /// A transfer that nobody obeys takes an election timeout. Several who ask must neither fill all the time with those, nor meet in the same
    /// order again and again.
    private mutating func nextMending() -> MonotonicTime {
        let pause = max(settings.mendingMilliseconds, 2 * raft.leastElectionTimeout)
        return now.advanced(byMilliseconds: random.next(in: pause..<2 * pause))
    }

    /// Consensus gave a transfer up and leads on.
    mutating func transferFailed(_ target: NodeID) {
        transfersFailed += 1
        effects.notices.append(.transferFailed(to: target))
        for served in desk.served {
            guard case .transfer(target, _) = served.state else { continue }
            let refusal = ClusterRefusal.transferFailed(names(target), leader: names(id))
            answer(served.asker, served.question.id, refusal.outcome)
        }
    }
}

extension Configuration {
    /// The change would change nothing: it was made already.
    fileprivate func alreadyHas(_ change: MemberChange) -> Bool {
        switch change {
        case .add(let member):
            guard var own = self[member.id] else { return false }
            // It may have been promoted since.
            own.role = member.role
            own.promoteWhenCaughtUp = member.promoteWhenCaughtUp
            return own == member
        case .remove(let id): return self[id] == nil
        case .setRole(let id, let role): return self[id]?.role == role
        case .setPromoteWhenCaughtUp(let id, let promotes): return self[id]?.promoteWhenCaughtUp == promotes
        case .setAddresses(let id, let peer, let client, let http):
            return self[id].map { ($0.peerAddress, $0.clientAddress, $0.httpAddress) == (peer, client, http) } ?? false
        case .setNextKey(let id, let key): return self[id].map { $0.nextPublicKey == key } ?? false
        case .adoptNextKey(let id): return self[id].map { $0.nextPublicKey == nil } ?? false
        }
    }
}
