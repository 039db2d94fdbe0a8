extension Node {
    /// An append request of the present term (Raft paper, figure 2; dissertation 3.5).
    mutating func follow(_ request: AppendRequest, from sender: NodeID, into effects: inout Effects) {
        // Two leaders in one term cannot be (election safety). Should a peer claim so, it is not believed.
        guard role != .leader, leader == nil || leader == sender else { return }
        if leader != sender || role != .follower { becomeFollower(of: term, leader: sender, into: &effects) }
        leaderContact = now
        pledge()
        learnTimeout(request.electionTimeoutMilliseconds)
        resetElectionDeadline()
        announced = max(announced, request.previousIndex + request.entries.count)
        guard agrees(at: request.previousIndex, request.previousTerm) else {
            reject(request, of: sender, into: &effects)
            return
        }
        take(request, into: &effects)
        // Only what this very leader has confirmed: behind it there may be leftovers of others.
        let match = request.previousIndex + request.entries.count
        let confirmed = settings.mutations.contains(.commitBeyondMatch) ? log.last : match
        advanceCommit(to: min(request.commit, confirmed), into: &effects)
        acknowledge(request, match: match, to: sender, into: &effects)
        considerMended()
    }

    /// What is committed agrees with every later leader (dissertation 3.6.3), also where it is compacted away here.
    private func agrees(at index: LogIndex, _ term: Term) -> Bool {
        index <= commit || log.term(at: index) == term
    }

    /// Takes what is new. What is there already stays, with all that follows it: a request may be an old one, and the
    /// log behind it newer. Only an entry of another term at the same place is a conflict, and cuts the log (scenario
    /// 4).
    private mutating func take(_ request: AppendRequest, into effects: inout Effects) {
        if settings.mutations.contains(.truncateOnOverlap), request.previousIndex < log.last {
            truncateLog(from: request.previousIndex.next, into: &effects)
        }
        for entry in request.entries where entry.index > commit {
            if let term = log.term(at: entry.index) {
                if term == entry.term { continue }
                truncateLog(from: entry.index, into: &effects)
            }
            guard entry.index == log.last.next else { return }
            appendToLog(entry, into: &effects)
        }
    }

    private mutating func acknowledge(
        _ request: AppendRequest, match confirmed: LogIndex, to sender: NodeID, into effects: inout Effects
    ) {
        func response(_ result: AppendResponse.Result) -> Message.Body {
            .appendResponse(
                AppendResponse(result: result, readRound: request.readRound, sentAt: request.sentAt))
        }
        // All that is committed agrees with the leader as well.
        let match = max(confirmed, min(commit, durability.durable))
        let newRound = request.readRound > answeredRound
        answeredRound = max(answeredRound, request.readRound)
        guard let write = durability.write(making: match), !settings.mutations.contains(.ackBeforeDurable) else {
            send(response(.accepted(match: match)), to: sender, into: &effects)
            return
        }
        // Heartbeats, and those who wait to read, need not wait for the disk.
        if request.entries.isEmpty || newRound { send(response(.alive), to: sender, into: &effects) }
        if !request.entries.isEmpty {
            send(response(.accepted(match: match)), to: sender, after: write, into: &effects)
        }
    }

    /// Says where the logs could agree at best: not behind our last entry, and nowhere where our term is later than the
    /// leader's at `previousIndex`, for the leader's terms before it are no later than that (dissertation 3.5, end).
    private mutating func reject(_ request: AppendRequest, of sender: NodeID, into effects: inout Effects) {
        let before = min(request.previousIndex.previous, log.last)
        let hint = max(log.lastIndex(notAfter: before, termAtMost: request.previousTerm), commit)
        let result = AppendResponse.Result.rejected(
            previousIndex: request.previousIndex, hintIndex: hint, hintTerm: log.term(at: hint) ?? .zero)
        let response = AppendResponse(result: result, readRound: request.readRound, sentAt: request.sentAt)
        send(.appendResponse(response), to: sender, into: &effects)
    }
}
