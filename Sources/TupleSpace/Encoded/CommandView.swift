import ByteCoding

/// The frame of a batch: version, two clocks, commands with their lengths.
enum BatchFrame {
    private static let headerBytes = 17

    static func isValid(_ batch: UnsafeRawBufferPointer) -> Bool {
        guard batch.count >= headerBytes, batch[0] == 1 else { return false }
        var scan = ByteScan(batch, at: headerBytes)
        while scan.remaining > 0 {
            guard scan.remaining >= 4 else { return false }
            let length = commandLength(&scan)
            guard length <= scan.remaining else { return false }
            scan.offset += length
        }
        return true
    }

    /// - Precondition: four bytes are there.
    static func commandLength(_ scan: inout ByteScan) -> Int {
        defer { scan.offset += 4 }
        return Int(UInt32(littleEndian: scan.bytes.loadUnaligned(fromByteOffset: scan.offset, as: UInt32.self)))
    }
}

/// A command as its bytes. It views the batch.
struct CommandView {
    var session: UInt64
    var sequence: UInt64
    var acknowledgedBelow: UInt64
    /// Varints.
    var acknowledged: UnsafeRawBufferPointer
    /// As it came: see `Credential`.
    var credential: UnsafeRawBufferPointer
    /// Who that is: `StateMachine.identify` says it.
    var who: Caller
    var operation: UnsafeRawBufferPointer

    var caller: UnsafeRawBufferPointer { who.name }

    /// Nil if the header is malformed. The operation is not looked at.
    init?(_ bytes: UnsafeRawBufferPointer) {
        var scan = ByteScan(bytes)
        session = scan.word()
        sequence = scan.word()
        acknowledgedBelow = scan.varint()
        let count = scan.varint()
        guard count <= UInt64(scan.remaining) else { return nil }
        let start = scan.offset
        for _ in 0..<count where !scan.failed { _ = scan.varint() }
        acknowledged = UnsafeRawBufferPointer(rebasing: bytes[start..<scan.offset])
        credential = scan.text()
        who = Caller(name: credential)
        guard !scan.failed else { return nil }
        operation = scan.rest
    }

    /// The credential is no mere name.
    var isMarked: Bool {
        credential.first == Credential.tokenMark || credential.first == Credential.operatorMark
    }

    var acknowledgesAny: Bool { acknowledgedBelow > 0 || !acknowledged.isEmpty }
}

/// A client's operation as its bytes. It owns nothing and is small, so that handing it on costs nothing.
enum OperationView {
    struct Write {
        var space: UnsafeRawBufferPointer
        /// Nil lasts for ever.
        var lease: UInt64?
        /// Checked, unless it exceeds the limit of bytes.
        var tuple: UnsafeRawBufferPointer
    }

    struct Renewal {
        var space: UnsafeRawBufferPointer
        var id: UInt64
        /// Nil lasts for ever.
        var lease: UInt64?
    }

    struct TakeAll {
        var space: UnsafeRawBufferPointer
        /// A page, which can be read, and the template.
        fileprivate var rest: UnsafeRawBufferPointer

        var parts: (page: Page, template: UnsafeRawBufferPointer)? {
            var reader = ByteReader(rest)
            guard let page = try? Page(from: &reader) else { return nil }
            return (page, UnsafeRawBufferPointer(rebasing: rest[reader.offset...]))
        }
    }

    struct Replacement {
        var space: UnsafeRawBufferPointer
        var id: UInt64
        /// Checked, unless it exceeds the limit of bytes.
        var tuple: UnsafeRawBufferPointer
    }

    struct Take {
        var space: UnsafeRawBufferPointer
        /// Nil waits for ever.
        var timeout: UInt64?
        var holds: Bool
        var template: UnsafeRawBufferPointer
    }

    struct Reserve {
        var take: Take
        /// Milliseconds.
        var reservation: UInt64
    }

    struct Keyed {
        var key: UnsafeRawBufferPointer
        var digest: UnsafeRawBufferPointer
        /// Can be read, and is no `keyed`.
        var operation: UnsafeRawBufferPointer
    }

    case openSession(timeout: UInt64)
    case endSession
    /// The leader's own.
    case expireSessions
    case write(Write)
    case take(Take)
    case renew(Renewal)
    case takeByID(space: UnsafeRawBufferPointer, id: UInt64)
    case takeAll(TakeAll)
    case replace(Replacement)
    /// Its bytes, which can be read.
    case statement(UnsafeRawBufferPointer)
    case reserve(Reserve)
    case reservation(id: UInt64, Operation.ReservationAction)
    /// The bytes, which can be read, of one that is rare, and so read in full when it is done.
    case rare(UnsafeRawBufferPointer)
    case cancel(sequence: UInt64)
    case release(sequence: UInt64)
    case acknowledge
    case keyed(Keyed)

    /// Nil if it is malformed: exactly when `Operation.init(from:)` throws or leaves bytes behind it, but for tuples above the limit.
    init?(_ bytes: UnsafeRawBufferPointer) {
        var scan = ByteScan(bytes)
        guard let operation = OperationView.scan(&scan, underKey: false), scan.endedWell else { return nil }
        self = operation
    }

    private static func scan(_ scan: inout ByteScan, underKey: Bool) -> OperationView? {
        switch scan.byte() {
        case OperationCode.openSession: return .openSession(timeout: scan.varint())
        case OperationCode.endSession: return .endSession
        case OperationCode.expireSessions:
            let count = scan.varint()
            guard count <= UInt64(scan.remaining / 8) else { return nil }
            for _ in 0..<count { _ = scan.word() }
            return .expireSessions
        case OperationCode.write:
            let space = scan.text()
            return .write(Write(space: space, lease: nil, tuple: scanTuple(&scan)))
        case OperationCode.writeLeased:
            let space = scan.text()
            let lease = scan.varint()
            return .write(Write(space: space, lease: lease, tuple: scanTuple(&scan)))
        case OperationCode.renew:
            let space = scan.text()
            let id = scan.word()
            return .renew(Renewal(space: space, id: id, lease: scanTimeout(&scan)))
        case OperationCode.takeByID:
            let space = scan.text()
            return .takeByID(space: space, id: scan.word())
        case OperationCode.takeAll:
            let space = scan.text()
            let rest = scan.rest
            var reader = ByteReader(scan.bytes, from: min(scan.offset, scan.bytes.count))
            guard !scan.failed, (try? Page(from: &reader)) != nil else { return nil }
            scan.offset = reader.offset
            EncodedTemplate.check(&scan)
            return .takeAll(TakeAll(space: space, rest: rest))
        case OperationCode.replace:
            let space = scan.text()
            let id = scan.word()
            return .replace(Replacement(space: space, id: id, tuple: scanTuple(&scan)))
        case OperationCode.take: return .take(scanTake(&scan))
        case OperationCode.reserve:
            let space = scan.text()
            let timeout = scanTimeout(&scan)
            let reservation = scan.varint()
            let template = scan.rest
            EncodedTemplate.check(&scan)
            return .reserve(
                Reserve(
                    take: Take(space: space, timeout: timeout, holds: true, template: template),
                    reservation: reservation))
        case OperationCode.reservation:
            let id = scan.word()
            var reader = ByteReader(scan.bytes, from: min(scan.offset, scan.bytes.count))
            guard !scan.failed, let action = try? Operation.ReservationAction(from: &reader) else { return nil }
            scan.offset = reader.offset
            return .reservation(id: id, action)
        case OperationCode.setPolicy, OperationCode.leave, OperationCode.setToken, OperationCode.removeToken,
            OperationCode.raiseLevel:
            var reader = ByteReader(scan.bytes, from: scan.offset - 1)
            guard (try? Operation(from: &reader)) != nil else { return nil }
            defer { scan.offset = reader.offset }
            return .rare(UnsafeRawBufferPointer(rebasing: scan.bytes[(scan.offset - 1)..<reader.offset]))
        case OperationCode.statement:
            let bytes = scan.rest
            guard Statement(encoded: bytes) != nil else { return nil }
            scan.offset = scan.bytes.count
            return .statement(bytes)
        case OperationCode.cancel: return .cancel(sequence: scan.varint())
        case OperationCode.release: return .release(sequence: scan.varint())
        case OperationCode.acknowledge: return .acknowledge
        case OperationCode.keyed where !underKey:
            let key = scan.text()
            let digest = scan.prefixed()
            let operation = scan.rest
            guard self.scan(&scan, underKey: true) != nil else { return nil }
            return .keyed(Keyed(key: key, digest: digest, operation: operation))
        default: return nil
        }
    }

    private static func scanTuple(_ scan: inout ByteScan) -> UnsafeRawBufferPointer {
        let tuple = scan.rest
        if tuple.count <= Limits.tupleBytes { EncodedTuple.check(&scan) } else { scan.offset = scan.bytes.count }
        return tuple
    }

    /// Nil is for ever.
    private static func scanTimeout(_ scan: inout ByteScan) -> UInt64? {
        let kind = scan.byte()
        if kind > 1 { scan.fail() }
        return kind == 0 ? scan.varint() : nil
    }

    private static func scanTake(_ scan: inout ByteScan) -> Take {
        let space = scan.text()
        let timeout = scanTimeout(&scan)
        let holds = scan.byte()
        if holds > 1 { scan.fail() }
        let template = scan.rest
        EncodedTemplate.check(&scan)
        return Take(space: space, timeout: timeout, holds: holds == 1, template: template)
    }

    /// Whether it may come under an idempotency key.
    var isKeyable: Bool {
        switch self {
        case .take(let take): !take.holds
        case .rare(let bytes): ![OperationCode.leave, OperationCode.raiseLevel].contains(bytes[0])
        case .openSession, .endSession, .expireSessions, .cancel, .release,
            .acknowledge, .keyed:
            false
        default: true
        }
    }
}

extension Operation {
    /// Nil unless all of the bytes are one.
    init?(encoded bytes: UnsafeRawBufferPointer) {
        var reader = ByteReader(bytes)
        guard let operation = try? Operation(from: &reader), reader.isAtEnd else { return nil }
        self = operation
    }
}

extension Failure {
    /// Why these bytes are no operation.
    static func malformed(_ operation: UnsafeRawBufferPointer) -> Failure {
        var reader = ByteReader(operation)
        do {
            _ = try Operation(from: &reader)
            try reader.requireEnd("operation")
        } catch {
            return Failure(.malformed, error.description)
        }
        return Failure(.malformed, "malformed operation")
    }
}
