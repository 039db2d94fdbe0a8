extension Node {
    /// Begins a change of members. It is complete when a configuration that is not joint, at or behind the returned index, is committed.
    /// - Returns: where the new configuration stands in the log.
    @discardableResult
    public mutating func change(
        _ changes: [MemberChange], into effects: inout Effects
    ) throws(ChangeRefused) -> (index: LogIndex, term: Term) {
        guard role == .leader else { throw .notLeader(known: leader) }
        throw .noChanges
    }

    /// Whom this server may have to talk to: the members of its latest configuration, those of a newer one that it was told of, and those
    /// that are leaving and have not been told yet. In ascending order of id.
    public var reachableMembers: [Member] { configuration.members }

    /// This server is no longer a member, and knows it for certain. It may be stopped for good.
    public var isRemoved: Bool { false }
}
