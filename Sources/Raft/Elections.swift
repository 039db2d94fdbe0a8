/// The questions of one pre-vote. Answers that come after they were asked again count as well, as long as they are
/// about the same term and the same log: with a link slower than the timeout no others would ever come.
struct PreVoteRound: Sendable {
    let beganAt: MonotonicTime
    let term: Term
    let lastIndex: LogIndex
    let lastTerm: Term
}

extension Node {
    mutating func electionTimeoutElapsed(into effects: inout Effects) {
        resetElectionDeadline()
        if leader != nil { become(.follower, leader: nil, into: &effects) }
        guard mayCampaign, mayGiveVote else { return askForNews(into: &effects) }
        guard !diskHangs || settings.mutations.contains(.hangingDiskStands) else { return }
        // While its last vote is still being written a further one would only make the disk later.
        guard durability.stored >= hardStateWrite else { return }
        beginPreVote(into: &effects)
    }

    /// A learner, or a damaged server, that hears no leader asks too, though it will not stand: the answer tells if
    /// the members have changed while it was away, and whether it was removed.
    private mutating func askForNews(into effects: inout Effects) {
        guard configuration[id] != nil, !isRemoved else { return }
        // As if its log were empty: nobody is to make way for one that cannot lead.
        var request = voteRequest()
        if !settings.mutations.contains(.newsAskedAsCandidate) {
            request.lastIndex = .zero
            request.lastTerm = .zero
        }
        for voter in voters.all where voter != id {
            send(.preVoteRequest(request), to: voter, term: term.next, into: &effects)
        }
    }

    /// The connection to a peer broke. If it was the leader's, and the leader does not come back at once, there is no
    /// need to wait for the election timeout; but a leader may count on its lease to the end.
    mutating func connectionLost(to peer: NodeID, into effects: inout Effects) {
        if role == .leader {
            timing.hastyUntil = now.advanced(byMilliseconds: 2 * settings.leaseVoteMilliseconds)
            nextHeartbeat = min(nextHeartbeat, now.advanced(byMilliseconds: heartbeatInterval))
        }
        guard role == .follower, leader == peer else { return }
        leaderIsUnreachable = true
        let spread = random.next(in: 0..<max(1, settings.leaseVoteMilliseconds / 3))
        let earliest = max(now, leaderContact.advanced(byMilliseconds: settings.leaseVoteMilliseconds))
        electionDeadline = min(electionDeadline, earliest.advanced(byMilliseconds: spread))
    }

    /// Anything from the leader shows that it is there.
    mutating func noteSignOfLife(from sender: NodeID, in messageTerm: Term) {
        guard leaderIsUnreachable, sender == leader, messageTerm == term else { return }
        guard !settings.mutations.contains(.leaderStaysLost) else { return }
        leaderIsUnreachable = false
        resetElectionDeadline()
    }

    // MARK: Pre-vote: would you vote for me? (dissertation 9.6)

    private func voteRequest(isTransfer: Bool = false) -> VoteRequest {
        VoteRequest(
            lastIndex: log.last, lastTerm: log.lastTerm, isTransfer: isTransfer,
            configurationIndex: newestCommitted.index, sentAt: now.nanoseconds)
    }

    private mutating func beginPreVote(into effects: inout Effects) {
        let round = PreVoteRound(beganAt: now, term: term.next, lastIndex: log.last, lastTerm: log.lastTerm)
        if goesOn(round) {
            ballots.forgetRefusals()
        } else {
            ballots = Ballots()
            preVoteRound = round
        }
        become(.preCandidate, leader: nil, into: &effects)
        for voter in voters.all where voter != id && !ballots.hasGranted(voter) {
            send(.preVoteRequest(voteRequest()), to: voter, term: term.next, into: &effects)
        }
        countPreVote(from: id, granted: true, into: &effects)
    }

    /// Whether the answers to the round that is under way count for this one too. Not for ever: whoever answered long
    /// ago may have a leader by now.
    private func goesOn(_ round: PreVoteRound) -> Bool {
        guard role == .preCandidate, let present = preVoteRound, !settings.mutations.contains(.lateAnswersAreLost)
        else { return false }
        let patience = max(2 * longestElectionTimeout, settings.adaptiveTimeoutMilliseconds?.upperBound ?? 0)
        return present.term == round.term && present.lastIndex == round.lastIndex
            && present.lastTerm == round.lastTerm && now.since(present.beganAt) < patience * 1_000_000
    }

    mutating func answerPreVote(_ message: Message, _ request: VoteRequest, into effects: inout Effects) {
        let granted = !leaderIsAlive && mayGiveVote && message.term > term && isUpToDate(request)
        if granted { yield(to: message.from, request, into: &effects) }
        // One that was away while the members changed is told who they are now.
        let response = VoteResponse(
            granted: granted, sentAt: request.sentAt,
            newerConfiguration: newerConfiguration(than: request.configurationIndex))
        send(.preVoteResponse(response), to: message.from, into: &effects)
    }

    /// Whoever hears a leader helps nobody to depose it; a leader hears itself as long as a majority hears it
    /// (dissertation 4.2.3, 9.6). A leader without one steps down, so this ends (scenario 14).
    private var leaderIsAlive: Bool {
        if role == .leader || isPledged { return true }
        guard leader != nil else { return false }
        let patience = leaderIsUnreachable ? settings.leaseVoteMilliseconds * 1_000_000 : minimumElectionTimeout
        return now.since(leaderContact) < patience
    }

    /// Of several that ask at once all but one give way: if all went on, each would vote for itself in the next term
    /// and nobody would win. Only its own question is given up, no answer is refused for it, so that nobody is kept
    /// from leading by one that cannot.
    private mutating func yield(to other: NodeID, _ request: VoteRequest, into effects: inout Effects) {
        guard role == .preCandidate, voters.contains(other),
            (request.lastTerm, request.lastIndex, other) > (log.lastTerm, log.last, id)
        else { return }
        become(.follower, leader: nil, into: &effects)
        resetElectionDeadline()
    }

    mutating func heedPreVote(_ response: VoteResponse, from voter: NodeID, into effects: inout Effects) {
        guard role == .preCandidate, let round = preVoteRound else { return }
        // An older program does not say when the question was sent: not before the first one.
        let isMeasured = known[voter].map { $0.roundTrip > 0 } ?? false
        if response.sentAt == 0, !isMeasured { measure(voter, sentAt: round.beganAt.nanoseconds) }
        guard response.sentAt == 0 || response.sentAt >= round.beganAt.nanoseconds else { return }
        countPreVote(from: voter, granted: response.granted, into: &effects)
    }

    private mutating func countPreVote(from voter: NodeID, granted: Bool, into effects: inout Effects) {
        ballots.record(voter, granted: granted)
        if ballots.isWon(by: voters) {
            resetElectionDeadline()
            beginElection(into: &effects)
        } else if ballots.isLost(by: voters) {
            become(.follower, leader: nil, into: &effects)
        }
    }

    // MARK: Votes (dissertation 3.4)

    mutating func beginElection(isTransfer: Bool = false, into effects: inout Effects) {
        durability.dropHeld()
        hardState = HardState(term: term.next, vote: id)
        writeHardState(into: &effects)
        become(.candidate, leader: nil, into: &effects)
        effects.roleChanged = true
        ballots = Ballots()
        let request = voteRequest(isTransfer: isTransfer)
        for voter in voters.all where voter != id {
            // Only the second version says that it is a transfer; whoever knows only the first needs not be told.
            if isTransfer, known[voter] == nil { send(.voteRequest(request), to: voter, format: 2, into: &effects) }
            send(.voteRequest(request), to: voter, into: &effects)
        }
        countOwnVote(into: &effects)
    }

    /// One's own vote counts like any other: when it is durable.
    mutating func countOwnVote(into effects: inout Effects) {
        guard durability.stored >= hardStateWrite else { return }
        countVote(from: id, granted: true, into: &effects)
    }

    mutating func answerVote(from candidate: NodeID, _ request: VoteRequest, into effects: inout Effects) {
        // Whether the candidate is in our configuration does not matter: ours may be the older one (dissertation
        // 4.1).
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

    /// Whoever is asked votes, also a learner: it may have been promoted and not know it yet (dissertation 4.1;
    /// scenario 15).
    var mayGiveVote: Bool {
        if settings.mutations.contains(.learnersRefuseVotes), !voters.contains(id) { return false }
        return damage == nil || settings.mutations.contains(.damagedVotes)
    }
}
