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
    var caller: UnsafeRawBufferPointer
    var operation: UnsafeRawBufferPointer

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
        caller = scan.text()
        guard !scan.failed else { return nil }
        operation = scan.rest
    }

    var acknowledgesAny: Bool { acknowledgedBelow > 0 || !acknowledged.isEmpty }
}

/// A client's operation as its bytes.
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
        var page: Page
        var template: UnsafeRawBufferPointer
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

    struct Keyed {
        enum Inner {
            case write(Write)
            case take(Take)
            case renew(Renewal)
            case takeByID(space: UnsafeRawBufferPointer, id: UInt64)
            case takeAll(TakeAll)
            case replace(Replacement)
            case statement(UnsafeRawBufferPointer)
            /// Something that does not go under a key.
            case other

            var isKeyable: Bool {
                switch self {
                case .take(let take): !take.holds
                case .other: false
                default: true
                }
            }
        }

        var key: UnsafeRawBufferPointer
        var digest: UnsafeRawBufferPointer
        var inner: Inner
    }

    case openSession(timeout: UInt64)
    case endSession
    case expireSessions([UInt64])
    case write(Write)
    case take(Take)
    case renew(Renewal)
    case takeByID(space: UnsafeRawBufferPointer, id: UInt64)
    case takeAll(TakeAll)
    case replace(Replacement)
    /// Its bytes, which can be read.
    case statement(UnsafeRawBufferPointer)
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
            return .expireSessions((0..<count).map { _ in scan.word() })
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
            var reader = ByteReader(scan.bytes, from: min(scan.offset, scan.bytes.count))
            guard !scan.failed, let page = try? Page(from: &reader) else { return nil }
            scan.offset = reader.offset
            let template = scan.rest
            EncodedTemplate.check(&scan)
            return .takeAll(TakeAll(space: space, page: page, template: template))
        case OperationCode.replace:
            let space = scan.text()
            let id = scan.word()
            return .replace(Replacement(space: space, id: id, tuple: scanTuple(&scan)))
        case OperationCode.take: return .take(scanTake(&scan))
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
            guard let inner = self.scan(&scan, underKey: true) else { return nil }
            return .keyed(Keyed(key: key, digest: digest, inner: inner.asInner))
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

    private var asInner: Keyed.Inner {
        switch self {
        case .write(let write): .write(write)
        case .take(let take): .take(take)
        case .renew(let renewal): .renew(renewal)
        case .takeByID(let space, let id): .takeByID(space: space, id: id)
        case .takeAll(let takeAll): .takeAll(takeAll)
        case .replace(let replacement): .replace(replacement)
        case .statement(let bytes): .statement(bytes)
        case .openSession, .endSession, .expireSessions, .cancel, .release, .acknowledge, .keyed: .other
        }
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
