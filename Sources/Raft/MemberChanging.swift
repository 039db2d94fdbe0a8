/// Changes of members that somebody asks for.
extension Node {
    /// Begins a change of members: appends one configuration entry, in force from now on. If the voters change it is a
    /// joint configuration, and the leader of then goes on to the final one by itself as soon as the joint one is
    /// committed (dissertation 4.3). So the change is complete when a configuration that is not joint, at or behind
    /// the returned index, is committed; should another leader's entry take this one's place before, the change was
    /// not made.
    ///
    /// All the changes are made, or none. A call may be repeated: if everything is so already,
    /// `ChangeRefused.nothingToDo` says it. A removal of the leader itself is carried out by it; then it hands over
    /// and steps down.
    /// - Parameter changes: at most one about each aspect of each member.
    /// - Returns: where the new configuration stands in the log.
    /// - Throws: why nothing was changed.
    @discardableResult
    public mutating func change(
        _ changes: [MemberChange], into effects: inout Effects
    ) throws(ChangeRefused) -> (index: LogIndex, term: Term) {
        guard role == .leader else { throw .notLeader(known: leader) }
        guard !changes.isEmpty else { throw .noChanges }
        if let transferee { throw .transferring(to: transferee) }
        // A leader that has committed nothing in its own term may lack the word that an older leader's change is
        // committed, or that it never was; with changes of single voters that made two disjoint majorities (scenario
        // 17). With joint ones it is still what tells a settled configuration from one that may yet be taken back.
        guard leaderIsCurrent || settings.mutations.contains(.changeBeforeOwnTermCommit) else { throw .notReady }
        // One change at a time (dissertation 4.1): the next would start from a configuration that may be taken back.
        let latest = log.latestConfiguration
        guard isSettled || settings.mutations.contains(.changesOverlap) else { throw .underWay(latest.index) }
        let present = latest.configuration.withoutOutgoing
        let target = try ConfigurationEdit.apply(changes, to: present)
        let next = present.step(towards: target)
        if next.isJoint {
            try checkJointIsUnderstood()
            try checkMajorityIsHere(next)
        }
        let term = term
        let index = appendConfiguration(settings.mutations.contains(.oneStepChanges) ? target : next, into: &effects)
        if next.isJoint { membership.begunHere = index }
        lead(into: &effects)
        return (index, term)
    }

    /// The latest configuration is committed and is the last of its change.
    var isSettled: Bool {
        let latest = log.latestConfiguration
        return latest.index <= commit && !latest.configuration.isJoint
    }

    /// - Precondition: this is the leader; `configuration` is sound.
    mutating func appendConfiguration(_ configuration: Configuration, into effects: inout Effects) -> LogIndex {
        let entry = Entry(index: log.last.next, term: term, kind: .configuration, payload: configuration.encoded)
        appendAsLeader(entry, into: &effects)
        return entry.index
    }

    /// A configuration is in force once it is appended: without a majority of it the leader could neither commit it nor anything else,
    /// and whoever has the entry keeps the others from electing one that has not. Those that join cannot have been heard yet.
    private func checkMajorityIsHere(_ next: Configuration) throws(ChangeRefused) {
        func isHere(_ voter: NodeID) -> Bool {
            voter == id || configuration[voter] == nil || progress.contains { $0.id == voter && isHeard($0) }
        }
        let voters = VoterSets(next)
        if voters.hasMajority({ isHere($0) }) || settings.mutations.contains(.changesOutOfReach) { return }
        throw .noMajority(unheard: voters.all.filter { !isHere($0) })
    }

    /// A server of an older version could not even read a joint configuration.
    func checkJointIsUnderstood() throws(ChangeRefused) {
        let without = membersNotUnderstandingJoint
        guard without.isEmpty else { throw .unsupported(by: without) }
        // Everyone understands it; that it may be used is about to be appended.
        guard configuration.featureLevel >= Configuration.jointFeatureLevel else { throw .notReady }
    }

    /// Those that said so in this leadership; and, as long as the configuration does not vouch for all, those that
    /// have not been heard.
    var membersNotUnderstandingJoint: [NodeID] {
        let needed = Configuration.jointFeatureLevel
        let isVouchedFor = configuration.featureLevel >= needed
        return configuration.members.map(\.id).filter { member in
            if member == id { return settings.supportedFeatureLevel < needed }
            let level = progress.first { $0.id == member }?.featureLevel ?? 0
            return level < needed && !(level == 0 && isVouchedFor)
        }
    }
}

extension Configuration {
    static let jointFeatureLevel: UInt32 = 2
}
