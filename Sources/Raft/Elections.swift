extension Node {
    /// The least time without a leader after which anyone may stand: within it a leader that was heard counts as alive.
    var minimumElectionTimeout: UInt64 { settings.electionTimeoutMilliseconds.lowerBound * 1_000_000 }

    /// A server alone need not wait for anyone. In a new cluster there can be no leader yet whom waiting would spare,
    /// so the first election comes early; if several stand at once, the usual timeouts part them.
    mutating func firstElectionTimeout() -> UInt64 {
        if voters.isOnly(id) { return 0 }
        let usual = settings.electionTimeoutMilliseconds
        guard term == .zero, log.last == .zero else { return random.next(in: usual) }
        return random.next(in: usual.lowerBound / 10..<max(usual.lowerBound / 2, usual.lowerBound / 10))
    }

    /// Randomised, so that votes are seldom split (dissertation 3.4).
    mutating func resetElectionDeadline() {
        electionDeadline = now.advanced(byMilliseconds: random.next(in: settings.electionTimeoutMilliseconds))
    }

    /// A server whose disk hangs could not make its vote durable, nor lead.
    var diskHangs: Bool {
        durability.oldestAge(at: now) >= settings.electionTimeoutMilliseconds.upperBound * 1_000_000
    }

    mutating func connectionLost(to peer: NodeID, into effects: inout Effects) {}

    mutating func electionTimeoutElapsed(into effects: inout Effects) {
        resetElectionDeadline()
        if leader != nil { become(.follower, leader: nil, into: &effects) }
        // While its last vote is still being written a further one would only make the disk later.
        guard mayCampaign, mayGiveVote, !diskHangs, durability.stored >= hardStateWrite else { return }
        beginPreVote(into: &effects)
    }

    // MARK: Pre-vote: would you vote for me? (dissertation 9.6)

    private func voteRequest(isTransfer: Bool = false) -> VoteRequest {
        VoteRequest(
            lastIndex: log.last, lastTerm: log.lastTerm, isTransfer: isTransfer,
            configurationIndex: newestCommitted.index, sentAt: now.nanoseconds)
    }

    private mutating func beginPreVote(into effects: inout Effects) {
        become(.preCandidate, leader: nil, into: &effects)
        ballots = Ballots()
        for voter in voters.all where voter != id {
            send(.preVoteRequest(voteRequest()), to: voter, term: term.next, into: &effects)
        }
        countPreVote(from: id, granted: true, into: &effects)
    }

    mutating func answerPreVote(_ message: Message, _ request: VoteRequest, into effects: inout Effects) {
        // Whoever hears a leader helps nobody to depose it; a leader hears itself as long as a majority hears it
        // (dissertation 4.2.3, 9.6). A leader without one steps down, so this ends (scenario 14).
        let leaderIsAlive =
            role == .leader || (leader != nil && now.since(leaderContact) < minimumElectionTimeout)
        let granted =
            !leaderIsAlive && mayGiveVote && message.term > term && isUpToDate(request)
        send(
            .preVoteResponse(
                VoteResponse(
                    granted: granted, sentAt: request.sentAt,
                    newerConfiguration: newerConfiguration(than: request.configurationIndex))),
            to: message.from, into: &effects)
    }

    mutating func countPreVote(from voter: NodeID, granted: Bool, into effects: inout Effects) {
        guard role == .preCandidate else { return }
        ballots.record(voter, granted: granted)
        if ballots.isWon(by: voters) {
            beginElection(into: &effects)
        } else if ballots.isLost(by: voters) {
            become(.follower, leader: nil, into: &effects)
        }
    }

    // MARK: Votes (dissertation 3.4)

    private mutating func beginElection(into effects: inout Effects) {
        durability.dropHeld()
        hardState = HardState(term: term.next, vote: id)
        writeHardState(into: &effects)
        become(.candidate, leader: nil, into: &effects)
        effects.roleChanged = true
        ballots = Ballots()
        for voter in voters.all where voter != id {
            send(.voteRequest(voteRequest()), to: voter, into: &effects)
        }
        countOwnVote(into: &effects)
    }

    /// One's own vote counts like any other: when it is durable.
    mutating func countOwnVote(into effects: inout Effects) {
        guard durability.stored >= hardStateWrite else { return }
        countVote(from: id, granted: true, into: &effects)
    }

    mutating func answerVote(from candidate: NodeID, _ request: VoteRequest, into effects: inout Effects) {
        // Whether the candidate is in our configuration does not matter: ours may be the older one (dissertation 4.1).
        let free = hardState.vote == nil || hardState.vote == candidate || settings.mutations.contains(.voteTwice)
        let granted = free && mayGiveVote && role != .leader && isUpToDate(request)
        if granted {
            resetElectionDeadline()
            if hardState.vote != candidate {
                hardState.vote = candidate
                writeHardState(into: &effects)
            }
        }
        send(
            .voteResponse(VoteResponse(granted: granted, sentAt: request.sentAt)), to: candidate, into: &effects)
    }

    mutating func countVote(from voter: NodeID, granted: Bool, into effects: inout Effects) {
        guard role == .candidate else { return }
        ballots.record(voter, granted: granted)
        if ballots.isWon(by: voters) {
            becomeLeader(into: &effects)
        } else if ballots.isLost(by: voters) {
            becomeFollower(of: term, leader: nil, into: &effects)
        }
    }

    /// Dissertation 3.6.1: the later last term wins, and with equal terms the longer log. Never the length first
    /// (scenario 10).
    private func isUpToDate(_ request: VoteRequest) -> Bool {
        if settings.mutations.contains(.logComparedByLengthFirst), request.lastIndex != log.last {
            return request.lastIndex > log.last
        }
        return (request.lastTerm, request.lastIndex) >= (log.lastTerm, log.last)
    }

    private var mayGiveVote: Bool {
        (damage == nil || settings.mutations.contains(.damagedVotes))
            && (voters.contains(id) || !settings.mutations.contains(.learnersRefuseVotes))
    }

    // MARK: Changes of role

    /// Follows in `newTerm`, which is at least the present one.
    mutating func becomeFollower(of newTerm: Term, leader newLeader: NodeID?, into effects: inout Effects) {
        if newTerm > term {
            durability.dropHeld()  // what was to be said in the old term is void
            hardState = HardState(term: newTerm, vote: nil)
            effects.roleChanged = true
            writeHardState(into: &effects)  // first: whatever is sent from here on says the new term
            become(.follower, leader: newLeader, into: &effects)
        } else {
            become(.follower, leader: newLeader, into: &effects)
        }
    }

    mutating func become(_ newRole: Role, leader newLeader: NodeID?, into effects: inout Effects) {
        guard newRole != role || newLeader != leader else { return }
        effects.roleChanged = true
        let wasLeader = role == .leader
        if role == .candidate, newRole != .leader { durability.dropHeldVoteRequests() }
        role = newRole
        if newLeader != leader {
            leader = newLeader
            answeredRound = 0
            failForwardedReads(into: &effects)
        }
        if wasLeader {
            failLeaderReads(into: &effects)
            progress.removeAll()
            uncommittedBytes = 0
            resetElectionDeadline()
        }
    }

    mutating func writeHardState(into effects: inout Effects) {
        openWrite(into: &effects)
        var written = hardState
        if settings.mutations.contains(.voteNotSaved) { written.vote = nil }
        if settings.mutations.contains(.termNotSaved), hardState.vote == nil { return }
        effects.write?.hardState = written
        if !settings.mutations.contains(.voteBeforeDurable) { hardStateWrite = durability.issued }
    }
}
