import Raft

/// What must never happen when members change (dissertation, chapter 4).
extension SafetyChecker {
    /// A leader has appended configurations of its own.
    /// - Parameters:
    ///   - before: the latest in its log before the pass.
    ///   - log: its log behind the pass.
    ///   - committedTerm: the term of the last entry that it knows to be committed.
    mutating func changedMembers(
        _ id: NodeID, in term: Term, before: PlacedConfiguration, log: LogImage, committedTerm: Term?
    ) {
        var previous = before
        for next in log.configurations where next.index > before.index {
            if previous.index > commit {
                report(
                    "one change of members at a time",
                    "\(id) appends a configuration at \(next.index); the one before it, at \(previous.index), "
                        + "is not committed")
            }
            if let wrong = next.configuration.cannotFollow(previous.configuration) {
                report("members change step by step", "\(id) appends a configuration at \(next.index): \(wrong)")
            }
            previous = next
        }
        if committedTerm != term {
            report(
                "a leader changes members when it has committed in its own term",
                "\(id) leads term \(term), and the last entry that it knows to be committed is of term "
                    + "\(committedTerm.map(\.description) ?? "unknown")")
        }
    }

    /// A server says which configuration is in force at it.
    mutating func inForce(_ configuration: Configuration, at id: NodeID, log: LogImage) {
        guard let latest = log.configuration, latest.configuration != configuration else { return }
        report(
            "the latest configuration in the log is in force",
            "\(id) goes by \(configuration.voterNames), and its log has \(latest.configuration.voterNames) at "
                + "\(latest.index)")
    }
}

extension Configuration {
    /// Why this may not come right after another; nil if it may.
    func cannotFollow(_ old: Configuration) -> String? {
        if voters.isEmpty { return "nobody votes" }
        if Set(members.map(\.name)).count < members.count { return "a name stands twice" }
        if featureLevel < old.featureLevel { return "feature level \(featureLevel) follows \(old.featureLevel)" }
        switch (old.isJoint, isJoint) {
        case (false, true):
            if outgoingVoters != old.voters { return "it leaves other voters than those before it" }
            return outgoingVoters.allSatisfy { self[$0] != nil } ? nil : "an outgoing voter is no member"
        case (true, false), (true, true):
            return voters == old.voters ? nil : "it enters other voters than the joint one before it"
        case (false, false):
            let changed = Set(voters).symmetricDifference(old.voters).count
            return changed <= 1 ? nil : "\(changed) voters change at once without a joint configuration"
        }
    }

    /// For sentences: who votes, by name.
    var voterNames: String {
        let names = { (ids: [NodeID]) in
            "{" + ids.map { self[$0]?.name ?? "\($0)" }.joined(separator: " ") + "}"
        }
        return isJoint ? "\(names(outgoingVoters)) and \(names(voters))" : names(voters)
    }
}
