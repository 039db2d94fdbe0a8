/// Every bound of the replicated state in one place. All hold for the whole cluster and are the same on every server, because
/// apply depends on them; changing one is a change of the feature level.
public enum Limits {
    public static let fieldsPerTuple = 64
    public static let tupleBytes = 1 << 20
    /// Lists and maps within lists and maps.
    public static let nestingDepth = 32
    /// Bytes of UTF-8 of a space's name, at least 1. Any characters but control characters.
    public static let spaceNameBytes = 128
    public static let spaces = 65_536
    public static let sessions = 65_536
    /// Ended sessions that are remembered, so that none is opened twice.
    public static let endedSessions = 65_536
    public static let sessionTimeoutMilliseconds: ClosedRange<UInt64> = 1_000...3_600_000
    /// Commands of one session that are pending or replied and not acknowledged.
    public static let sessionWindow = 4_096
    public static let waitersPerSession = 4_096
    public static let waiters = 1_000_000
    /// Longest finite time-out of a take or read.
    public static let timeoutMilliseconds: UInt64 = 30 * 86_400_000
    public static let idempotencyKeyBytes = 255
    public static let idempotencyKeys = 100_000
    public static let idempotencyLifetimeMilliseconds: UInt64 = 3_600_000
    public static let eventRingEvents = 65_536
    public static let eventRingBytes = 32 << 20
    /// Tuples that one operation may look at without finding what it wants, then `template-too-broad`.
    public static let examinedCandidates = 200_000
    /// A regular expression in a template: bytes of it, its size in characters with all repetitions multiplied out, times of one
    /// repetition, and groups within groups.
    public static let regexBytes = 256
    public static let regexSize = 1_000
    public static let regexRepetitions = 255
    public static let regexDepth = 16
    /// A statement: its alternatives, the steps of each, the formals that it may bind, and bytes of all tuples that it finds, and of those
    /// that it writes.
    public static let alternatives = 8
    public static let steps = 16
    public static let formals = 64
    public static let statementBytes = 1 << 20
    /// Longest finite lease of a tuple.
    public static let leaseMilliseconds: UInt64 = 366 * 86_400_000
    /// Bytes of the tuples that one take-all takes, and of all replies that a session may keep before it may take so many again.
    public static let takeAllBytes = 1 << 20
    public static let keptReplyBytes = 16 << 20
    public static let reservations = 100_000
    /// Longest time that a reservation may be given at once.
    public static let reservationMilliseconds: UInt64 = 30 * 86_400_000
    /// What a session may leave behind when it dies, and bytes of all that all sessions may.
    public static let failureTuplesPerSession = 16
    public static let failureTupleBytesPerSession = 64 << 10
    public static let failureTupleBytes = 64 << 20
    public static let tokens = 100_000
    public static let rolesPerToken = 16
    /// A policy: bytes of all of it, and of each rule its clauses, the conditions of each, and the fields of what must exist.
    public static let policyBytes = 4_096
    public static let clausesPerRule = 8
    public static let conditionsPerClause = 16
    public static let partsPerCondition = 8
    /// Tuples that a condition may look at without finding what must exist; then it does not hold.
    public static let examinedForRights = 1_000
    /// Tuples in one page of read-all, and their bytes.
    public static let pageTuples = 1_000
    public static let pageBytes = 4 << 20
    /// Waiters, keys and sessions that expire by one entry; the rest by the next.
    public static let expiriesPerEntry = 1_000
    /// Bytes of one command as it stands in the log.
    public static let commandBytes = tupleBytes + 4_096
}
