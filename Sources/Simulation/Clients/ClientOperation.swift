import TupleSpace

/// Something a client wants, until it has it or gives it up.
struct ClientOperation {
    enum Kind {
        case open
        case command(TupleSpace.Operation)
        case query(Query, Consistency, Timeout)
    }

    var id: UInt64
    var kind: Kind
    /// By what the servers know who asks.
    var credential = Credential.anonymous
    /// Its number in the session; keyed commands get a new one with every attempt.
    var sequence: UInt64?
    var usedSequences: [UInt64] = []
    var header: CommandHeader?
    var bytes: [UInt8] = []
    var attempt: UInt64 = 0
    var attempts = 0
    /// Where a script wants it to go, every time.
    var server: Int?
    /// A script's operation that is sent once only.
    var isSentOnce = false

    var isKeyed: Bool {
        if case .command(.keyed) = kind { true } else { false }
    }

    var waitsForever: Bool {
        switch kind {
        case .command(.keyed(_, _, let operation)), .command(let operation): operation.waitsForever
        default: false
        }
    }

    var endsSession: Bool {
        if case .command(.endSession) = kind { true } else { false }
    }

    var isQuery: Bool {
        if case .query = kind { true } else { false }
    }

    var holds: Bool {
        if case .command(.take(_, _, _, holds: true)) = kind { true } else { false }
    }
}

extension TupleSpace.Operation {
    fileprivate var waitsForever: Bool {
        switch self {
        case .take(_, _, .forever, _), .reserve(_, _, .forever, _): true
        case .statement(let statement): statement.timeout == .forever
        default: false
        }
    }

    /// Where a tuple is that a reply tells the id of; nil if it tells none, or of several spaces.
    var space: String? {
        switch self {
        case .write(let space, _), .writeLeased(let space, _, _), .replace(let space, _, _), .take(let space, _, _, _),
            .takeAll(let space, _, _), .reserve(let space, _, _, _):
            space
        case .keyed(_, _, let inner): inner.space
        default: nil
        }
    }
}

/// A client's own books of its session: which numbers are given out, and which it needs no more.
struct ClientLedger {
    private(set) var floor: UInt64 = 1
    private var next: UInt64 = 1
    private var done: [UInt64] = []

    mutating func begin() -> UInt64 {
        defer { next += 1 }
        return next
    }

    mutating func acknowledge(_ sequence: UInt64) {
        guard sequence >= floor, !done.contains(sequence) else { return }
        done.append(sequence)
        done.sort()
        while done.first == floor {
            floor += 1
            done.removeFirst()
        }
    }

    func header(session: SessionID, sequence: UInt64, caller: Credential) -> CommandHeader {
        CommandHeader(
            session: session, sequence: sequence, acknowledgedBelow: floor, acknowledged: done, caller: caller.text)
    }
}
