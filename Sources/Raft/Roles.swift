/// Changes of role, and of what the disk has to know of them.
extension Node {
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
            leaderIsUnreachable = false
            answeredRound = 0
            announced = .zero
            failForwardedReads(into: &effects)
        }
        if wasLeader {
            failLeaderReads(into: &effects)
            progress.removeAll()
            uncommittedBytes = 0
            transfer = nil
            unwilling = []
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
