/// Handing over leadership (dissertation 3.10).
extension Node {
    /// Begins to hand over leadership.
    /// - Parameter target: nil chooses the voter that is furthest.
    /// - Returns: to whom.
    @discardableResult
    public mutating func transfer(
        to target: NodeID?, into effects: inout Effects
    ) throws(TransferRefused) -> NodeID {
        guard role == .leader else { throw .notLeader(known: leader) }
        throw .nobodyElse
    }

    mutating func beginTransferredElection(askedBy sender: NodeID, into effects: inout Effects) {}
}
