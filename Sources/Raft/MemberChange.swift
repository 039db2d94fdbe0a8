/// One edit of the members. Several are made at once, or none of them; whatever of it is so already is no error.
public enum MemberChange: Equatable, Sendable {
    /// A server that is no member. Its id must be that of its data directory and never have been a member's that was
    /// removed: such a server is initialised anew. Name, peers' address and key must be nobody else's. As a voter it
    /// counts at once, with an empty log; as a learner with `promoteWhenCaughtUp` it becomes one when that costs
    /// nobody anything.
    case add(Member)
    /// Any member, the leader too: it hands over when the change is complete. The last voter stays.
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
    /// Of the voters that there would be, too many have not been heard lately: these. The change could not be completed, nor taken back.
    case noMajority(unheard: [NodeID])
    /// Voters together with those who are going to be promoted, or members.
    /// More than `Configuration.maximumVoters` or `maximumMembers`.
    case tooMany(Int, limit: Int)
    /// A change of voters needs a joint configuration. These members run a version that cannot read one, or have not
    /// been heard under this leader and are not known to.
    case unsupported(by: [NodeID])
}
