/// What a leader does about members without being asked, whoever began it: so nothing is left half done when
/// leadership changes.
extension Node {
    /// Called by `lead` while `membership.isDue`.
    mutating func lookAfterMembers(into effects: inout Effects) {
        tellDeparting(into: &effects)
        let limit = minimumElectionTimeout
        for i in progress.indices where progress[i].catchUp != nil {
            let match = progress[i].match
            progress[i].catchUp?.advance(match: match, last: log.last, now: now, limit: limit)
        }
        takeNextStep(into: &effects)
        guard role == .leader else { return }
        membership.isDue =
            !isSettled || !membership.departing.isEmpty || !configuration.voters.contains(id)
            || configuration.featureLevel < settings.supportedFeatureLevel
            || progress.contains { $0.catchUp != nil }
    }

    /// At most one entry at a time, and none while leadership is being handed over or before it is known what is
    /// committed.
    private mutating func takeNextStep(into effects: inout Effects) {
        let latest = log.latestConfiguration
        guard leaderIsCurrent, transferee == nil, latest.index <= commit else { return }
        if latest.configuration.isJoint {
            leaveJoint(latest, into: &effects)
        } else if latest.configuration[id]?.role != .voter {
            resign(into: &effects)
        } else if let level = levelOfAll, level > latest.configuration.featureLevel {
            var next = latest.configuration
            next.featureLevel = level
            appendSound(next, into: &effects)
        } else {
            promote(into: &effects)
        }
    }

    /// Dissertation 4.3: once the joint configuration is committed, neither the old voters nor the new can decide
    /// alone against it, and the leader, be it the one that began or a later one (scenario 18), appends the final one.
    private mutating func leaveJoint(_ joint: PlacedConfiguration, into effects: inout Effects) {
        if settings.mutations.contains(.onlyBeginnerLeaves), membership.begunHere != joint.index { return }
        appendSound(joint.configuration.withoutOutgoing, into: &effects)
    }

    /// A leader that is no voter any more has managed the change without counting itself; now that the configuration
    /// without it is committed it steps down (dissertation 4.2.2). It says to all that it is committed, and to the one
    /// voter that is furthest that it may stand at once, so that nobody has to wait for an election timeout.
    private mutating func resign(into effects: inout Effects) {
        guard !settings.mutations.contains(.removedLeadsOn) else { return }
        for i in progress.indices {
            progress[i].pushIsDue = true
            sendWhatIsDue(to: i, into: &effects)
        }
        let heirs = progress.filter { configuration[$0.id]?.role == .voter && isHeard($0) }
        if let heir = heirs.max(by: { ($0.match, $1.id) < ($1.match, $0.id) }), heir.match >= commit {
            send(.timeoutNow, to: heir.id, into: &effects)
        }
        becomeFollower(of: term, leader: nil, into: &effects)
    }

    /// What every member has said in this leadership that it supports, and this server too; nil while one has not been
    /// heard.
    private var levelOfAll: UInt32? {
        var level = settings.supportedFeatureLevel
        for member in configuration.members where member.id != id {
            guard let said = progress.first(where: { $0.id == member.id })?.featureLevel, said > 0 else {
                guard settings.mutations.contains(.levelRaisedUnheard) else { return nil }
                continue
            }
            level = min(level, said)
        }
        return level
    }

    /// All the learners that have caught up by now become voters, in one change.
    private mutating func promote(into effects: inout Effects) {
        let caughtUp = progress.filter { peer in
            guard let catchUp = peer.catchUp else { return false }
            if settings.mutations.contains(.promotedBehind) { return true }
            return catchUp.isCaughtUp && isHeard(peer) && peer.featureLevel >= configuration.featureLevel
        }
        guard !caughtUp.isEmpty, configuration.featureLevel >= Configuration.jointFeatureLevel,
            membersNotUnderstandingJoint.isEmpty
        else { return }
        var target = configuration
        var room = Configuration.maximumVoters - target.voters.count
        for i in target.members.indices where room > 0 && caughtUp.contains(where: { $0.id == target.members[i].id }) {
            target.members[i].role = .voter
            target.members[i].promoteWhenCaughtUp = false
            room -= 1
        }
        guard target != configuration else { return }
        membership.begunHere = log.last.next
        appendSound(configuration.step(towards: target), into: &effects)
    }

    /// A first configuration that nobody checked may be one that followers would refuse; then nothing is made of it.
    private mutating func appendSound(_ next: Configuration, into effects: inout Effects) {
        guard next.isSound else { return }
        _ = appendConfiguration(next, into: &effects)
    }

    /// A removed member is told before it is cut off: it is sent the log on until it has acknowledged the
    /// configuration without it, in answer to a request that was sent after that was committed and so said it; or for
    /// `departureMilliseconds`.
    private mutating func tellDeparting(into effects: inout Effects) {
        guard !membership.departing.isEmpty else { return }
        dropDeparting(into: &effects) { departing, peer in
            guard let committedAt = departing.committedAt, let peer else { return false }
            return peer.match >= departing.index && peer.acceptedSentAt > committedAt.nanoseconds
        }
    }
}
