/// Linearizable reads without writing to the log (dissertation 6.4): the leader notes its commit index, makes sure by
/// a round of requests that it is still the leader, and lets the read go once that index is applied.
struct LeaderReads: Sendable {
    struct Asked: Sendable, Equatable {
        /// The follower on whose behalf; nil for this server's own.
        var origin: NodeID?
        var context: UInt64
    }

    /// The latest round; every append request carries it.
    var round: UInt64 = 0
    /// What that round confirms, and the index that these reads must have applied.
    var out: [Asked] = []
    var index = LogIndex.zero
    /// They came while a round was out. It says nothing about them: they share the next.
    var waiting: [Asked] = []
}

/// A follower asks the leader for the index (dissertation 6.4, end), for all reads at once that came before it asked.
struct FollowerReads: Sendable {
    /// Names the question that is out. Random at first, so that no answer to a former life of this server fits.
    var token: UInt64
    var out: [UInt64] = []
    var waiting: [UInt64] = []
    var failsAt = MonotonicTime.zero
    var repeatsAt = MonotonicTime.zero
}

extension Node {
    mutating func read(_ context: UInt64, into effects: inout Effects) {
        if role == .leader {
            leaderReads.waiting.append(LeaderReads.Asked(origin: nil, context: context))
            lead(into: &effects)
        } else if leader != nil {
            followerReads.waiting.append(context)
            forwardReads(into: &effects)
        } else {
            effects.failedReads.append(context)
        }
    }

    // MARK: The leader's side

    mutating func readForPeer(_ peer: NodeID, context: UInt64, into effects: inout Effects) {
        guard role == .leader else {
            send(.readIndexResponse(context: context, index: nil), to: peer, into: &effects)
            return
        }
        // A follower has one question at a time; a new one replaces the old, and a repeated one changes nothing.
        let asked = LeaderReads.Asked(origin: peer, context: context)
        guard !leaderReads.out.contains(asked) else { return }
        leaderReads.waiting.removeAll { $0.origin == peer }
        leaderReads.waiting.append(asked)
        lead(into: &effects)
    }

    /// Confirms the round that is out if a majority answered it, and begins the next if reads wait for it.
    mutating func advanceReads(into effects: inout Effects) {
        while true {
            if !leaderReads.out.isEmpty {
                guard roundIsConfirmed else { return }
                confirmReads(into: &effects)
            }
            guard !leaderReads.waiting.isEmpty else { return }
            if leaseHolds {
                guard settings.mutations.contains(.leaseTrustsOldTime) else { return }  // the next tick decides
                confirmByLease(into: &effects)
                return
            }
            // Before it has committed an entry of its own term a leader may not know the latest commit (scenario 8).
            guard leaderIsCurrent || settings.mutations.contains(.readBeforeOwnTermCommit) else { return }
            swap(&leaderReads.out, &leaderReads.waiting)
            leaderReads.index = commit
            leaderReads.round += 1
            for i in progress.indices { progress[i].pushIsDue = true }
        }
    }

    /// Answers count only in the term in which they were asked for: others never get here (scenario 9).
    private var roundIsConfirmed: Bool {
        if settings.mutations.contains(.confirmReadWithoutRound) { return true }
        let missing = settings.mutations.contains(.readQuorumMinusOne) ? 1 : 0
        return voters.hasMajority(missing: missing) { voter in
            voter == id || progress.contains { $0.id == voter && $0.readRound >= leaderReads.round }
        }
    }

    private mutating func confirmReads(into effects: inout Effects) {
        confirm(leaderReads.out, at: leaderReads.index, into: &effects)
        leaderReads.out.removeAll(keepingCapacity: true)
    }

    mutating func confirm(_ reads: [LeaderReads.Asked], at index: LogIndex, into effects: inout Effects) {
        for asked in reads {
            if let origin = asked.origin {
                send(.readIndexResponse(context: asked.context, index: index), to: origin, into: &effects)
            } else {
                effects.confirmedReads.append((asked.context, index))
            }
        }
    }

    mutating func failLeaderReads(into effects: inout Effects) {
        for asked in leaderReads.out + leaderReads.waiting {
            if let origin = asked.origin {
                send(.readIndexResponse(context: asked.context, index: nil), to: origin, into: &effects)
            } else {
                effects.failedReads.append(asked.context)
            }
        }
        leaderReads = LeaderReads()
    }

    // MARK: The follower's side

    private mutating func forwardReads(into effects: inout Effects) {
        guard followerReads.out.isEmpty, !followerReads.waiting.isEmpty, let leader else { return }
        swap(&followerReads.out, &followerReads.waiting)
        followerReads.token &+= 1
        followerReads.failsAt = now.advanced(byMilliseconds: leastElectionTimeout)
        followerReads.repeatsAt = now.advanced(byMilliseconds: questionInterval)
        send(.readIndexRequest(context: followerReads.token), to: leader, into: &effects)
    }

    mutating func finishForwardedReads(
        from sender: NodeID, token: UInt64, index: LogIndex?, into effects: inout Effects
    ) {
        guard sender == leader, token == followerReads.token, !followerReads.out.isEmpty else { return }
        if let index {
            for context in followerReads.out { effects.confirmedReads.append((context, index)) }
        } else {
            effects.failedReads.append(contentsOf: followerReads.out)
        }
        followerReads.out.removeAll(keepingCapacity: true)
        forwardReads(into: &effects)
    }

    /// As often as heartbeats come; the question is not asked again before its answer can be there.
    private var questionInterval: UInt64 {
        timing.told.map { $0 / Timing.heartbeatsInTimeout } ?? settings.heartbeatMilliseconds
    }

    /// A question or its answer may be lost: it is asked again, and given up in the end.
    mutating func tickFollowerReads(into effects: inout Effects) {
        guard !followerReads.out.isEmpty, let leader else { return }
        if now >= followerReads.failsAt {
            effects.failedReads.append(contentsOf: followerReads.out)
            followerReads.out.removeAll(keepingCapacity: true)
            forwardReads(into: &effects)
        } else if now >= followerReads.repeatsAt {
            followerReads.repeatsAt = now.advanced(byMilliseconds: questionInterval)
            send(.readIndexRequest(context: followerReads.token), to: leader, into: &effects)
        }
    }

    mutating func failForwardedReads(into effects: inout Effects) {
        effects.failedReads.append(contentsOf: followerReads.out)
        effects.failedReads.append(contentsOf: followerReads.waiting)
        followerReads.out.removeAll(keepingCapacity: true)
        followerReads.waiting.removeAll(keepingCapacity: true)
    }
}
