import ByteCoding

/// What a server puts before the client's own bytes: whose command this is. Made by servers only, never by clients.
public struct CommandHeader: Equatable, Sendable {
    /// 0 for what the leader itself proposes (ends of sessions).
    public var session: SessionID
    /// Chosen by the client, ascending from 1; may arrive out of order. The same number again is the same command again.
    public var sequence: UInt64
    /// The client has the replies of all commands below this one.
    public var acknowledgedBelow: UInt64
    /// And of these single ones at or above it, ascending.
    public var acknowledged: [UInt64]
    /// A `Credential`: by what the server that took the command knows whose it is. Empty is anonymous.
    public var caller: String

    public init(
        session: SessionID, sequence: UInt64, acknowledgedBelow: UInt64 = 0, acknowledged: [UInt64] = [],
        caller: String = ""
    ) {
        self.session = session
        self.sequence = sequence
        self.acknowledgedBelow = acknowledgedBelow
        self.acknowledged = acknowledged
        self.caller = caller
    }
}

/// What a command does. Its encoded bytes are the same on the client's wire, on the peers' wires and in the log.
public indirect enum Operation: Equatable, Sendable {
    /// Makes the header's session. Again with the same id: nothing more (an open is repeatable).
    case openSession(timeoutMilliseconds: UInt64)
    /// Ends the header's session: its waiters go, its held tuples return.
    case endSession
    /// The leader's own: these have been silent for their full time-out.
    case expireSessions([SessionID])
    /// The leader's own: all servers have this feature level, and from here on apply does what is new with it.
    case raiseLevel(UInt32)
    case write(space: String, tuple: Tuple)
    /// A write whose tuple goes when its lease ends, unless that is renewed. A lease of 0 ms has ended already.
    case writeLeased(space: String, tuple: Tuple, leaseMilliseconds: UInt64)
    /// Gives a visible tuple a lease from now on, or none (`forever`). Replies `done`, or `noMatch` if there is no such tuple (any more).
    case renew(space: String, id: TupleID, lease: Timeout)
    /// Takes a visible tuple by its id, for good.
    case takeByID(space: String, id: TupleID)
    /// Takes all visible tuples that match, as far as the page goes, for good. Replies `tuples`.
    case takeAll(space: String, template: Template, page: Page)
    /// Puts another tuple in a visible one's place, under its id and lease. Replies `written`, or `noMatch`.
    case replace(space: String, id: TupleID, tuple: Tuple)
    /// - holds: the tuple is held, invisible, until the session acknowledges this command or releases it; else the take is final.
    case take(space: String, template: Template, timeout: Timeout, holds: Bool)
    /// Ends an earlier take of this session that is still waiting: that one then replies `noMatch`. Replies `done` either way.
    case cancel(sequence: UInt64)
    /// Gives the tuple of an earlier held take back to its place. Replies `done`.
    case release(sequence: UInt64)
    /// Replies `statement`, or `noMatch` when no guard found anything in time, or a failure: then nothing was done.
    case statement(Statement)
    /// Like a take, but the tuple is held for so many milliseconds and by nobody's session. Replies `reserved`, or `noMatch`.
    case reserve(space: String, template: Template, timeout: Timeout, reservationMilliseconds: UInt64)
    /// What becomes of a reserved tuple, or of its time. Replies `done`, or `noMatch` if the reservation is over.
    case reservation(ReservationID, ReservationAction)
    /// What is written, as far as allowed by then, should the header's session end without having said so: instead of what was said before.
    /// Replies `done`.
    case leave([FailureTuple])
    /// Who may do what in a space; nil: no policy of its own. The empty name stands for all spaces without one. Replies `done`.
    case setPolicy(space: String, Policy?)
    /// Makes a token known, or changes its record. Replies `done`.
    case setToken(TokenRecord)
    /// Replies `done`, or `noMatch`.
    case removeToken(TokenDigest)
    /// Only brings the header's acknowledgements. Replies `done`.
    case acknowledge
    /// The operation (one that changes tuples, and no take that holds) under an idempotency key: the same caller, key and digest again get the same
    /// reply; another digest fails with `idempotency-mismatch`.
    case keyed(key: String, digest: [UInt8], Operation)
}

extension Operation {
    /// How long it may wait; nil if it never does.
    public var timeout: Timeout? {
        switch self {
        case .take(_, _, let timeout, _), .reserve(_, _, let timeout, _): timeout
        case .statement(let statement): statement.timeout
        case .keyed(_, _, let operation): operation.timeout
        default: nil
        }
    }

    public enum ReservationAction: Hashable, Sendable {
        /// The take is final.
        case complete
        /// The reservation lasts so many milliseconds from now on.
        case extend(milliseconds: UInt64)
        /// The tuple returns to its place.
        case release
    }
}

/// A tuple that somebody's death leaves behind.
public struct FailureTuple: Equatable, Sendable {
    public var space: String
    public var tuple: Tuple
    public var lease: Timeout

    public init(_ tuple: Tuple, to space: String, lease: Timeout = .forever) {
        self.space = space
        self.tuple = tuple
        self.lease = lease
    }
}

public enum Timeout: Hashable, Sendable {
    case milliseconds(UInt64)
    case forever

    public static let none = Timeout.milliseconds(0)

    /// Nil for ever.
    var milliseconds: UInt64? { if case .milliseconds(let time) = self { time } else { nil } }
}

/// What a server answers from its applied state, without the log.
public enum Query: Equatable, Sendable {
    case read(space: String, template: Template)
    case readAll(space: String, template: Template, page: Page)
    case count(space: String, template: Template)
    /// Names of spaces in ascending order (as UTF-8), with how many tuples each has. For admins.
    case spaces(after: String?, limit: Int)
    /// For whoever may set it.
    case policy(space: String)
    /// Records in ascending order of their digests. For admins.
    case tokens(after: TokenDigest?, limit: Int)
}

public struct Page: Hashable, Sendable {
    public enum Order: UInt8, Sendable {
        case oldest = 0
        case newest = 1
    }

    /// 1...`Limits.pageTuples`.
    public var limit: Int
    public var order: Order
    /// Only tuples with an id above this one.
    public var after: TupleID?
    /// Only tuples with an id below this one.
    public var before: TupleID?

    public init(limit: Int, order: Order = .oldest, after: TupleID? = nil, before: TupleID? = nil) {
        self.limit = limit
        self.order = order
        self.after = after
        self.before = before
    }
}

public struct StoredTuple: Hashable, Sendable {
    public var id: TupleID
    public var tuple: Tuple

    public init(id: TupleID, tuple: Tuple) {
        self.id = id
        self.tuple = tuple
    }
}

/// The answer to a command or a query.
public indirect enum Reply: Equatable, Sendable {
    case done
    case written(id: TupleID, position: Position)
    /// What a take or read found. For a take, the position at which it took.
    case found(StoredTuple, position: Position)
    case noMatch
    /// A page; `more` if the limit, not the end, ended it.
    case tuples([StoredTuple], more: Bool)
    case count(UInt64)
    /// Which alternative of a statement was done, from 0, and what came of its guard (`done` for `always`) and its steps in turn: `found`,
    /// `written`, or `done` for what was absent and for a take that there was nothing for.
    case statement(alternative: Int, results: [Reply])
    /// What a take found that reserves.
    case reserved(ReservationID, StoredTuple, position: Position)
    case spaces([SpaceSummary], more: Bool)
    case policy(Policy?)
    case tokens([TokenRecord], more: Bool)
    case failed(Failure)
}

public struct SpaceSummary: Equatable, Sendable {
    public var name: String
    /// Those that can be found.
    public var tuples: UInt64
    public var hasPolicy: Bool

    public init(name: String, tuples: UInt64, hasPolicy: Bool) {
        self.name = name
        self.tuples = tuples
        self.hasPolicy = hasPolicy
    }
}

/// Why something was not done, for a program (`code`) and for a person (`message`).
public struct Failure: Error, Equatable, Sendable, CustomStringConvertible {
    public var code: Code
    /// A sentence that names what, where and the limit.
    public var message: String

    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    public var description: String { "\(message) (\(code.rawValue))" }

    public enum Code: String, Sendable, CaseIterable {
        case malformed
        case unsupported
        case tupleTooLarge = "tuple-too-large"
        case invalidTuple = "invalid-tuple"
        case invalidTemplate = "invalid-template"
        case invalidSpace = "invalid-space"
        case templateTooBroad = "template-too-broad"
        case sessionExpired = "session-expired"
        case sessionWindowFull = "session-window-full"
        case alreadyAcknowledged = "already-acknowledged"
        case tooManySessions = "too-many-sessions"
        case tooManyWaiters = "too-many-waiters"
        case tooManySpaces = "too-many-spaces"
        case idempotencyMismatch = "idempotency-mismatch"
        case idempotencyFull = "idempotency-full"
        /// The same idempotency key was sent again elsewhere, and that request now waits for the answer.
        case superseded
        /// A subscription's position is behind the event ring.
        case positionGone = "position-gone"
        /// Certainly not done; try again later.
        case busy
        case noLeader = "no-leader"
        case diskFull = "disk-full"
        /// It may have been done.
        case outcomeUnknown = "outcome-unknown"
        case notAllowed = "not-allowed"
        /// The cluster does not know the token that was shown, or no more.
        case unknownToken = "unknown-token"
        /// A step of a statement could not be done: nothing of it was.
        case statementFailed = "statement-failed"
        /// There are as many as there may be, of what the message says.
        case limitReached = "limit-reached"
    }
}
