extension Node {
    /// What must hold after every step, whatever happened; for the simulator and for tests. It looks through the whole
    /// log: not for production.
    /// - Returns: a sentence for each violation; empty if all is well.
    public func checkInvariants() -> [String] {
        var violations: [String] = []
        func check(_ holds: Bool, _ sentence: @autoclosure () -> String) {
            if !holds { violations.append(sentence()) }
        }
        check(durability.durable <= log.last, "durable \(durability.durable) is beyond the last entry \(log.last)")
        check(commit <= log.last, "commit \(commit) is beyond the last entry \(log.last)")
        check(handedOut == commit, "handed out to \(handedOut), but committed to \(commit)")
        check(log.base <= commit, "the log begins behind \(log.base), which is beyond commit \(commit)")
        check(snapshotIndex >= log.base, "compacted to \(log.base), but the snapshot has only \(snapshotIndex)")
        check(log.lastTerm <= term, "an entry of term \(log.lastTerm) is in the log in term \(term)")
        check(durability.stored <= durability.issued, "a write is stored that was not issued")
        check(hardStateWrite <= durability.issued, "the hard state waits for a write that was not issued")
        check(log.term(at: commit) != nil, "the term at commit \(commit) is unknown")
        checkLog(check)
        checkMembers(check)
        for message in durability.heldMessages {
            check(message.term == term || message.isPreVoteRequest, "a message of term \(message.term) is held")
            if case .appendResponse(let response) = message.body, case .accepted(let match) = response.result {
                check(match <= log.last, "an acknowledgement of \(match) is held, but the log ends at \(log.last)")
            }
        }
        if role == .leader { checkLeadership(check) } else { checkNoLeadership(check) }
        return violations
    }

    private func checkLog(_ check: (Bool, @autoclosure () -> String) -> Void) {
        var previous = log.base
        var previousTerm = log.baseTerm
        while let entry = log.entry(at: previous.next) {
            check(entry.index == previous.next, "entry \(entry.index) stands behind \(previous)")
            check(entry.term >= previousTerm, "term \(entry.term) follows term \(previousTerm) at \(entry.index)")
            previous = entry.index
            previousTerm = entry.term
        }
        let placed = log.configurations
        check(zip(placed, placed.dropFirst()).allSatisfy { $0.index < $1.index }, "configurations are out of order")
        check((placed.last?.index ?? .zero) <= log.last, "a configuration is beyond the log")
    }

    /// Dissertation 4.1, 4.3. A mutation that breaks one of these by design is to be found by the harm it does.
    private func checkMembers(_ check: (Bool, @autoclosure () -> String) -> Void) {
        if settings.mutations.isDisjoint(with: [
            .staleVoters, .configurationInForceWhenCommitted, .jointCountsNewVotersOnly, .learnersCount,
        ]) {
            check(voters == VoterSets(configuration), "the voters are not those of the latest configuration")
        }
        let placed = log.configurations
        // One change at a time. On a follower several may be uncommitted, as far as it knows; a leader appends one
        // only when it knows the one before to be committed, so from where it commits in its own term on there is one
        // at most.
        if settings.mutations.isDisjoint(with: [.changesOverlap, .oneStepChanges, .compactionLosesMembers]) {
            for (before, after) in zip(placed, placed.dropFirst()) {
                // Recovery from the loss of a majority leaves one of the members alone, by an operator's word.
                let own = after.configuration.members
                if own.count == 1, before.configuration[own[0].id] != nil { continue }
                let flaw = after.configuration.flawBehind(before.configuration)
                check(flaw == nil, "the configuration at \(after.index): \(flaw ?? "")")
            }
            let uncommitted = placed.count { $0.index > commit }
            check(!leaderIsCurrent || uncommitted <= 1, "\(uncommitted) configurations are under way")
        }
        for item in placed where item.index > .zero {
            let flaw = item.configuration.flaw
            check(flaw == nil, "the configuration at \(item.index): \(flaw ?? "")")
        }
        let departing = membership.departing
        check(
            zip(departing, departing.dropFirst()).allSatisfy { $0.member.id < $1.member.id }, "departing out of order")
        check(
            departing.allSatisfy { configuration[$0.member.id] == nil && $0.index <= log.last && $0.member.id != id },
            "a member departs and is a member")
        check(!membership.isRemoved || newestCommitted.configuration[id] == nil, "removed, and still a member")
        check((membership.learnt?.index ?? LogIndex(.max)) > log.configuration(at: commit).index, "learnt nothing new")
        guard role == .leader else { return }
        let expected = (configuration.members.map(\.id) + departing.map(\.member.id)).filter { $0 != id }.sorted()
        check(progress.map(\.id) == expected, "the leader's progress is of \(progress.map(\.id)), not of \(expected)")
        check(membership.isDue || isSettled, "a change is under way and nobody looks after it")
    }

    private func checkLeadership(_ check: (Bool, @autoclosure () -> String) -> Void) {
        check(leader == id, "a leader that follows another")
        check(hardState.vote == id, "a leader that has not voted for itself")
        check(damage == nil || settings.mutations.contains(.damagedVotes), "a leader with a damaged log")
        check(uncommittedBytes >= 0, "negative uncommitted bytes")
        for peer in progress {
            check(peer.match < peer.next, "peer \(peer.id): match \(peer.match) is not before next \(peer.next)")
            check(peer.match <= log.last, "peer \(peer.id): match \(peer.match) is beyond the log")
            check(peer.next <= log.last.next, "peer \(peer.id): next \(peer.next) is beyond the log")
            let limit = settings.maximumInflightRequests
            check(peer.inflightRequests <= limit, "peer \(peer.id): too many requests in flight")
            check(peer.inflightBytes >= 0, "peer \(peer.id): negative bytes in flight")
            check(peer.readRound <= leaderReads.round, "peer \(peer.id) answered a round that was not asked")
        }
    }

    private func checkNoLeadership(_ check: (Bool, @autoclosure () -> String) -> Void) {
        check(leader != id, "a \(role.rawValue) that leads")
        check(
            progress.isEmpty && uncommittedBytes == 0 && transfer == nil,
            "a \(role.rawValue) with what only leaders have")
        check(leaderReads.out.isEmpty && leaderReads.waiting.isEmpty, "a \(role.rawValue) with a leader's reads")
        check(role == .follower || leader == nil, "a \(role.rawValue) with a leader")
        check(
            leader != nil || (followerReads.out.isEmpty && followerReads.waiting.isEmpty),
            "reads wait without a leader to ask")
    }
}

extension Message {
    fileprivate var isPreVoteRequest: Bool {
        if case .preVoteRequest = body { true } else { false }
    }
}

extension Configuration {
    /// What is wrong with this one right behind `before`.
    fileprivate func flawBehind(_ before: Configuration) -> String? {
        if before.members.isEmpty { return nil }  // a server that joined does not have the first one
        if featureLevel < before.featureLevel { return "a lower feature level" }
        if before.isJoint {
            return !isJoint && voters == before.voters ? nil : "not what the joint one before leads to"
        }
        if isJoint { return outgoingVoters == before.voters ? nil : "it is joint with others than the voters before" }
        return voters == before.voters ? nil : "other voters without a joint one between"
    }
}
