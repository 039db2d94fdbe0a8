import ByteCoding
import DequeModule

/// The kinds of blocks that a snapshot stream is made of; see docs/formats/tuples.md.
enum ImageBlock: UInt8 {
    case end = 0
    case header, spaces, tuples, waiters, keys, session, commands, events, endedSessions
    case policies, tokens, reservations, failureTuples
}

enum ImageFormat {
    static let magic: [UInt8] = Array("starling tuples\n".utf8)
    static let version: UInt32 = 1
    /// A block is closed when it has this many bytes; a single record may make it longer.
    static let blockBytes = 64 << 10
    /// The longest block that is read: a record of 1 MiB, what stands around it, and a block before it.
    static let longestBlock = Limits.tupleBytes + 1 << 20
    static let pieceBytes = 256 << 10
    /// Of a tuple.
    static let heldFlag: UInt8 = 1
    static let leasedFlag: UInt8 = 2
}

extension StateMachine {
    /// A picture of the state, made in constant time and independent of what is applied afterwards.
    ///
    /// It shares all memory with the state machine. The next change copies the lists of slabs and the table of sessions (a
    /// millisecond at their limits) and then each slab that it touches, 64 KiB at a time.
    public func capture() -> StateImage { StateImage(self) }
}

/// Everything replicated, frozen. Encoded piece by piece on another thread while the state machine goes on.
public struct StateImage: Sendable {
    public let appliedIndex: UInt64
    let leaseTime: UInt64
    let wallStamp: UInt64
    let decisions: StableHash
    let lastTupleID: UInt64
    let lastWaiterID: UInt64
    let lastKeyID: UInt64
    let spaces: ContiguousArray<[UInt8]>
    let tuples: SlabStore
    let waiters: SlabStore
    let keys: SlabStore
    let sessions: SessionTable
    let ring: EventRing
    let featureLevel: UInt32
    let rights: RightsTable
    let reservations: ReservationTable
    let testaments: FailureTuples

    init(_ machine: StateMachine) {
        appliedIndex = machine.appliedIndex
        leaseTime = machine.leaseTime
        wallStamp = machine.wallStamp
        decisions = machine.decisions
        lastTupleID = machine.lastTupleID
        lastWaiterID = machine.lastWaiterID
        lastKeyID = machine.keys.lastID
        spaces = machine.tuples.spaces.names
        tuples = machine.tuples.records
        waiters = machine.waiters.records
        keys = machine.keys.records
        sessions = machine.table
        ring = machine.ring
        featureLevel = machine.featureLevel
        rights = machine.rights
        reservations = machine.reservations
        testaments = machine.testaments
    }

    /// Calls `emit` with consecutive pieces of at most about 256 KiB. The state machine restored from them is equal in everything, and
    /// equal states make equal streams.
    public func encode(_ emit: (UnsafeRawBufferPointer) throws -> Void) rethrows {
        var blocks = BlockWriter()
        blocks.begin(.header)
        for number in [
            appliedIndex, leaseTime, wallStamp, decisions.value, lastTupleID, lastWaiterID, lastKeyID,
            UInt64(tuples.count), UInt64(waiters.count), UInt64(keys.count), UInt64(sessions.count),
        ] { blocks.writer.write(number) }
        ring.firstResumable.encode(into: &blocks.writer)
        ring.last.encode(into: &blocks.writer)
        // Programs of lower levels read nothing behind it.
        if featureLevel >= FeatureLevels.rights { blocks.writer.write(featureLevel) }
        for name in spaces {
            try blocks.begin(.spaces, emit)
            blocks.writer.writePrefixed(name)
        }
        try tuples.forEach { id, space, held, bytes, leaseEnd in
            try blocks.begin(.tuples, emit)
            blocks.writer.write(id)
            blocks.writer.writeVarint(UInt64(space))
            blocks.writer.write((held ? ImageFormat.heldFlag : 0) | (leaseEnd == nil ? 0 : ImageFormat.leasedFlag))
            blocks.writer.writePrefixed(bytes)
            if let leaseEnd { blocks.writer.write(leaseEnd) }
        }
        for (records, block) in [(waiters, ImageBlock.waiters), (keys, .keys)] {
            try records.forEach { id, _, _, bytes, _ in
                try blocks.begin(block, emit)
                blocks.writer.write(id)
                blocks.writer.writePrefixed(bytes)
                // Where a waiter stands in the index is found anew.
                if block == .waiters { blocks.clearWord(bytes.count - WaiterView.indexKeyOffset) }
            }
        }
        for id in sessions.ids { try encodeSession(id, into: &blocks, emit) }
        for chunk in ring.chunks {
            blocks.begin(.events)
            chunk.bytes.withUnsafeBytes { blocks.writer.write(raw: $0) }
            try blocks.flush(emit)
        }
        for id in sessions.ended.ids {
            try blocks.begin(.endedSessions, emit)
            blocks.writer.write(id)
        }
        try encodeRights(into: &blocks, emit)
        blocks.begin(.end)
        try blocks.finish(emit)
    }

    private func encodeRights(
        into blocks: inout BlockWriter, _ emit: (UnsafeRawBufferPointer) throws -> Void
    ) rethrows {
        if let policy = rights.fallback {
            try blocks.begin(.policies, emit)
            blocks.writer.write("")
            policy.encode(into: &blocks.writer)
        }
        for (space, policy) in rights.policies.sorted(by: { $0.key < $1.key }) {
            try blocks.begin(.policies, emit)
            blocks.writer.writePrefixed(spaces[Int(space)])
            policy.encode(into: &blocks.writer)
        }
        for token in rights.tokens.values.sorted(by: { $0.digest < $1.digest }) {
            try blocks.begin(.tokens, emit)
            token.encode(into: &blocks.writer)
        }
        for id in reservations.ids {
            guard let reservation = reservations[id] else { continue }
            try blocks.begin(.reservations, emit)
            blocks.writer.write(id)
            blocks.writer.write(reservation.tuple)
            blocks.writer.write(reservation.end)
            blocks.writer.writePrefixed(reservation.caller)
        }
        for session in testaments.sessions {
            guard let testament = testaments[session] else { continue }
            try blocks.begin(.failureTuples, emit)
            blocks.writer.write(session)
            blocks.writer.writePrefixed(testament.credential)
            blocks.writer.writeVarint(UInt64(testament.tuples.count))
            for tuple in testament.tuples { tuple.encode(into: &blocks.writer) }
        }
    }

    private func encodeSession(
        _ id: UInt64, into blocks: inout BlockWriter, _ emit: (UnsafeRawBufferPointer) throws -> Void
    ) rethrows {
        guard let slot = sessions.slot(of: id) else { return }
        let session = sessions[slot]
        try blocks.flush(emit)
        blocks.begin(.session)
        blocks.writer.write(id)
        blocks.writer.write(session.timeoutMilliseconds)
        blocks.writer.writePrefixed(session.caller)
        blocks.writer.write(session.floor)
        blocks.writer.writeVarint(UInt64(session.ranges.count))
        for range in session.ranges {
            blocks.writer.write(range.lowerBound)
            blocks.writer.write(range.upperBound)
        }
        for command in session.window {
            try blocks.begin(.commands, emit)
            blocks.writer.write(command.sequence)
            command.outcome.encode(into: &blocks.writer)
        }
    }
}

/// Gathers records into blocks, and blocks into pieces.
private struct BlockWriter {
    var writer = ByteWriter(reserving: ImageFormat.pieceBytes)
    private var open: (block: ImageBlock, start: Int)?

    init() {
        writer.write(raw: ImageFormat.magic)
        writer.write(ImageFormat.version)
    }

    /// Closes the open block and begins one.
    mutating func begin(_ block: ImageBlock) {
        close()
        writer.write(block.rawValue)
        writer.write(UInt32(0))
        open = (block, writer.count)
    }

    /// Goes on with the block if it is of this kind and not full, else begins one; emits what is enough.
    mutating func begin(_ block: ImageBlock, _ emit: (UnsafeRawBufferPointer) throws -> Void) rethrows {
        if let open, open.block == block, writer.count - open.start < ImageFormat.blockBytes { return }
        try flush(emit)
        begin(block)
    }

    private mutating func close() {
        guard let open else { return }
        writer.patch(UInt32(writer.count - open.start), at: open.start - 4)
        self.open = nil
    }

    mutating func clearWord(_ distanceFromEnd: Int) {
        let start = writer.count - distanceFromEnd
        for i in 0..<8 { writer.bytes[start + i] = 0 }
    }

    /// Closes the open block, and emits when there is enough for a piece.
    mutating func flush(_ emit: (UnsafeRawBufferPointer) throws -> Void) rethrows {
        close()
        if writer.count >= ImageFormat.pieceBytes - 2 * ImageFormat.blockBytes { try emitAll(emit) }
    }

    mutating func finish(_ emit: (UnsafeRawBufferPointer) throws -> Void) rethrows {
        close()
        try emitAll(emit)
    }

    private mutating func emitAll(_ emit: (UnsafeRawBufferPointer) throws -> Void) rethrows {
        try writer.bytes.withUnsafeBytes { bytes in
            var start = 0
            while start < bytes.count {
                let end = min(bytes.count, start + ImageFormat.pieceBytes)
                try emit(UnsafeRawBufferPointer(rebasing: bytes[start..<end]))
                start = end
            }
        }
        writer.reset()
    }
}

extension Outcome {
    private enum Code {
        static let pending: UInt8 = 0
        static let done: UInt8 = 1
        static let noMatch: UInt8 = 2
        static let written: UInt8 = 3
        static let held: UInt8 = 4
        static let encoded: UInt8 = 5
    }

    func encode(into writer: inout ByteWriter) {
        switch self {
        case .pending(let waiter):
            writer.write(Code.pending)
            writer.write(waiter)
        case .done: writer.write(Code.done)
        case .noMatch: writer.write(Code.noMatch)
        case .written(let id, let position):
            writer.write(Code.written)
            writer.write(id)
            position.encode(into: &writer)
        case .held(let id, let position):
            writer.write(Code.held)
            writer.write(id)
            position.encode(into: &writer)
        case .encoded(let bytes):
            writer.write(Code.encoded)
            writer.writePrefixed(bytes)
        }
    }

    init(from reader: inout ByteReader) throws(MalformedBytes) {
        let start = reader.offset
        switch try reader.readByte("outcome") {
        case Code.pending: self = .pending(waiter: try reader.readUInt64("waiter"))
        case Code.done: self = .done
        case Code.noMatch: self = .noMatch
        case Code.written: self = .written(id: try reader.readUInt64("tuple id"), try Position(from: &reader))
        case Code.held: self = .held(id: try reader.readUInt64("tuple id"), try Position(from: &reader))
        case Code.encoded:
            let raw = try reader.readPrefixed("reply")
            var inner = ByteReader(raw)
            _ = try Reply(from: &inner)
            try inner.requireEnd("reply")
            self = .encoded([UInt8](raw))
        default: throw MalformedBytes("unknown outcome", at: start)
        }
    }
}
