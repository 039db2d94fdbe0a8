/// What a server knows of the members beside the configurations in its log. Forgotten in a crash.
struct Membership: Sendable {
    /// A member that the latest configuration has no more, and that may not know it yet.
    struct Departing: Sendable, Equatable {
        var member: Member
        /// Of the configuration that has it no more.
        var index: LogIndex
        /// When that was known here to be committed.
        var committedAt: MonotonicTime?
    }

    /// In ascending order of id.
    var departing: [Departing] = []
    /// A committed configuration that a peer told of, newer than any committed one in the log. Nobody is counted by
    /// it, but with it a server that was away knows whom to reach, and whether it is still a member.
    var learnt: PlacedConfiguration?
    /// Of the newest committed configuration that has this server.
    var memberAt: LogIndex?
    var isRemoved = false

    // Leadership.

    /// The leader may have something to do about members by itself. What `lead` asks in every step.
    var isDue = false
    /// Where the joint configuration stands that this very leader began. Only a mutation asks.
    var begunHere: LogIndex?

    /// How long a member that was removed is kept, from when its removal is committed, if it does not answer before:
    /// as long as a server is restarted in. After that it is on its own; what it asks others in vain changes nothing.
    static let departureMilliseconds: UInt64 = 30_000
}

// MARK: - What others may know

extension Node {
    /// Whom this server may have to talk to: the members of its latest configuration, those of a newer one that it was
    /// told of, and those that are leaving and have not been told yet. In ascending order of id. Each with its newest
    /// known record.
    public var reachableMembers: [Member] {
        var result = configuration.members
        func add(_ member: Member, replaces: Bool) {
            if let i = result.firstIndex(where: { $0.id == member.id }) {
                if replaces { result[i] = member }
            } else {
                result.append(member)
            }
        }
        if let learnt = membership.learnt {
            let isNewer = learnt.index > log.latestConfiguration.index
            for member in learnt.configuration.members { add(member, replaces: isNewer) }
        }
        for departing in membership.departing { add(departing.member, replaces: false) }
        return result.sorted { $0.id < $1.id }
    }

    /// This server was a member, and a later committed configuration has it no more. It may be stopped for good;
    /// should it come back it has to be initialised anew, with another id. Never true of a server that has yet to
    /// join.
    public var isRemoved: Bool { membership.isRemoved }
}

// MARK: - When the configuration changes

extension Node {
    /// A configuration is in force as soon as it is in the log (dissertation 4.1); and one that is cut off the log was
    /// never in force.
    /// - Parameter old: what was the latest before.
    mutating func configurationChanged(from old: PlacedConfiguration, into effects: inout Effects) {
        effects.membersChanged = true
        let latest = log.latestConfiguration
        updateVoters()
        if latest.index > old.index, !settings.mutations.contains(.departingNotTold) {
            for member in old.configuration.members where member.id != id && latest.configuration[member.id] == nil {
                membership.departing.removeAll { $0.member.id == member.id }
                membership.departing.append(Membership.Departing(member: member, index: latest.index))
            }
        }
        membership.departing.removeAll { latest.configuration[$0.member.id] != nil || $0.index > latest.index }
        if membership.departing.count > Configuration.maximumMembers {
            membership.departing.removeFirst(membership.departing.count - Configuration.maximumMembers)
        }
        membership.departing.sort { $0.member.id < $1.member.id }
        guard role == .leader else { return }
        membership.isDue = true
        updateProgress()
    }

    /// Everyone to whom the leader replicates has a `Progress`, in ascending order of id.
    mutating func updateProgress() {
        let members = configuration.members
        let departing = membership.departing.map(\.member)
        progress.removeAll { peer in
            !members.contains { $0.id == peer.id } && !departing.contains { $0.id == peer.id }
        }
        for member in members + departing
        where member.id != id && !progress.contains(where: { $0.id == member.id }) {
            var peer = Progress(id: member.id, next: log.last.next, now: now)
            peer.pushIsDue = true  // the answer says where it stands
            progress.append(peer)
        }
        progress.sort { $0.id < $1.id }
        for i in progress.indices {
            let isAwaited = members.contains {
                $0.id == progress[i].id && $0.role == .learner && $0.promoteWhenCaughtUp
            }
            if !isAwaited {
                progress[i].catchUp = nil
            } else if progress[i].catchUp == nil {
                progress[i].catchUp = CatchUp(last: log.last, now: now)
            }
        }
    }

    mutating func updateVoters() {
        if settings.mutations.contains(.staleVoters), role == .leader { return }
        let inForce: Configuration
        if settings.mutations.contains(.configurationInForceWhenCommitted) {
            inForce = log.configuration(at: commit).configuration
        } else {
            inForce = configuration
        }
        voters = VoterSets(inForce)
        if settings.mutations.contains(.jointCountsNewVotersOnly) { voters = VoterSets([inForce.voters]) }
        if settings.mutations.contains(.learnersCount) {
            voters = VoterSets([inForce.members.filter { $0.role != .leaving }.map(\.id)])
        }
    }

    /// The commit index passed a configuration, or a snapshot brought one.
    mutating func configurationCommitted(into effects: inout Effects) {
        for i in membership.departing.indices where membership.departing[i].index <= commit {
            membership.departing[i].committedAt = membership.departing[i].committedAt ?? now
        }
        if settings.mutations.contains(.configurationInForceWhenCommitted) { updateVoters() }
        membership.isDue = true
        if let learnt = membership.learnt, learnt.index <= log.configuration(at: commit).index {
            membership.learnt = nil
            effects.membersChanged = true
        }
        updateRemoved(into: &effects)
    }

    mutating func updateRemoved(into effects: inout Effects) {
        for placed in log.configurations where placed.index <= commit { noteMembership(placed) }
        if let learnt = membership.learnt { noteMembership(learnt) }
        let newest = newestCommitted
        let isRemoved = membership.memberAt.map { newest.index > $0 } ?? false
        guard isRemoved != membership.isRemoved else { return }
        membership.isRemoved = isRemoved
        effects.membersChanged = true
    }

    private mutating func noteMembership(_ placed: PlacedConfiguration) {
        guard placed.configuration[id] != nil else { return }
        membership.memberAt = max(membership.memberAt ?? .zero, placed.index)
    }
}

// MARK: - Telling and being told

extension Node {
    /// The newest configuration that is certainly committed, in this server's log or not.
    var newestCommitted: PlacedConfiguration { membership.learnt ?? log.configuration(at: commit) }

    /// For a server whose newest committed configuration stands at `index`.
    func newerConfiguration(than index: LogIndex) -> PlacedConfiguration? {
        let newest = newestCommitted
        return newest.index > index ? newest : nil
    }

    /// A peer says that this configuration is committed. Within the cluster that is believed (the connection is
    /// authenticated); it is used to reach others and to know of one's removal, never to count votes: for that only
    /// the log is good enough.
    mutating func learn(_ placed: PlacedConfiguration, into effects: inout Effects) {
        guard placed.index > newestCommitted.index, placed.index.rawValue < Message.limit, placed.configuration.isSound
        else { return }
        membership.learnt = placed
        effects.membersChanged = true
        updateRemoved(into: &effects)
    }

    /// Only a voter stands for election, and only while it does not know that it was removed: it could only disturb
    /// (dissertation 4.2.3).
    var mayCampaign: Bool {
        if settings.mutations.contains(.removedCampaigns) { return true }
        return !membership.isRemoved && (voters.contains(id) || isStillNeeded)
    }

    /// The configuration that leaves this voter out stands in its log, and perhaps in no other: then those who go by the
    /// one before it need its vote and cannot have it, because its log is longer. So it stands itself until that
    /// configuration is committed; it does not count itself (dissertation 4.2.2).
    private var isStillNeeded: Bool {
        let placed = log.configurations
        guard let latest = placed.last, latest.index > commit, let before = placed.dropLast().last else { return false }
        return VoterSets(before.configuration).contains(id)
    }

    /// Members that left and do not answer are given up after a while. The leader asks in its heartbeats as well.
    mutating func forgetDeparted(into effects: inout Effects) {
        let limit = Membership.departureMilliseconds * 1_000_000
        let now = now
        dropDeparting(into: &effects) { departing, _ in
            departing.committedAt.map { now.since($0) >= limit } ?? false
        }
    }

    /// - Parameter isDone: asked of each with the leader's progress for it, if this is the leader.
    mutating func dropDeparting(
        into effects: inout Effects, where isDone: (Membership.Departing, Progress?) -> Bool
    ) {
        let before = membership.departing.count
        let progress = progress
        membership.departing.removeAll { departing in
            isDone(departing, progress.first { $0.id == departing.member.id })
        }
        guard membership.departing.count != before else { return }
        effects.membersChanged = true
        if role == .leader { updateProgress() }
    }
}
