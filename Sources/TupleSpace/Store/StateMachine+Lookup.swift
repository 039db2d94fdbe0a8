import ByteCoding

extension StateMachine {
    /// Whether this command was applied and now waits for a tuple.
    public func isWaiting(_ session: SessionID, _ sequence: UInt64) -> Bool {
        guard let slot = table.slot(of: session.rawValue), case .pending? = table[slot].outcome(sequence) else {
            return false
        }
        return true
    }

    /// Appends the encoded reply that the session still keeps for this command.
    /// - Returns: false, and appends nothing, if there is none.
    public func cachedReply(_ session: SessionID, _ sequence: UInt64, into reply: inout ByteWriter) -> Bool {
        guard let slot = table.slot(of: session.rawValue), let outcome = table[slot].outcome(sequence) else {
            return false
        }
        if case .pending = outcome { return false }
        encode(outcome, into: &reply)
        return true
    }
}
