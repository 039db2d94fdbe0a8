import ByteCoding

/// The replicated tuplespace as a value: takes batches in log order and says what came of them. The same batches make the same
/// state, replies and digest on every server.
public struct StateMachine: Sendable {
    /// The last log index applied.
    public internal(set) var appliedIndex: UInt64 = 0
    /// Milliseconds that the cluster has had a leader; stands still without one. Deadlines are in it.
    public internal(set) var leaseTime: UInt64 = 0
    /// Wall time in ms since 1970, never going back. For ids and display.
    public internal(set) var wallStamp: UInt64 = 0
    /// A chained hash of everything that apply ever decided: equal on all servers at an equal index, or they have diverged.
    public internal(set) var digest: UInt64 = 0

    public init() {}

    /// Applies one batch (see `BatchWriter`). Never traps and never fails: a malformed batch or command is itself answered.
    public mutating func apply(_ batch: UnsafeRawBufferPointer, at index: UInt64, into applied: inout Applied) {}

    /// Moves on over an entry that is not for the state machine.
    public mutating func skip(to index: UInt64) {}

    /// The earliest lease time at which something expires; nil if nothing ever does.
    public var nextDeadline: UInt64? { nil }

    /// Answers from the state as it is. Never changes it.
    public func answer(_ query: Query) -> Reply { .noMatch }

    /// Like `answer`, on the bytes of an encoded query, appending an encoded reply: the hot path of reads.
    public func answer(encoded query: UnsafeRawBufferPointer, into reply: inout ByteWriter) {}

    /// Full time-outs in ms of the sessions that exist, ascending by id.
    public var sessions: [(id: SessionID, timeoutMilliseconds: UInt64)] { [] }
    public func sessionTimeout(_ id: SessionID) -> UInt64? { nil }

    public var tupleCount: Int { 0 }
    public var waiterCount: Int { 0 }
    public var sessionCount: Int { 0 }
    public var heldCount: Int { 0 }

    /// The first position that `events(after:)` can still resume from.
    public var firstResumablePosition: Position { Position(index: 0, ordinal: 0) }
    public var lastPosition: Position { Position(index: 0, ordinal: 0) }
    /// Events behind a position in order, at most `limit`; nil if the ring no longer reaches back that far.
    public func events(after position: Position, limit: Int) -> [Event]? { [] }

    /// A picture of the state, made in constant time and independent of what is applied afterwards.
    public func capture() -> StateImage { StateImage() }
}

/// Everything replicated, frozen. Encoded piece by piece on another thread while the state machine goes on.
public struct StateImage: Sendable {
    /// Calls `emit` with consecutive pieces of at most about 256 KiB. The state machine restored from them is equal in everything.
    public func encode(_ emit: (UnsafeRawBufferPointer) throws -> Void) rethrows {}
}

/// What came of a batch. One value is reused: `reset()` keeps the memory.
public struct Applied: Sendable {
    /// A reply to a command of some session, whoever waits for it. Bytes `range` of `bytes` are an encoded `Reply`.
    public struct Outcome: Sendable {
        public var session: SessionID
        public var sequence: UInt64
        public var range: Range<Int>

        public init(session: SessionID, sequence: UInt64, range: Range<Int>) {
            self.session = session
            self.sequence = sequence
            self.range = range
        }
    }

    public var outcomes: [Outcome] = []
    public var bytes = ByteWriter()
    public var sessionsOpened: [(id: SessionID, timeoutMilliseconds: UInt64)] = []
    public var sessionsEnded: [SessionID] = []

    public init() {}

    public mutating func reset() {
        outcomes.removeAll(keepingCapacity: true)
        bytes.reset()
        sessionsOpened.removeAll(keepingCapacity: true)
        sessionsEnded.removeAll(keepingCapacity: true)
    }
}
