/// Leases (dissertation 6.4.1), and the rule of votes on which they rest (4.2.3).
///
/// A server that heard a leader gives no vote to another for `leaseVoteMilliseconds`. So a leader whose requests a
/// majority has answered knows that nobody else was elected until that long after it *sent* them: any other majority
/// shares a server with this one. It counts only `leaseMilliseconds`, the shorter of the two, and needs that no
/// server's clock runs faster than another's by more than the difference. That is the only assumption about clocks in
/// all of consensus, and it is made only if `Settings.leaseReads` is set.
extension Node {
    // MARK: Votes

    /// A vote request in a later term is not heard at all, and its term not taken over: by one that heard a leader
    /// within the time of a lease, and by a leader that a majority hears (dissertation 4.2.3). If the leader itself
    /// asked for the election they hear it.
    func ignores(_ request: VoteRequest) -> Bool {
        guard !request.isTransfer, !settings.mutations.contains(.votesBreakLease) else { return false }
        return isPledged || (role == .leader && hearsMajority)
    }

    /// A leader may count on this server not to vote for another.
    var isPledged: Bool { now < pledgedUntil }

    /// A leader was heard. The time known here is that of the last tick, and may be long past if this process was
    /// stopped since; so the pledge runs from the next one.
    mutating func pledge() { pledgedUntil = Node.fromNextTick }

    mutating func tickPledge() {
        guard pledgedUntil == Node.fromNextTick else { return }
        pledgedUntil = now.advanced(byMilliseconds: settings.leaseVoteMilliseconds)
    }

    private static let fromNextTick = MonotonicTime(nanoseconds: .max)

    /// What this server pledged before a crash it has forgotten; so it takes itself for pledged. In term 0 it never
    /// heard a leader, and the only voter of all configurations that it knows had no other.
    mutating func pledgeAfterStart() {
        let isAlone = log.configurations.allSatisfy { VoterSets($0.configuration).isOnly(id) }
        guard term > .zero, !isAlone, !settings.mutations.contains(.pledgeForgottenInCrash) else { return }
        pledgedUntil = now.advanced(byMilliseconds: settings.leaseVoteMilliseconds)
    }

    // MARK: Reads

    /// Whether this is certainly the only leader, at the time of the last tick. In a joint configuration both
    /// majorities are needed, as for an election.
    var leaseHolds: Bool {
        guard settings.leaseReads, leaderIsCurrent, !leaseIsVoid else { return false }
        let length = settings.leaseMilliseconds * 1_000_000
        let fromArrival = settings.mutations.contains(.leaseFromArrival)
        return voters.hasMajority { voter in
            voter == id
                || progress.contains { peer in
                    guard peer.id == voter, peer.answeredSentAt > 0 else { return false }
                    // From when the question was sent: nobody knows when the answer left.
                    let since = fromArrival ? peer.contact : MonotonicTime(nanoseconds: peer.answeredSentAt)
                    return now.since(since) < length
                }
        }
    }

    /// Confirms the reads that wait if the lease holds now. Called with a tick only: the time known otherwise is
    /// older than the reads, and a process that was stopped in between would take its lease for valid.
    mutating func confirmByLease(into effects: inout Effects) {
        guard !leaderReads.waiting.isEmpty, leaseHolds else { return }
        confirm(leaderReads.waiting, at: commit, into: &effects)
        leaderReads.waiting.removeAll(keepingCapacity: true)
    }
}
