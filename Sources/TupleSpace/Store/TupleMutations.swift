/// Deliberate faults, for tests only: each switches off one defence, and the simulator must then find a violation.
public struct TupleMutations: OptionSet, Sendable {
    public let rawValue: UInt32

    public init(rawValue: UInt32) { self.rawValue = rawValue }

    // MARK: Leases

    /// The ends of leases are not compared with lease time.
    public static let leasesNeverEnd = TupleMutations(rawValue: 1 << 0)
    /// A renewal is answered as done, and the lease ends when it would have.
    public static let renewalsKeepTheEnd = TupleMutations(rawValue: 1 << 1)
    /// A tuple that has gone is renewed too.
    public static let goneTuplesAreRenewed = TupleMutations(rawValue: 1 << 2)
    /// A held tuple's lease ends like any other.
    public static let heldTuplesEnd = TupleMutations(rawValue: 1 << 3)
    /// A held tuple comes back though its lease has ended.
    public static let returnsIgnoreTheEnd = TupleMutations(rawValue: 1 << 4)
    /// A snapshot's tuples come without their leases.
    public static let snapshotsForgetLeases = TupleMutations(rawValue: 1 << 5)

    // MARK: Tuples by id, and many

    /// What takes a tuple's place does not take its lease.
    public static let replacementsForgetTheLease = TupleMutations(rawValue: 1 << 6)
    /// What takes a tuple's place takes the newest one, under another id.
    public static let replacementsMove = TupleMutations(rawValue: 1 << 7)
    /// Of several tuples that a take-all answers with, the last stays.
    public static let takeAllLeavesOne = TupleMutations(rawValue: 1 << 8)

    // MARK: Statements

    /// What came before a step that cannot be done is done.
    public static let statementsDoHalf = TupleMutations(rawValue: 1 << 9)
    /// A later alternative goes before an earlier one.
    public static let alternativesBackwards = TupleMutations(rawValue: 1 << 10)
    /// What must be absent may be there.
    public static let absenceIsNotChecked = TupleMutations(rawValue: 1 << 11)
    /// A formal in a template matches anything.
    public static let formalsMatchAnything = TupleMutations(rawValue: 1 << 12)
    /// A statement finds a tuple again that it has found already.
    public static let statementsFindTwice = TupleMutations(rawValue: 1 << 13)
    /// Of what a statement writes only the first is ever seen.
    public static let statementsShowOne = TupleMutations(rawValue: 1 << 14)
    /// The other guards of a waiting statement that was done wait on.
    public static let doneStatementsWait = TupleMutations(rawValue: 1 << 15)
    /// A snapshot's waiting statements come without their time-outs.
    public static let snapshotsForgetStatements = TupleMutations(rawValue: 1 << 16)

    // MARK: Reservations

    /// A tuple that is released comes back as the newest one.
    public static let releasesMove = TupleMutations(rawValue: 1 << 17)
    /// A completion is answered as done, and the tuple comes back when its time is over.
    public static let completionsAreForgotten = TupleMutations(rawValue: 1 << 18)
    /// An extension is answered as done, and the reservation ends when it would have.
    public static let extensionsKeepTheEnd = TupleMutations(rawValue: 1 << 19)
    /// Whoever knows a reservation's number has it, though another user reserved.
    public static let reservationsAreAnybodys = TupleMutations(rawValue: 1 << 20)
    /// A snapshot's reservations come without their ends.
    public static let snapshotsForgetReservations = TupleMutations(rawValue: 1 << 21)

    // MARK: Failure tuples

    /// Nobody hears of a death.
    public static let failureTuplesAreLost = TupleMutations(rawValue: 1 << 22)
    /// A death is told of twice.
    public static let failureTuplesComeTwice = TupleMutations(rawValue: 1 << 23)
    /// Of a session that ended itself they come too.
    public static let cleanEndsLeaveTuples = TupleMutations(rawValue: 1 << 24)
    /// A snapshot comes without them.
    public static let snapshotsForgetFailureTuples = TupleMutations(rawValue: 1 << 25)
    /// They come though whoever left them might not write them any more.
    public static let failureTuplesAreNotChecked = TupleMutations(rawValue: 1 << 26)

    // MARK: Rights

    /// A write is done though by now it is forbidden: as if that had been looked at when it was proposed.
    public static let writesAreNotChecked = TupleMutations(rawValue: 1 << 27)
    /// Whoever waits gets what was allowed when the waiting began.
    public static let waitersAreNotChecked = TupleMutations(rawValue: 1 << 28)
    /// Whoever waits with a token gets a tuple after the token was taken back.
    public static let removedTokensWait = TupleMutations(rawValue: 1 << 29)
    /// Subscribers and waiting reads are told of every tuple.
    public static let watchersSeeAll = TupleMutations(rawValue: 1 << 30)
    /// A snapshot comes without policies and tokens.
    public static let snapshotsForgetRights = TupleMutations(rawValue: 1 << 31)
}
