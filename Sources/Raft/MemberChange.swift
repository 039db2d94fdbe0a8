/// One edit of the members. Several are made at once, or none of them.
public enum MemberChange: Equatable, Sendable {
    /// A server that is no member. Its id must be that of its data directory, its name unique.
    case add(Member)
    case remove(NodeID)
    /// A voter becomes a learner, or a learner a voter at once, caught up or not.
    case setRole(NodeID, Member.Role)
    /// A learner that becomes a voter when it has caught up; or no longer does.
    case setPromoteWhenCaughtUp(NodeID, Bool)
    /// `host:port` of the three doors. Any number of members may move at once.
    case setAddresses(NodeID, peer: String, client: String, http: String)
    /// The key that a member is going to use; until `adoptNextKey` both are accepted. 32 bytes; nil takes it back.
    case setNextKey(NodeID, [UInt8]?)
    /// The next key becomes the only one.
    case adoptNextKey(NodeID)
}

/// Why the members were not changed. Nothing has changed.
public enum ChangeRefused: Error, Equatable, Sendable {
    case notLeader(known: NodeID?)
    /// The leader has not yet committed an entry of its own term (scenario 17). Try again in a moment.
    case notReady
    /// Another change, appended here, is not yet complete.
    case underWay(LogIndex)
    case transferring(to: NodeID)
    case noChanges
    /// Everything is so already.
    case nothingToDo
    case unknownMember(NodeID)
    case alreadyMember(NodeID)
    /// Two edits of one call concern this member in a way that contradicts.
    case repeated(NodeID)
    case nameTaken(String)
    case addressTaken(String)
    /// What is wrong with a member's record: a sentence that names the field, the value and the limit.
    case invalid(NodeID, String)
    /// The cluster would be left without a voter.
    case noVoterLeft
    /// More than `Configuration.maximumVoters` or `maximumMembers`.
    case tooMany(Int, limit: Int)
    /// These members run a version that does not understand it.
    case unsupported(by: [NodeID])
}
