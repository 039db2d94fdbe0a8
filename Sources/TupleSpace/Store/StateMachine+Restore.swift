import ByteCoding

extension StateMachine {
    /// The index of a large state while it is rebuilt: half of the work of restoring, and one that waits for memory. Whoever has a second
    /// processor does it there, with what `Restorer.takeUnindexed` gives, while the restorer reads on.
    public struct IndexBuild: Sendable {
        fileprivate var index: TupleIndex
        fileprivate var count = 0
        /// Without meaning: kept so that the memory is read.
        private var touched: UInt64 = 0

        /// - Parameter expected: how many tuples to make room for.
        public init(expecting expected: Int) { index = TupleIndex(expecting: expected) }

        public mutating func add(_ tuples: UnindexedTuples) {
            touched ^= index.insert(tuples)
            count += tuples.count
        }
    }

    /// Rebuilds from what `StateImage.encode` emitted, piece by piece in the same order and whatever sizes; indexes are rebuilt in bulk.
    public struct Restorer {
        /// What has come and is not yet a whole block.
        private var pending: [UInt8] = []
        private var hasPreamble = false
        private var build: StateBuild

        /// - Parameter indexesApart: somebody else indexes the tuples, and `finish` gets the index.
        public init(indexesApart: Bool = false, mutations: TupleMutations = []) {
            build = StateBuild(indexesApart: indexesApart, mutations: mutations)
        }

        /// How many tuples the snapshot says it has, as far as one should believe it; 0 before it has said so.
        public var expectedTuples: Int { build.expectedTuples }

        /// The tuples that have come since it was last called, in order; to be indexed apart.
        public mutating func takeUnindexed() -> UnindexedTuples? { build.takeUnindexed() }

        public mutating func consume(_ piece: UnsafeRawBufferPointer) throws(MalformedBytes) {
            var rest = piece[...]
            // Only the block that two pieces share is put together; all others are read where they are.
            while !pending.isEmpty, !rest.isEmpty {
                let part = rest.prefix(missing)
                pending.append(contentsOf: part)
                rest = rest.dropFirst(part.count)
                try consumePending()
            }
            let used = try consumeBlocks(UnsafeRawBufferPointer(rebasing: rest))
            pending.append(contentsOf: rest.dropFirst(used))
        }

        /// How many bytes more make something of `pending`: at least one.
        private var missing: Int {
            guard hasPreamble else { return max(1, ImageFormat.magic.count + 4 - pending.count) }
            guard pending.count >= 5 else { return 5 - pending.count }
            let length = pending.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: 1, as: UInt32.self).littleEndian }
            return max(1, 5 + Int(length) - pending.count)
        }

        private mutating func consumePending() throws(MalformedBytes) {
            // Moved out, so that it can be read while the state is built.
            var bytes = pending
            pending = []
            let result: Result<Int, MalformedBytes> = bytes.withUnsafeBytes { raw in
                do throws(MalformedBytes) { return .success(try consumeBlocks(raw)) } catch { return .failure(error) }
            }
            bytes.removeFirst(try result.get())
            pending = bytes
        }

        /// - Returns: how many bytes made whole blocks.
        private mutating func consumeBlocks(_ bytes: UnsafeRawBufferPointer) throws(MalformedBytes) -> Int {
            var reader = ByteReader(bytes)
            if !hasPreamble {
                guard reader.remaining >= ImageFormat.magic.count + 4 else { return 0 }
                let magic = try reader.readRaw(ImageFormat.magic.count)
                guard magic.elementsEqual(ImageFormat.magic) else {
                    throw MalformedBytes("not a snapshot of tuples", at: 0)
                }
                let version = try reader.readUInt32()
                guard version == ImageFormat.version else {
                    throw MalformedBytes(
                        "the snapshot has format \(version), and this program reads \(ImageFormat.version)",
                        at: reader.offset)
                }
                hasPreamble = true
            }
            while reader.remaining >= 5 {
                let start = reader.offset
                let kind = try reader.readByte()
                let length = Int(try reader.readUInt32())
                guard let block = ImageBlock(rawValue: kind), length <= ImageFormat.longestBlock else {
                    throw MalformedBytes("unknown block in a snapshot", at: start)
                }
                guard length <= reader.remaining else { return start }
                try build.add(block, try reader.readRaw(length))
            }
            return reader.offset
        }

        /// - Parameter index: of everything that `takeUnindexed` gave, if it was built apart.
        /// - Throws: if the pieces end too early or contradict themselves, or the index lacks something.
        public consuming func finish(_ index: consuming IndexBuild? = nil) throws(MalformedBytes) -> StateMachine {
            guard pending.isEmpty else { throw MalformedBytes("the snapshot is cut short", at: 0) }
            return try build.finish(index)
        }
    }
}

/// A state machine while it is read from blocks.
struct StateBuild {
    struct LastRecords {
        var tuple: UInt64 = 0
        var waiter: UInt64 = 0
        var session: UInt64 = 0
        /// 1 for that of all spaces without one, 2 for the first space's.
        var policy: UInt64 = 0
        var token: TokenDigest?
        var reservation: UInt64 = 0
        var testament: UInt64 = 0
    }

    private struct Header {
        var lastKeyID: UInt64
        var tuples: UInt64
        var waiters: UInt64
        var keys: UInt64
        var sessions: UInt64
    }

    private var header: Header?
    var machine: StateMachine
    /// Of the block that is being read, or since they were last taken.
    private var unindexed = UnindexedTuples()
    /// Nil while there is no header, and if the index is built apart.
    private var index: StateMachine.IndexBuild?
    private let indexesApart: Bool
    /// The slot of the session whose commands come now.
    private var session: Int?
    private var lastSequence: UInt64?
    /// The ids of the last records that were read.
    var last = LastRecords()
    /// Ids of tuples that a command or a reservation holds: each by one of them.
    var held: Set<UInt64> = []
    /// Of a waiting statement's guards, those that have come; nil if all have.
    private var guards: (session: UInt64, sequence: UInt64, count: UInt8, of: UInt8)?
    private var pendingCommands = 0
    private var lastBlock = ImageBlock.header
    private var hasEnded = false

    init(indexesApart: Bool, mutations: TupleMutations) {
        self.indexesApart = indexesApart
        machine = StateMachine(mutations: mutations)
    }

    /// What is said to come, but not what no memory could hold: that a forged number says.
    var expectedTuples: Int { Int(min(header?.tuples ?? 0, 1 << 22)) }

    mutating func takeUnindexed() -> UnindexedTuples? {
        guard indexesApart, unindexed.count > 0 else { return nil }
        var taken = UnindexedTuples()
        swap(&taken, &unindexed)
        return taken
    }

    mutating func add(_ block: ImageBlock, _ bytes: UnsafeRawBufferPointer) throws(MalformedBytes) {
        guard !hasEnded, (block == .header) == (header == nil) else {
            throw MalformedBytes("order of blocks in a snapshot", at: 0)
        }
        if block != .end {
            // Commands refer back to waiters and tuples; only they and their sessions take turns.
            let inTurn = block == .session && lastBlock == .commands
            guard inTurn || block.rawValue >= lastBlock.rawValue else {
                throw MalformedBytes("order of blocks in a snapshot", at: 0)
            }
            lastBlock = block
        }
        var reader = ByteReader(bytes)
        switch block {
        case .end: hasEnded = true
        case .header: try readHeader(&reader)
        case .spaces: while !reader.isAtEnd { try readSpace(&reader) }
        case .tuples:
            while !reader.isAtEnd { try readTuple(&reader) }
            guard !indexesApart else { break }
            index?.add(unindexed)
            unindexed.removeAll()
        case .waiters: while !reader.isAtEnd { try readWaiter(&reader) }
        case .keys:
            while !reader.isAtEnd {
                try machine.keys.restore(try reader.readUInt64("key id"), try reader.readPrefixed("idempotency key"))
            }
        case .session: try readSession(&reader)
        case .endedSessions: while !reader.isAtEnd { try readEndedSession(&reader) }
        case .commands: while !reader.isAtEnd { try readCommand(&reader) }
        case .events:
            try machine.ring.restore(bytes)
            return
        case .policies: while !reader.isAtEnd { try readPolicy(&reader) }
        case .tokens: while !reader.isAtEnd { try readToken(&reader) }
        case .reservations: while !reader.isAtEnd { try readReservation(&reader) }
        case .failureTuples: while !reader.isAtEnd { try readFailureTuples(&reader) }
        }
        try reader.requireEnd("block")
    }

    private mutating func readHeader(_ reader: inout ByteReader) throws(MalformedBytes) {
        let appliedIndex = try reader.readUInt64()
        let leaseTime = try reader.readUInt64()
        let wallStamp = try reader.readUInt64()
        let digest = try reader.readUInt64()
        let lastTupleID = try reader.readUInt64()
        let lastWaiterID = try reader.readUInt64()
        let header = Header(
            lastKeyID: try reader.readUInt64(), tuples: try reader.readUInt64(), waiters: try reader.readUInt64(),
            keys: try reader.readUInt64(), sessions: try reader.readUInt64())
        guard lastTupleID < 1 << 63, lastWaiterID < 1 << 63, wallStamp <= StateMachine.highestWallStamp else {
            throw MalformedBytes("header of a snapshot", at: 0)
        }
        self.header = header
        if !indexesApart { index = StateMachine.IndexBuild(expecting: expectedTuples) }
        machine.appliedIndex = appliedIndex
        machine.leaseTime = leaseTime
        machine.wallStamp = wallStamp
        machine.decisions = StableHash(digest)
        machine.lastTupleID = lastTupleID
        machine.lastWaiterID = lastWaiterID
        let firstResumable = try Position(from: &reader)
        machine.ring = EventRing(firstResumable: firstResumable, last: try Position(from: &reader))
        if !reader.isAtEnd { machine.featureLevel = try reader.readUInt32("feature level") }
    }

    static func requireAscending(
        _ id: UInt64, behind last: inout UInt64, upTo limit: UInt64, at offset: Int
    ) throws(MalformedBytes) {
        guard id > last, id <= limit else { throw MalformedBytes("order of records in a snapshot", at: offset) }
        last = id
    }

    private mutating func readSpace(_ reader: inout ByteReader) throws(MalformedBytes) {
        let start = reader.offset
        let name = try reader.readPrefixed("space")
        guard UTF8Check.isValid(name), SpaceName.isValid(name), machine.tuples.spaces.number(of: name) == nil,
            machine.tuples.addSpace(name) != nil
        else { throw MalformedBytes("space", at: start) }
    }

    private mutating func readTuple(_ reader: inout ByteReader) throws(MalformedBytes) {
        let start = reader.offset
        let id = try reader.readUInt64("tuple id")
        let space = try reader.readVarint("space")
        let flags = try reader.readByte("flags of a tuple")
        let tuple = try reader.readPrefixed("tuple")
        let held = flags & ImageFormat.heldFlag != 0
        var leaseEnd = flags & ImageFormat.leasedFlag != 0 ? try reader.readUInt64("end of a lease") : nil
        if machine.mutations.contains(.snapshotsForgetLeases) { leaseEnd = nil }
        try Self.requireAscending(id, behind: &last.tuple, upTo: machine.lastTupleID, at: start)
        guard flags <= ImageFormat.heldFlag | ImageFormat.leasedFlag, space < UInt64(machine.tuples.spaces.count),
            EncodedTuple.isValid(tuple)
        else {
            throw MalformedBytes("tuple", at: start)
        }
        // A held tuple's lease that has ended waits for the tuple's return.
        machine.tuples.restore(
            id, space: UInt16(space), tuple: tuple, held: held, leaseEnd: leaseEnd,
            hasPassed: held && (leaseEnd ?? .max) <= machine.leaseTime, into: &unindexed)
    }

    private mutating func readWaiter(_ reader: inout ByteReader) throws(MalformedBytes) {
        let start = reader.offset
        let id = try reader.readUInt64("waiter id")
        let record = try reader.readPrefixed("waiter")
        let previous = last.waiter
        try Self.requireAscending(id, behind: &last.waiter, upTo: machine.lastWaiterID, at: start)
        guard var waiter = WaiterView.check(record) else { throw MalformedBytes("waiter", at: start) }
        if waiter.isStatement, machine.mutations.contains(.snapshotsForgetStatements) {
            waiter.deadline = WaiterView.forever
        }
        // A statement's guards stand together, and each knows by its place where the first is.
        let isNext =
            if let guards {
                id == previous + 1 && waiter.ordinal == guards.count && waiter.siblings == guards.of
                    && waiter.session == guards.session && waiter.sequence == guards.sequence
            } else {
                waiter.ordinal == 0
            }
        guard isNext else { throw MalformedBytes("guards of a waiting statement", at: start) }
        let count = waiter.ordinal + 1
        guards = count == waiter.siblings ? nil : (waiter.session, waiter.sequence, count, waiter.siblings)
        machine.waiters.insert(id, waiter)
        if waiter.isKeyed, waiter.ordinal == 0 { machine.keys.addPending(id, caller: waiter.caller, key: waiter.key) }
    }

    private mutating func readEndedSession(_ reader: inout ByteReader) throws(MalformedBytes) {
        let start = reader.offset
        let id = try reader.readUInt64("ended session")
        guard machine.table.slot(of: id) == nil, !machine.table.ended.contains(id),
            machine.table.ended.ids.count < Limits.endedSessions
        else {
            throw MalformedBytes("ended session", at: start)
        }
        machine.table.ended.add(id)
    }

    private mutating func readSession(_ reader: inout ByteReader) throws(MalformedBytes) {
        let start = reader.offset
        let id = try reader.readUInt64("session")
        try Self.requireAscending(id, behind: &last.session, upTo: .max, at: start)
        let timeout = try reader.readUInt64("time-out")
        let caller = try reader.readPrefixed("caller")
        let floor = try reader.readUInt64("floor")
        var ranges: ContiguousArray<ClosedRange<UInt64>> = []
        for _ in 0..<(try reader.readCount(of: "acknowledged ranges", minimumBytes: 16)) {
            let lower = try reader.readUInt64()
            let upper = try reader.readUInt64()
            // Apart from the last and from the floor, or they would be one.
            let (least, overflow) = (ranges.last?.upperBound ?? floor).addingReportingOverflow(1)
            guard lower <= upper, overflow ? ranges.isEmpty && lower == .max : lower > least - (ranges.isEmpty ? 1 : 0)
            else { throw MalformedBytes("acknowledged ranges", at: start) }
            ranges.append(lower...upper)
        }
        guard UTF8Check.isValid(caller) else { throw MalformedBytes("caller", at: start) }
        var session = Session(id: id, timeoutMilliseconds: timeout, caller: [UInt8](caller))
        session.restore(floor: floor, ranges: ranges)
        self.session = machine.table.open(session)
        lastSequence = nil
    }

    private mutating func readCommand(_ reader: inout ByteReader) throws(MalformedBytes) {
        let start = reader.offset
        let sequence = try reader.readUInt64("sequence number")
        let outcome = try Outcome(from: &reader)
        guard let session, !machine.table[session].isAcknowledged(sequence), lastSequence.map({ $0 < sequence }) ?? true
        else { throw MalformedBytes("command of a session", at: start) }
        lastSequence = sequence
        switch outcome {
        case .pending(let waiter):
            let id = machine.table[session].id
            let agrees = machine.waiters.with(waiter) { $0.session == id && $0.sequence == sequence }
            guard agrees == true else { throw MalformedBytes("waiter of a command", at: start) }
            machine.table[session].waiting += 1
            pendingCommands += 1
        case .held(let id, _):
            guard machine.tuples.isHeld(id), held.insert(id).inserted else {
                throw MalformedBytes("held tuple of a command", at: start)
            }
        default: break
        }
        machine.table[session].add(sequence, outcome)
    }

    consuming func finish(_ apart: consuming StateMachine.IndexBuild?) throws(MalformedBytes) -> StateMachine {
        guard hasEnded, guards == nil, let header, let index = indexesApart ? apart : index else {
            throw MalformedBytes("the snapshot is cut short", at: 0)
        }
        guard index.count == machine.tuples.count - machine.tuples.heldCount else {
            throw MalformedBytes("\(index.count) tuples are indexed of a snapshot with others", at: 0)
        }
        machine.tuples.adopt(index.index)
        try machine.keys.restoreLastID(header.lastKeyID)
        let agrees =
            UInt64(machine.tuples.count) == header.tuples && UInt64(machine.waiters.records.count) == header.waiters
            && UInt64(machine.keys.records.count) == header.keys && UInt64(machine.table.count) == header.sessions
            && pendingCommands == machine.waiters.count
            && held.count == machine.tuples.heldCount
        guard agrees else { throw MalformedBytes("the snapshot's counts contradict its contents", at: 0) }
        return machine
    }
}
