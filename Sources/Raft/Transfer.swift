/// Handing over leadership (dissertation 3.10): the leader takes no more proposals, brings the other one up to date
/// and tells it to stand for election at once.
struct Transfer: Sendable {
    let target: NodeID
    /// Given up then.
    let endsAt: MonotonicTime
    /// When the target is to be told again; nil before it was told, because it is not up to date.
    var toldAgainAt: MonotonicTime?
}

extension Node {
    /// Begins to hand over leadership. Until it has come about, or is given up after an election timeout
    /// (`Effects.transferFailed`), proposals are refused.
    /// - Parameter target: nil chooses the voter that is furthest, of those heard lately; one that did not take over before comes last. This server itself: nothing
    /// is done.
    /// - Returns: to whom.
    @discardableResult
    public mutating func transfer(
        to target: NodeID?, into effects: inout Effects
    ) throws(TransferRefused) -> NodeID {
        guard role == .leader else { throw .notLeader(known: leader) }
        if let transfer { throw .underWay(to: transfer.target) }
        if target == id { return id }
        let chosen: NodeID
        if let target { chosen = target } else { chosen = try bestSuccessor() }
        guard let member = configuration[chosen] else { throw .unknownMember(chosen) }
        guard member.role == .voter else { throw .notVoter(chosen) }
        if known[chosen] != nil, !understandsTransfer(chosen) { throw .unsupported(by: chosen) }
        transfer = Transfer(target: chosen, endsAt: now.advanced(byMilliseconds: leastElectionTimeout))
        for i in progress.indices where progress[i].id == chosen { progress[i].pushIsDue = true }
        lead(into: &effects)
        return chosen
    }

    /// The only voter leads on in a later term, for which nobody else is asked: what a member needs whose log was damaged.
    /// - Returns: false if it is not the only one, or does not lead.
    public mutating func renewTerm(into effects: inout Effects) -> Bool {
        guard role == .leader, voters.isOnly(id), mayGiveVote else { return false }
        becomeFollower(of: term, leader: nil, into: &effects)
        beginElection(into: &effects)
        return true
    }

    /// To whom leadership is being handed.
    var transferee: NodeID? { transfer?.target }

    private func bestSuccessor() throws(TransferRefused) -> NodeID {
        var best: (id: NodeID, rank: (Int, LogIndex))?
        for peer in progress where isHeard(peer) {
            guard configuration[peer.id]?.role == .voter, understandsTransfer(peer.id) else { continue }
            let rank = (unwilling.contains(peer.id) ? 0 : 1, peer.match)
            if best.map({ rank > $0.rank }) ?? true { best = (peer.id, rank) }
        }
        guard let best else { throw .nobodyElse }
        return best.id
    }

    private func understandsTransfer(_ peer: NodeID) -> Bool { (known[peer]?.featureLevel ?? 0) >= 2 }

    /// At the end of every step of the leader: tells the target as soon as it has everything, durably.
    mutating func advanceTransfer(into effects: inout Effects) {
        guard let transfer, progress.contains(where: { $0.id == transfer.target && $0.match == log.last }) else {
            return
        }
        if let again = transfer.toldAgainAt, now < again { return }
        let again = now.advanced(byMilliseconds: heartbeatInterval)
        self.transfer?.toldAgainAt = again
        // From here on another may be elected although a majority has just heard this leader; and the word may arrive
        // late. So there is no lease any more in this term (dissertation 6.4.1; scenario 31).
        if !settings.mutations.contains(.leaseSurvivesTransfer) { leaseIsVoid = true }
        send(.timeoutNow, to: transfer.target, into: &effects)
    }

    /// The target may be dead, or be no voter any more.
    mutating func tickTransfer(into effects: inout Effects) {
        guard let transfer, !settings.mutations.contains(.transferNeverGivenUp) else { return }
        guard now >= transfer.endsAt || configuration[transfer.target]?.role != .voter else { return }
        self.transfer = nil
        if !unwilling.contains(transfer.target) { unwilling.append(transfer.target) }
        effects.transferFailed = transfer.target
    }

    /// The leader says: stand now. Only the present leader of the present term may, for only its own lease is void;
    /// and only to one that can lead. Whoever knows that it lacks entries would not be elected, and would only
    /// disturb.
    mutating func beginTransferredElection(askedBy sender: NodeID, into effects: inout Effects) {
        if !settings.mutations.contains(.anyoneHandsOver) {
            guard role == .follower, leader == sender, configuration[id]?.role == .voter else { return }
            guard log.last >= announced else { return }
        }
        guard role != .leader, mayGiveVote, !isRemoved, !diskHangs else { return }
        resetElectionDeadline()
        beginElection(isTransfer: true, into: &effects)
    }
}
