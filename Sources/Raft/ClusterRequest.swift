/// What an operator asks of the cluster. Any server takes it: one that does not lead asks the leader.
public enum ClusterRequest: Equatable, Sendable {
    /// All of them at once, or none. What is so already counts as done, so that asking again is safe.
    case change([MemberChange])
    /// Leadership goes to this voter; nil: to the one that is furthest.
    case transfer(to: NodeID?)

    /// Changes in one request.
    public static let maximumChanges = 64
}

/// What became of it.
public enum ClusterOutcome: Equatable, Sendable {
    /// The members are as asked for: the configuration committed at this index, or one before it, says so, and no change is under way.
    case changed(LogIndex)
    /// This member leads in this term.
    case transferred(to: NodeID, Term)
    /// Certainly not done. The code is kebab-case, for programs; the sentence is for people.
    case refused(code: String, sentence: String)
    /// It may have been done, and may yet be. The members' list tells; asking again is safe.
    case unknown(String)
}
