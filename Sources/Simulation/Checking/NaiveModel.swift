import ByteCoding
import TupleSpace

/// The tuplespace as one would write it on a page: lists that are scanned. It shares no code with the state machine but
/// the types of values and the format of commands.
///
/// It keeps what it ever saw, with the log indices between which each tuple was visible, so that it can answer a read
/// as of any index.
struct NaiveModel {
    struct Item {
        enum Standing {
            case visible, held, gone
            /// Nobody sees it before all who wait have been asked.
            case offered
        }

        /// Visible at the end of entry `i` if `from <= i < to`.
        struct Showing {
            var tuple: Tuple
            var from: UInt64
            var to: UInt64
        }

        let id: TupleID
        let space: String
        /// The last one that stood under this id.
        var tuple: Tuple
        var standing = Standing.offered
        var shown: [Showing] = []
        var leaseEnd: UInt64?

        func tuple(at index: UInt64) -> Tuple? { shown.first { $0.from <= index && index < $0.to }?.tuple }
        var stored: StoredTuple { StoredTuple(id: id, tuple: tuple) }
    }

    struct Waiter {
        var session: SessionID
        var sequence: UInt64
        var space = ""
        var template = Template([])
        var deadline: UInt64?
        var holds = false
        /// In ms, if it reserves what it gets.
        var reservation: UInt64?
        /// A statement looks for what its guards do.
        var statement: Statement?
        /// As the command bore it: who that is, and what they may, is looked at anew when there is something for them.
        var credential = ""
        var caller = ""
        var keyed: (caller: String, key: String, digest: [UInt8])?

        func wants(_ item: Item) -> Bool {
            statement.map { !$0.naiveAlternatives(for: item).isEmpty }
                ?? (space == item.space && naivelyMatches(template, item.tuple))
        }
    }

    struct SessionState {
        var timeout: UInt64
        var caller: String
        var testament: Testament?
        var floor: UInt64 = 0
        var acknowledged: Set<UInt64> = []
        /// Commands replied or waiting. Only looked up, or walked in ascending order.
        var replies: [UInt64: Reply?] = [:]
        /// Sequence number of a held take, and what it holds.
        var held: [UInt64: TupleID] = [:]

        func isAcknowledged(_ sequence: UInt64) -> Bool { sequence < floor || acknowledged.contains(sequence) }
    }

    /// An event, but for who did it.
    struct Happening: Equatable {
        var position: Position
        var kind: Event.Kind
        var space: String
        var tuple: StoredTuple
    }

    struct Answer {
        var reply: Reply
        /// The log index at which it was decided.
        var index: UInt64
    }

    struct CommandName: Hashable {
        var session: SessionID
        var sequence: UInt64
    }

    /// In the order of their ids; none ever leaves its place.
    var items: [Item] = []
    /// In the order of their positions.
    var events: [Happening] = []
    /// In the order in which they came.
    var waiters: [Waiter] = []
    /// Places of tuples that are still to be offered.
    var offers: [Int] = []
    var isOffering = false
    var sessions: [SessionID: SessionState] = [:]
    var keys: [String: (digest: [UInt8], reply: Reply)] = [:]
    var reservations: [Reservation] = []
    var rights = NaiveRights()
    /// As they were since the end of each entry that changed them.
    var rightsSince: [(index: UInt64, rights: NaiveRights)] = []
    /// Entries after which other things are allowed than before.
    var turns: [UInt64] = []
    /// Spaces, and the entries that made them.
    var spaceBirths: [(name: String, index: UInt64)] = []
    var leaseTime: UInt64 = 0
    var wallStamp: UInt64 = 0
    var index: UInt64 = 0
    var ordinal: UInt32 = 0
    /// Of tuples and reservations.
    var lastID = TupleID(0)
    /// The first answer to each command that was ever decided.
    var answers: [CommandName: Answer] = [:]
    /// Commands that were refused before it was looked whether they had been done, and where first.
    var turnedAway: [CommandName: UInt64] = [:]
    /// Log index at which each session ended.
    var ended: [SessionID: UInt64] = [:]
    /// The committed feature level, and what the leader has told the state machine of it.
    var level: UInt32 = 0
    private(set) var toldLevel: UInt32 = 0
    /// Failure tuples that were written.
    var deposited = 0

    // What must never be.

    /// A tuple that was handed to a taker while another had it.
    var doubleTake: TupleID?
    /// Every command that ever did something, and one that did so again.
    private var performed: Set<CommandName> = []
    private(set) var performedTwice: CommandName?
    /// Clients never write the same tuple again, unless from what they found, so whatever stands here was one command done twice.
    private var writtenTuples: Set<Tuple> = []
    private(set) var writtenTwice: Tuple?
    /// A command that needs a higher feature level than there was.
    private(set) var tooEarly: CommandName?

    // MARK: - Applying

    mutating func skip(to index: UInt64) { self.index = index }

    mutating func apply(_ payload: [UInt8], at index: UInt64) {
        self.index = index
        ordinal = 0
        payload.withUnsafeBytes { raw in
            var reader = ByteReader(raw)
            guard (try? reader.readByte()) == 1, let lease = try? reader.readUInt64(),
                let wall = try? reader.readUInt64()
            else { return }
            leaseTime = max(leaseTime, lease)
            wallStamp = max(wallStamp, wall)
            expire()
            while !reader.isAtEnd {
                guard let length = try? reader.readUInt32(), let bytes = try? reader.readRaw(Int(length)) else {
                    return
                }
                command(bytes)
            }
        }
    }

    private mutating func leadersOwn(_ operation: Operation) {
        switch operation {
        case .expireSessions(let list): end(list, areDead: true)
        case .raiseLevel(let told):
            toldLevel = max(toldLevel, told)
            if told > level { noteTooEarly(CommandName(session: SessionID(0), sequence: UInt64(told))) }
        default: return
        }
    }

    private mutating func noteTooEarly(_ name: CommandName) { tooEarly = tooEarly ?? name }

    private mutating func command(_ bytes: UnsafeRawBufferPointer) {
        var reader = ByteReader(bytes)
        guard let header = try? CommandHeader(from: &reader), let operation = try? Operation(from: &reader) else {
            return
        }
        guard header.session.rawValue != 0 else { return leadersOwn(operation) }
        let name = CommandName(session: header.session, sequence: header.sequence)
        let isMarked = header.caller.hasPrefix("#") || header.caller.hasPrefix("!")
        if level < (isMarked ? 4 : operation.neededLevel) { noteTooEarly(name) }
        guard let who = rights.who(header.caller) else { return turnAway(name) }
        if case .openSession(let timeout) = operation { return open(header, who, timeout) }
        guard let owner = sessions[header.session]?.caller else {
            return answer(header, .failed(Failure(.sessionExpired, "")))
        }
        guard owner == "" || owner == who.name else { return turnAway(name) }
        acknowledge(header)
        guard let session = sessions[header.session] else { return }
        if session.isAcknowledged(header.sequence) {
            return answer(header, .failed(Failure(.alreadyAcknowledged, "")))
        }
        if session.replies[header.sequence] != nil { return }
        if case .acknowledge = operation { return answer(header, .done) }
        if case .endSession = operation {
            end([header.session], areDead: false)
            return answer(header, .done)
        }
        if !performed.insert(name).inserted { performedTwice = performedTwice ?? name }
        perform(operation, header, who)
    }

    private mutating func turnAway(_ name: CommandName) {
        if turnedAway[name] == nil { turnedAway[name] = index }
    }

    private mutating func perform(_ operation: Operation, _ header: CommandHeader, _ who: NaiveRights.Who) {
        if let answer = changed(by: operation, who) { return reply(header, answer) }
        switch operation {
        case .take, .reserve, .statement: begin(operation, header, who, nil)
        case .leave(let tuples): reply(header, leave(tuples, header, who))
        case .cancel(let sequence):
            cancel(header.session, sequence)
            reply(header, .done)
        case .release(let sequence):
            release(header.session, sequence)
            reply(header, .done)
        case .keyed(let key, let digest, let inner): keyed(header, who, key, digest, inner)
        default: reply(header, .refused)
        }
    }

    private mutating func keyed(
        _ header: CommandHeader, _ who: NaiveRights.Who, _ key: String, _ digest: [UInt8], _ operation: Operation
    ) {
        let name = who.name + "\u{0}" + key
        if let known = keys[name] {
            return reply(header, known.digest == digest ? known.reply : .failed(Failure(.idempotencyMismatch, "")))
        }
        if let place = waiters.firstIndex(where: { $0.keyed?.caller == who.name && $0.keyed?.key == key }) {
            guard waiters[place].keyed?.digest == digest else {
                return reply(header, .failed(Failure(.idempotencyMismatch, "")))
            }
            // The later command waits in the earlier one's place.
            let earlier = (waiters[place].session, waiters[place].sequence)
            waiters[place].session = header.session
            waiters[place].sequence = header.sequence
            sessions[header.session]?.replies.updateValue(nil, forKey: header.sequence)
            return settle(earlier.0, earlier.1, .failed(Failure(.superseded, "")))
        }
        if let answer = changed(by: operation, who) {
            if !answer.isFailure { keys[name] = (digest, answer) }
            return reply(header, answer)
        }
        switch operation {
        case .take(_, _, _, holds: false), .reserve, .statement:
            begin(operation, header, who, (who.name, key, digest))
        default: reply(header, .failed(Failure(.malformed, "")))
        }
    }

    mutating func noteWritten(_ tuple: Tuple, _ space: String) {
        // Who may what is said by tuples that mean the same each time.
        guard space != SimulatedClient.grants else { return }
        if !writtenTuples.insert(tuple).inserted { writtenTwice = writtenTwice ?? tuple }
    }
}

extension TupleSpace.Operation {
    /// What a cluster must have agreed on before this is in its log.
    fileprivate var neededLevel: UInt32 {
        switch self {
        case .writeLeased, .renew, .takeByID, .takeAll, .replace, .statement: 3
        case .take(_, let template, _, _):
            template.fields.contains { if case .regex = $0 { true } else { false } } ? 3 : 1
        case .reserve, .reservation, .leave, .setPolicy, .setToken, .removeToken: 4
        case .keyed(_, _, let inner): inner.neededLevel
        default: 1
        }
    }
}
