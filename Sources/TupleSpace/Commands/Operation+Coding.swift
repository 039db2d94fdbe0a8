import ByteCoding

/// The first byte of an encoded operation.
enum OperationCode {
    static let openSession: UInt8 = 1
    static let endSession: UInt8 = 2
    static let expireSessions: UInt8 = 3
    static let write: UInt8 = 4
    static let take: UInt8 = 5
    static let cancel: UInt8 = 6
    static let release: UInt8 = 7
    static let acknowledge: UInt8 = 8
    static let keyed: UInt8 = 9
    static let writeLeased: UInt8 = 10
    static let renew: UInt8 = 11
    static let takeByID: UInt8 = 12
    static let takeAll: UInt8 = 13
    static let replace: UInt8 = 14
    static let statement: UInt8 = 15
    static let setPolicy: UInt8 = 16
    static let leave: UInt8 = 17
    static let setToken: UInt8 = 18
    static let removeToken: UInt8 = 19
    static let reserve: UInt8 = 20
    static let reservation: UInt8 = 21
    static let raiseLevel: UInt8 = 22
}

extension Operation {
    public func encode(into writer: inout ByteWriter) {
        switch self {
        case .openSession(let timeout):
            writer.write(OperationCode.openSession)
            writer.writeVarint(timeout)
        case .endSession: writer.write(OperationCode.endSession)
        case .expireSessions(let sessions):
            writer.write(OperationCode.expireSessions)
            writer.writeVarint(UInt64(sessions.count))
            for session in sessions { writer.write(session.rawValue) }
        case .raiseLevel(let level):
            writer.write(OperationCode.raiseLevel)
            writer.write(level)
        case .write(let space, let tuple):
            writer.write(OperationCode.write)
            writer.write(space)
            tuple.encode(into: &writer)
        case .writeLeased(let space, let tuple, let lease):
            writer.write(OperationCode.writeLeased)
            writer.write(space)
            writer.writeVarint(lease)
            tuple.encode(into: &writer)
        case .renew(let space, let id, let lease):
            writer.write(OperationCode.renew)
            writer.write(space)
            writer.write(id.rawValue)
            lease.encode(into: &writer)
        case .takeByID(let space, let id):
            writer.write(OperationCode.takeByID)
            writer.write(space)
            writer.write(id.rawValue)
        case .takeAll(let space, let template, let page):
            writer.write(OperationCode.takeAll)
            writer.write(space)
            page.encode(into: &writer)
            template.encode(into: &writer)
        case .replace(let space, let id, let tuple):
            writer.write(OperationCode.replace)
            writer.write(space)
            writer.write(id.rawValue)
            tuple.encode(into: &writer)
        case .take(let space, let template, let timeout, let holds):
            writer.write(OperationCode.take)
            writer.write(space)
            timeout.encode(into: &writer)
            writer.write(holds)
            template.encode(into: &writer)
        case .cancel(let sequence):
            writer.write(OperationCode.cancel)
            writer.writeVarint(sequence)
        case .release(let sequence):
            writer.write(OperationCode.release)
            writer.writeVarint(sequence)
        case .statement(let statement):
            writer.write(OperationCode.statement)
            statement.encode(into: &writer)
        case .reserve(let space, let template, let timeout, let reservation):
            writer.write(OperationCode.reserve)
            writer.write(space)
            timeout.encode(into: &writer)
            writer.writeVarint(reservation)
            template.encode(into: &writer)
        case .reservation(let id, let action):
            writer.write(OperationCode.reservation)
            writer.write(id.rawValue)
            action.encode(into: &writer)
        case .leave(let tuples):
            writer.write(OperationCode.leave)
            writer.writeVarint(UInt64(tuples.count))
            for tuple in tuples { tuple.encode(into: &writer) }
        case .setPolicy(let space, let policy):
            writer.write(OperationCode.setPolicy)
            writer.write(space)
            writer.write(policy != nil)
            policy?.encode(into: &writer)
        case .setToken(let token):
            writer.write(OperationCode.setToken)
            token.encode(into: &writer)
        case .removeToken(let digest):
            writer.write(OperationCode.removeToken)
            writer.write(digest.text)
        case .acknowledge: writer.write(OperationCode.acknowledge)
        case .keyed(let key, let digest, let operation):
            writer.write(OperationCode.keyed)
            writer.write(key)
            writer.writePrefixed(digest)
            operation.encode(into: &writer)
        }
    }

    public init(from reader: inout ByteReader) throws(MalformedBytes) {
        self = try Operation.decode(&reader, underKey: false)
    }

    private static func decode(_ reader: inout ByteReader, underKey: Bool) throws(MalformedBytes) -> Operation {
        let start = reader.offset
        switch try reader.readByte("operation") {
        case OperationCode.openSession: return .openSession(timeoutMilliseconds: try reader.readVarint("time-out"))
        case OperationCode.endSession: return .endSession
        case OperationCode.expireSessions:
            var sessions: [SessionID] = []
            for _ in 0..<(try reader.readCount(of: "sessions", minimumBytes: 8)) {
                sessions.append(SessionID(try reader.readUInt64("session")))
            }
            return .expireSessions(sessions)
        case OperationCode.raiseLevel: return .raiseLevel(try reader.readUInt32("feature level"))
        case OperationCode.write:
            return .write(space: try reader.readString("space"), tuple: try Tuple(from: &reader))
        case OperationCode.take:
            let space = try reader.readString("space")
            let timeout = try Timeout(from: &reader)
            let holds = try reader.readBool("holds")
            return .take(space: space, template: try Template(from: &reader), timeout: timeout, holds: holds)
        case OperationCode.writeLeased:
            let space = try reader.readString("space")
            let lease = try reader.readVarint("lease")
            return .writeLeased(space: space, tuple: try Tuple(from: &reader), leaseMilliseconds: lease)
        case OperationCode.renew:
            let space = try reader.readString("space")
            let id = TupleID(try reader.readUInt64("tuple id"))
            return .renew(space: space, id: id, lease: try Timeout(from: &reader))
        case OperationCode.takeByID:
            let space = try reader.readString("space")
            return .takeByID(space: space, id: TupleID(try reader.readUInt64("tuple id")))
        case OperationCode.takeAll:
            let space = try reader.readString("space")
            let page = try Page(from: &reader)
            return .takeAll(space: space, template: try Template(from: &reader), page: page)
        case OperationCode.replace:
            let space = try reader.readString("space")
            let id = TupleID(try reader.readUInt64("tuple id"))
            return .replace(space: space, id: id, tuple: try Tuple(from: &reader))
        case OperationCode.cancel: return .cancel(sequence: try reader.readVarint("sequence number"))
        case OperationCode.release: return .release(sequence: try reader.readVarint("sequence number"))
        case OperationCode.statement: return .statement(try Statement(from: &reader))
        case OperationCode.reserve:
            let space = try reader.readString("space")
            let timeout = try Timeout(from: &reader)
            let reservation = try reader.readVarint("reservation")
            return .reserve(
                space: space, template: try Template(from: &reader), timeout: timeout,
                reservationMilliseconds: reservation)
        case OperationCode.reservation:
            let id = ReservationID(try reader.readUInt64("reservation"))
            return .reservation(id, try ReservationAction(from: &reader))
        case OperationCode.leave:
            var tuples: [FailureTuple] = []
            for _ in 0..<(try reader.readCount(of: "failure tuples", minimumBytes: 4)) {
                tuples.append(try FailureTuple(from: &reader))
            }
            return .leave(tuples)
        case OperationCode.setPolicy:
            let space = try reader.readString("space")
            return .setPolicy(space: space, try reader.readBool("policy") ? try Policy(from: &reader) : nil)
        case OperationCode.setToken: return .setToken(try TokenRecord(from: &reader))
        case OperationCode.removeToken: return .removeToken(try TokenDigest(from: &reader))
        case OperationCode.acknowledge: return .acknowledge
        case OperationCode.keyed:
            guard !underKey else { throw MalformedBytes("an idempotency key under another", at: start) }
            let key = try reader.readString("idempotency key")
            let digest = try reader.readPrefixedArray("digest")
            return .keyed(key: key, digest: digest, try decode(&reader, underKey: true))
        default: throw MalformedBytes("unknown operation", at: start)
        }
    }
}

extension Operation.ReservationAction {
    private enum Code {
        static let complete: UInt8 = 0
        static let extend: UInt8 = 1
        static let release: UInt8 = 2
    }

    fileprivate func encode(into writer: inout ByteWriter) {
        switch self {
        case .complete: writer.write(Code.complete)
        case .extend(let milliseconds):
            writer.write(Code.extend)
            writer.writeVarint(milliseconds)
        case .release: writer.write(Code.release)
        }
    }

    init(from reader: inout ByteReader) throws(MalformedBytes) {
        let start = reader.offset
        switch try reader.readByte("action") {
        case Code.complete: self = .complete
        case Code.extend: self = .extend(milliseconds: try reader.readVarint("reservation"))
        case Code.release: self = .release
        default: throw MalformedBytes("unknown action on a reservation", at: start)
        }
    }
}

extension FailureTuple {
    func encode(into writer: inout ByteWriter) {
        writer.write(space)
        lease.encode(into: &writer)
        tuple.encode(into: &writer)
    }

    init(from reader: inout ByteReader) throws(MalformedBytes) {
        space = try reader.readString("space")
        lease = try Timeout(from: &reader)
        tuple = try Tuple(from: &reader)
    }
}

extension Timeout {
    /// 0 and a varint of milliseconds, or 1 for ever.
    public func encode(into writer: inout ByteWriter) {
        switch self {
        case .milliseconds(let milliseconds):
            writer.write(UInt8(0))
            writer.writeVarint(milliseconds)
        case .forever: writer.write(UInt8(1))
        }
    }

    public init(from reader: inout ByteReader) throws(MalformedBytes) {
        self = try reader.readBool("time-out") ? .forever : .milliseconds(try reader.readVarint("time-out"))
    }
}
