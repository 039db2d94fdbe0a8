// The failures that name a limit, in one place, so that the edges and apply say the same.

extension Failure {
    static func tupleTooLarge(_ size: Int) -> Failure {
        Failure(.tupleTooLarge, "A tuple of \(size) bytes exceeds the limit of \(Limits.tupleBytes) bytes.")
    }

    static let invalidSpace = Failure(
        .invalidSpace,
        "A space's name has 1 to \(Limits.spaceNameBytes) bytes of UTF-8 and no control characters.")

    static func timeoutTooLong(_ milliseconds: UInt64) -> Failure {
        Failure(
            .malformed,
            "A time-out of \(milliseconds) ms exceeds the limit of \(Limits.timeoutMilliseconds) ms.")
    }

    static func leaseTooLong(_ milliseconds: UInt64) -> Failure {
        Failure(.malformed, "A lease of \(milliseconds) ms exceeds the limit of \(Limits.leaseMilliseconds) ms.")
    }

    static func reservationTooLong(_ milliseconds: UInt64) -> Failure {
        Failure(
            .malformed,
            "A reservation of \(milliseconds) ms exceeds the limit of \(Limits.reservationMilliseconds) ms.")
    }

    static let tooManyReservations = Failure(
        .limitReached, "There are \(Limits.reservations) reservations, which is the limit.")

    static func tooManyFailureTuples(_ count: Int) -> Failure {
        Failure(
            .malformed,
            "A session leaves at most \(Limits.failureTuplesPerSession) failure tuples, and not \(count).")
    }

    static func failureTuplesTooLarge(_ bytes: Int) -> Failure {
        Failure(
            .tupleTooLarge,
            "A session's failure tuples have at most \(Limits.failureTupleBytesPerSession) bytes, and not \(bytes).")
    }

    static let failureTuplesFull = Failure(
        .limitReached,
        "All sessions' failure tuples have \(Limits.failureTupleBytes) bytes, which is the limit.")

    static let tooManyTokens = Failure(.limitReached, "There are \(Limits.tokens) tokens, which is the limit.")

    static let notAdmin = Failure(.notAllowed, "Only those with the role \(TokenRecord.adminRole) may do this.")

    static let keepsTooMuch = Failure(
        .sessionWindowFull,
        "The session's replies that are not acknowledged have more than \(Limits.keptReplyBytes) bytes, which is the limit."
    )

    static func sessionTimeout(_ milliseconds: UInt64) -> Failure {
        let limits = Limits.sessionTimeoutMilliseconds
        return Failure(
            .malformed,
            "A session's time-out is \(limits.lowerBound) to \(limits.upperBound) ms, and not \(milliseconds) ms.")
    }

    static let idempotencyKey = Failure(
        .malformed,
        "An idempotency key has 1 to \(Limits.idempotencyKeyBytes) bytes, its digest at most "
            + "\(IdempotencyRules.digestBytes) bytes.")

    static let notKeyable = Failure(
        .malformed, "Only what changes tuples, and no take that holds, goes under an idempotency key.")

    static func pageLimit(_ limit: Int) -> Failure {
        Failure(.malformed, "A page has 1 to \(Limits.pageTuples) tuples, and not \(limit).")
    }

    static let templateTooBroad = Failure(
        .templateTooBroad,
        "More than \(Limits.examinedCandidates) tuples were examined that do not match; make a field a literal.")

    static let sessionExpired = Failure(
        .sessionExpired, "The session has ended or never was; what became of this command is not known any more.")

    static let windowFull = Failure(
        .sessionWindowFull,
        "The session has \(Limits.sessionWindow) commands that are not acknowledged, which is the limit.")

    static let alreadyAcknowledged = Failure(
        .alreadyAcknowledged, "The reply to this command was acknowledged, and is kept no longer.")

    static let tooManySessions = Failure(
        .tooManySessions, "There are \(Limits.sessions) sessions, which is the limit.")

    static let tooManyWaiters = Failure(
        .tooManyWaiters, "There are \(Limits.waiters) waiting takes, which is the limit.")

    static let tooManyWaitersInSession = Failure(
        .tooManyWaiters, "The session has \(Limits.waitersPerSession) waiting takes, which is the limit.")

    static let tooManySpaces = Failure(.tooManySpaces, "There are \(Limits.spaces) spaces, which is the limit.")

    static let idempotencyMismatch = Failure(
        .idempotencyMismatch, "The idempotency key was used for another request.")

    static let idempotencyFull = Failure(
        .idempotencyFull, "There are \(Limits.idempotencyKeys) idempotency keys, which is the limit.")

    static let superseded = Failure(
        .superseded, "The same idempotency key was sent again, and that request now waits for the answer.")

    static let notForClients = Failure(
        .notAllowed, "Only the leader itself ends other sessions and raises the feature level.")
}
