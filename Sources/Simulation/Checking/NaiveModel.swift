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
        /// A statement looks for what its guards do.
        var statement: Statement?
        var keyed: (caller: String, key: String, digest: [UInt8])?

        func wants(_ item: Item) -> Bool {
            statement.map { $0.naiveAlternative(for: item) != nil }
                ?? (space == item.space && naivelyMatches(template, item.tuple))
        }
    }

    struct SessionState {
        var timeout: UInt64
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
    var leaseTime: UInt64 = 0
    var wallStamp: UInt64 = 0
    var index: UInt64 = 0
    var ordinal: UInt32 = 0
    /// The first answer to each command that was ever decided.
    var answers: [CommandName: Answer] = [:]
    /// Log index at which each session ended.
    var ended: [SessionID: UInt64] = [:]
    /// The committed feature level.
    var level: UInt32 = 0

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

    private mutating func command(_ bytes: UnsafeRawBufferPointer) {
        var reader = ByteReader(bytes)
        guard let header = try? CommandHeader(from: &reader), let operation = try? Operation(from: &reader) else {
            return
        }
        guard header.session.rawValue != 0 else {
            if case .expireSessions(let list) = operation { end(list) }
            return
        }
        if operation.isOfLevel3, level < 3 {
            tooEarly = tooEarly ?? CommandName(session: header.session, sequence: header.sequence)
        }
        if case .openSession(let timeout) = operation { return open(header, timeout) }
        guard sessions[header.session] != nil else {
            return answer(header, .failed(Failure(.sessionExpired, "")))
        }
        acknowledge(header)
        guard let session = sessions[header.session] else { return }
        if session.isAcknowledged(header.sequence) {
            return answer(header, .failed(Failure(.alreadyAcknowledged, "")))
        }
        if session.replies[header.sequence] != nil { return }
        if case .acknowledge = operation { return answer(header, .done) }
        if case .endSession = operation {
            end([header.session])
            return answer(header, .done)
        }
        if !performed.insert(CommandName(session: header.session, sequence: header.sequence)).inserted {
            performedTwice = performedTwice ?? CommandName(session: header.session, sequence: header.sequence)
        }
        perform(operation, header)
    }

    private mutating func perform(_ operation: Operation, _ header: CommandHeader) {
        switch operation {
        case .openSession, .acknowledge, .endSession, .expireSessions, .raiseLevel:
            reply(header, .failed(Failure(.notAllowed, "")))
        case .write, .writeLeased, .renew, .takeByID, .takeAll, .replace: reply(header, change(operation))
        case .take, .statement: begin(operation, header, nil)
        case .cancel(let sequence):
            cancel(header.session, sequence)
            reply(header, .done)
        case .release(let sequence):
            release(header.session, sequence)
            reply(header, .done)
        // No simulated client makes one: the model beside the state machine's tests does.
        case .reserve, .reservation, .leave, .setPolicy, .setToken, .removeToken:
            reply(header, .failed(Failure(.unsupported, "")))
        case .keyed(let key, let digest, let inner): keyed(header, key, digest, inner)
        }
    }

    private mutating func keyed(_ header: CommandHeader, _ key: String, _ digest: [UInt8], _ operation: Operation) {
        let name = header.caller + "\u{0}" + key
        if let known = keys[name] {
            return reply(header, known.digest == digest ? known.reply : .failed(Failure(.idempotencyMismatch, "")))
        }
        if let place = waiters.firstIndex(where: { $0.keyed?.caller == header.caller && $0.keyed?.key == key }) {
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
        switch operation {
        case .write, .writeLeased, .renew, .takeByID, .takeAll, .replace:
            let answer = change(operation)
            keys[name] = (digest, answer)
            reply(header, answer)
        case .take(_, _, _, holds: false), .statement: begin(operation, header, (header.caller, key, digest))
        default: reply(header, .failed(Failure(.malformed, "")))
        }
    }

    mutating func noteWritten(_ tuple: Tuple) {
        if !writtenTuples.insert(tuple).inserted { writtenTwice = writtenTwice ?? tuple }
    }
}

extension TupleSpace.Operation {
    /// What older programs cannot apply.
    fileprivate var isOfLevel3: Bool {
        switch self {
        case .writeLeased, .renew, .takeByID, .takeAll, .replace, .statement: true
        case .take(_, let template, _, _): template.fields.contains { if case .regex = $0 { true } else { false } }
        case .keyed(_, _, let inner): inner.isOfLevel3
        default: false
        }
    }
}
