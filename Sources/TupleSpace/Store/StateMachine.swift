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
    public var digest: UInt64 { decisions.value }

    /// What the leader has said that the cluster has agreed on, from level 4 on: what a level changed is done in the old way below it.
    public internal(set) var featureLevel: UInt32 = 0

    var decisions = StableHash()
    var lastTupleID: UInt64 = 0
    var lastWaiterID: UInt64 = 0
    /// Of the next event of the entry being applied.
    var ordinal: UInt32 = 0
    /// Tuples that nobody sees yet and that whoever waits for them gets first, while an entry is applied.
    var offers: [UInt64] = []
    var isOffering = false
    var tuples = TupleTable()
    var waiters = WaiterTable()
    var keys = IdempotencyTable()
    var table = SessionTable()
    var ring = EventRing()
    var reservations = ReservationTable()
    var testaments = FailureTuples()
    var rights = RightsTable()
    let mutations: TupleMutations

    public init(mutations: TupleMutations = []) { self.mutations = mutations }

    /// Moves on over an entry that is not for the state machine. The digest stays.
    public mutating func skip(to index: UInt64) { appliedIndex = max(appliedIndex, index) }

    /// The earliest lease time at which something expires; nil if nothing ever does.
    public var nextDeadline: UInt64? {
        [waiters.firstDeadline?.time, keys.firstExpiry, tuples.firstLeaseEnd?.time, reservations.first?.time]
            .compactMap { $0 }.min()
    }

    /// Full time-outs in ms of the sessions that exist, ascending by id.
    public var sessions: [(id: SessionID, timeoutMilliseconds: UInt64)] {
        table.ids.compactMap { id in
            table.slot(of: id).map { (SessionID(id), table[$0].timeoutMilliseconds) }
        }
    }

    public func sessionTimeout(_ id: SessionID) -> UInt64? {
        table.slot(of: id.rawValue).map { table[$0].timeoutMilliseconds }
    }

    /// Tuples that can be found; those held are apart.
    public var tupleCount: Int { tuples.count - tuples.heldCount }
    public var waiterCount: Int { waiters.count }
    public var sessionCount: Int { table.count }
    public var heldCount: Int { tuples.heldCount }
    /// Tuples that end by themselves unless their leases are renewed, held ones among them.
    public var leaseCount: Int { tuples.leaseCount }
    public var spaceCount: Int { tuples.spaces.count }
    public var reservationCount: Int { reservations.count }
    /// Idempotency keys, those of waiting takes with them.
    public var keyCount: Int { keys.count }

    /// The first position that `events(after:)` can still resume from.
    public var firstResumablePosition: Position { ring.firstResumable }
    /// No event that comes later is at or before it.
    public var lastPosition: Position { max(ring.last, Position(index: appliedIndex, ordinal: 0)) }

    /// Events behind a position in order, at most `limit`, which is 1 or more; nil if the ring no longer reaches back that far.
    public func events(after position: Position, limit: Int) -> [Event]? {
        var events: [Event] = []
        let isThere = ring.forEach(after: position) { view in
            if let event = view.event { events.append(event) }
            return events.count < limit
        }
        return isThere ? events : nil
    }

    /// Calls `visit` with the events behind a position in order, until it returns false: for those who want few of them.
    /// - Returns: false, and nothing is visited, if the ring no longer reaches back that far.
    public func forEachEvent(after position: Position, _ visit: (EventView) -> Bool) -> Bool {
        ring.forEach(after: position, visit)
    }
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
