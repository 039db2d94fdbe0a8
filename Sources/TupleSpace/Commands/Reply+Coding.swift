import ByteCoding

/// The first byte of an encoded reply.
enum ReplyCode {
    static let done: UInt8 = 0
    static let written: UInt8 = 1
    static let found: UInt8 = 2
    static let noMatch: UInt8 = 3
    static let tuples: UInt8 = 4
    static let count: UInt8 = 5
    static let failed: UInt8 = 6
    static let statement: UInt8 = 7
    static let reserved: UInt8 = 8
    static let spaces: UInt8 = 9
    static let policy: UInt8 = 10
    static let tokens: UInt8 = 11
}

extension Reply {
    public func encode(into writer: inout ByteWriter) {
        switch self {
        case .done: writer.write(ReplyCode.done)
        case .written(let id, let position):
            writer.write(ReplyCode.written)
            writer.write(id.rawValue)
            position.encode(into: &writer)
        case .found(let stored, let position):
            writer.write(ReplyCode.found)
            writer.write(stored.id.rawValue)
            position.encode(into: &writer)
            stored.tuple.encode(into: &writer)
        case .noMatch: writer.write(ReplyCode.noMatch)
        case .tuples(let tuples, let more):
            writer.write(ReplyCode.tuples)
            writer.write(more)
            writer.write(UInt32(tuples.count))
            for stored in tuples { stored.encode(into: &writer) }
        case .count(let count):
            writer.write(ReplyCode.count)
            writer.write(count)
        case .statement(let alternative, let results):
            writer.write(ReplyCode.statement)
            writer.write(UInt8(clamping: alternative))
            writer.writeVarint(UInt64(results.count))
            for result in results { result.encode(into: &writer) }
        case .reserved(let reservation, let stored, let position):
            writer.write(ReplyCode.reserved)
            writer.write(reservation.rawValue)
            writer.write(stored.id.rawValue)
            position.encode(into: &writer)
            stored.tuple.encode(into: &writer)
        case .spaces(let spaces, let more):
            writer.write(ReplyCode.spaces)
            writer.write(more)
            writer.writeVarint(UInt64(spaces.count))
            for space in spaces { space.encode(into: &writer) }
        case .policy(let policy):
            writer.write(ReplyCode.policy)
            writer.write(policy != nil)
            policy?.encode(into: &writer)
        case .tokens(let tokens, let more):
            writer.write(ReplyCode.tokens)
            writer.write(more)
            writer.writeVarint(UInt64(tokens.count))
            for token in tokens { token.encode(into: &writer) }
        case .failed(let failure):
            writer.write(ReplyCode.failed)
            failure.encode(into: &writer)
        }
    }

    public init(from reader: inout ByteReader) throws(MalformedBytes) {
        self = try Reply.decode(&reader, inStatement: false)
    }

    private static func decode(_ reader: inout ByteReader, inStatement: Bool) throws(MalformedBytes) -> Reply {
        let start = reader.offset
        switch try reader.readByte("reply") {
        case ReplyCode.done: return .done
        case ReplyCode.written:
            let id = TupleID(try reader.readUInt64("tuple id"))
            return .written(id: id, position: try Position(from: &reader))
        case ReplyCode.found:
            let id = TupleID(try reader.readUInt64("tuple id"))
            let position = try Position(from: &reader)
            return .found(StoredTuple(id: id, tuple: try Tuple(from: &reader)), position: position)
        case ReplyCode.noMatch: return .noMatch
        case ReplyCode.tuples:
            let more = try reader.readBool("more")
            let count = try reader.readUInt32("count of tuples")
            guard UInt64(count) * 10 <= UInt64(reader.remaining) else {
                throw MalformedBytes("count of tuples exceeds the bytes that follow", at: start)
            }
            var tuples: [StoredTuple] = []
            tuples.reserveCapacity(Int(count))
            for _ in 0..<count { tuples.append(try StoredTuple(from: &reader)) }
            return .tuples(tuples, more: more)
        case ReplyCode.count: return .count(try reader.readUInt64("count"))
        case ReplyCode.failed: return .failed(try Failure(from: &reader))
        case ReplyCode.reserved:
            let reservation = ReservationID(try reader.readUInt64("reservation"))
            let id = TupleID(try reader.readUInt64("tuple id"))
            let position = try Position(from: &reader)
            return .reserved(reservation, StoredTuple(id: id, tuple: try Tuple(from: &reader)), position: position)
        case ReplyCode.spaces:
            let more = try reader.readBool("more")
            var spaces: [SpaceSummary] = []
            for _ in 0..<(try reader.readCount(of: "spaces", minimumBytes: 10)) {
                spaces.append(try SpaceSummary(from: &reader))
            }
            return .spaces(spaces, more: more)
        case ReplyCode.policy: return .policy(try reader.readBool("policy") ? try Policy(from: &reader) : nil)
        case ReplyCode.tokens:
            let more = try reader.readBool("more")
            var tokens: [TokenRecord] = []
            for _ in 0..<(try reader.readCount(of: "tokens", minimumBytes: 66)) {
                tokens.append(try TokenRecord(from: &reader))
            }
            return .tokens(tokens, more: more)
        case ReplyCode.statement where !inStatement:
            let alternative = Int(try reader.readByte("alternative"))
            let count = try reader.readCount(of: "results")
            guard count <= Limits.steps + 1 else { throw MalformedBytes("results of a statement", at: start) }
            var results: [Reply] = []
            for _ in 0..<count { results.append(try decode(&reader, inStatement: true)) }
            return .statement(alternative: alternative, results: results)
        default: throw MalformedBytes("unknown reply", at: start)
        }
    }
}

extension Position {
    public func encode(into writer: inout ByteWriter) {
        writer.write(index)
        writer.write(ordinal)
    }

    public init(from reader: inout ByteReader) throws(MalformedBytes) {
        self.init(index: try reader.readUInt64("log index"), ordinal: try reader.readUInt32("ordinal"))
    }
}

extension SpaceSummary {
    fileprivate func encode(into writer: inout ByteWriter) {
        writer.write(name)
        writer.write(tuples)
        writer.write(hasPolicy)
    }

    fileprivate init(from reader: inout ByteReader) throws(MalformedBytes) {
        self.init(
            name: try reader.readString("space"), tuples: try reader.readUInt64("count"),
            hasPolicy: try reader.readBool("policy"))
    }
}

extension StoredTuple {
    public func encode(into writer: inout ByteWriter) {
        writer.write(id.rawValue)
        tuple.encode(into: &writer)
    }

    public init(from reader: inout ByteReader) throws(MalformedBytes) {
        self.init(id: TupleID(try reader.readUInt64("tuple id")), tuple: try Tuple(from: &reader))
    }
}

extension Failure {
    public func encode(into writer: inout ByteWriter) {
        writer.write(code.wireCode)
        writer.write(message)
    }

    public init(from reader: inout ByteReader) throws(MalformedBytes) {
        let start = reader.offset
        guard let code = Code(wireCode: try reader.readByte("failure code")) else {
            throw MalformedBytes("unknown failure code", at: start)
        }
        self.init(code, try reader.readString("failure message"))
    }
}

extension Failure.Code {
    /// The number on the wire and in snapshots. Never reused; 0 is none.
    public var wireCode: UInt8 {
        switch self {
        case .malformed: 1
        case .unsupported: 2
        case .tupleTooLarge: 3
        case .invalidTuple: 4
        case .invalidTemplate: 5
        case .invalidSpace: 6
        case .templateTooBroad: 7
        case .sessionExpired: 8
        case .sessionWindowFull: 9
        case .alreadyAcknowledged: 10
        case .tooManySessions: 11
        case .tooManyWaiters: 12
        case .tooManySpaces: 13
        case .idempotencyMismatch: 14
        case .idempotencyFull: 15
        case .superseded: 16
        case .positionGone: 17
        case .busy: 18
        case .noLeader: 19
        case .diskFull: 20
        case .outcomeUnknown: 21
        case .notAllowed: 22
        case .statementFailed: 23
        case .limitReached: 24
        case .unknownToken: 25
        }
    }

    private static let byWireCode: [UInt8: Self] = Dictionary(
        uniqueKeysWithValues: Self.allCases.map { ($0.wireCode, $0) })

    public init?(wireCode: UInt8) {
        guard let code = Self.byWireCode[wireCode] else { return nil }
        self = code
    }
}
