// Sessions whose commands their sender numbers, so that it can ask for a reply again: through another store of the same cluster, from
// another process, after it was started anew. The store keeps nothing of them; all there is to know is in the replicated state.
//
// - `openSession` makes the header's session, and goes under the number 0. Afterwards each command has a number of its own, from 1 on.
// - The same number again is the same command again: it waits with the first, or gets the same reply. Nothing is done twice.
// - What a `take` that holds has found is held until a later header acknowledges its number, or a `release` names it. Replies are kept
//   until they are acknowledged, at most `Limits.sessionWindow` of them.
// - A session that sends nothing for its time-out ends: what it holds returns, and what it left (`leave`) is written.
// - When the calling task is cancelled, `outcome-unknown` is thrown at once. The command goes on, and a take that waits goes on waiting:
//   only `cancel` ends it.

extension TupleStore {
    /// What a store does that has no such sessions.
    public func perform(
        _ operation: Operation, under header: CommandHeader
    ) async throws(Failure) -> (reply: Reply, position: Position) {
        throw Failure(.unsupported, "this store has no sessions whose commands their sender numbers")
    }
}

extension CommandHeader {
    /// Numbers that senders give; the rest are for commands of which nothing is remembered.
    public static let sequences: ClosedRange<UInt64> = 1...1 << 53 - 1

    /// For an `acknowledge` or `endSession`: they need no number to be asked again by, only one that no other command has.
    public static func passing(
        in session: SessionID, acknowledgedBelow: UInt64 = 0, acknowledged: [UInt64] = []
    ) -> CommandHeader {
        CommandHeader(
            session: session, sequence: .random(in: 1 << 63 ... .max), acknowledgedBelow: acknowledgedBelow,
            acknowledged: acknowledged)
    }
}

extension Operation {
    /// Whether it may be answered so. If not, its number was given to another command before.
    public func mayBeAnswered(by reply: Reply) -> Bool {
        switch (self, reply) {
        case (_, .failed): true
        case (.keyed(_, _, let operation), let reply): operation.mayBeAnswered(by: reply)
        case (.write, .written), (.writeLeased, .written), (.replace, .written), (.replace, .noMatch): true
        case (.take, .found), (.take, .noMatch), (.takeByID, .found), (.takeByID, .noMatch): true
        case (.reserve, .reserved), (.reserve, .noMatch): true
        case (.renew, .done), (.renew, .noMatch), (.reservation, .done), (.reservation, .noMatch): true
        case (.removeToken, .done), (.removeToken, .noMatch): true
        case (.takeAll, .tuples), (.statement, .statement), (.statement, .noMatch): true
        case (.openSession, .done), (.endSession, .done), (.acknowledge, .done), (.cancel, .done), (.release, .done),
            (.leave, .done), (.setPolicy, .done), (.setToken, .done):
            true
        default: false
        }
    }
}
