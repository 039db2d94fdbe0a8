import ByteCoding

/// The last events in order, encoded, in chunks that are dropped whole. A captured ring shares them; only the newest is ever changed.
struct EventRing: Sendable {
    struct Chunk: Sendable {
        var first: Position
        var last: Position
        var count = 0
        /// u32 length and encoded event, each.
        var writer = ByteWriter()
    }

    static let chunkBytes = 64 << 10

    private(set) var chunks: ContiguousArray<Chunk> = []
    private(set) var count = 0
    private(set) var byteCount = 0
    /// The last event that was dropped: one can resume behind it, and not before.
    private(set) var firstResumable = Position(index: 0, ordinal: 0)
    /// The newest event there ever was.
    private(set) var last = Position(index: 0, ordinal: 0)

    init() {}

    init(firstResumable: Position, last: Position) {
        self.firstResumable = firstResumable
        self.last = last
    }

    /// Drops what exceeds the limits. Called before a batch, so that a batch's own events are always there.
    mutating func trim() {
        var dropped = 0
        while count > Limits.eventRingEvents || byteCount > Limits.eventRingBytes, dropped < chunks.count {
            count -= chunks[dropped].count
            byteCount -= chunks[dropped].writer.count
            firstResumable = chunks[dropped].last
            dropped += 1
        }
        if dropped > 0 { chunks.removeFirst(dropped) }
    }

    mutating func append(
        _ position: Position, _ kind: Event.Kind, id: UInt64, space: UnsafeRawBufferPointer,
        caller: UnsafeRawBufferPointer, tuple: UnsafeRawBufferPointer
    ) {
        if chunks.last.map({ $0.writer.count >= Self.chunkBytes }) ?? true {
            chunks.append(Chunk(first: position, last: position))
        }
        let newest = chunks.count - 1
        let before = chunks[newest].writer.count
        Self.encode(
            position, kind, id: id, space: space, caller: caller, tuple: tuple, into: &chunks[newest].writer)
        chunks[newest].last = position
        chunks[newest].count += 1
        byteCount += chunks[newest].writer.count - before
        count += 1
        last = position
    }

    private static func encode(
        _ position: Position, _ kind: Event.Kind, id: UInt64, space: UnsafeRawBufferPointer,
        caller: UnsafeRawBufferPointer, tuple: UnsafeRawBufferPointer, into writer: inout ByteWriter
    ) {
        let lengthAt = writer.count
        writer.write(UInt32(0))
        writer.write(position.index)
        writer.write(position.ordinal)
        writer.write(kind.rawValue)
        writer.write(id)
        writer.writePrefixed(space)
        writer.writePrefixed(caller)
        writer.write(raw: tuple)
        writer.patch(UInt32(truncatingIfNeeded: writer.count - lengthAt - 4), at: lengthAt)
    }

    /// Calls `visit` with the events behind a position in order, until it returns false.
    /// - Returns: false, and nothing is visited, if events behind the position were dropped.
    func forEach(after position: Position, _ visit: (EventView) -> Bool) -> Bool {
        guard position >= firstResumable else { return false }
        var index = chunkIndex(after: position)
        while index < chunks.count {
            let goesOn = chunks[index].writer.bytes.withUnsafeBytes { Self.scan($0, after: position, visit) }
            guard goesOn else { break }
            index += 1
        }
        return true
    }

    private static func scan(
        _ bytes: UnsafeRawBufferPointer, after position: Position, _ visit: (EventView) -> Bool
    ) -> Bool {
        var scan = ByteScan(bytes)
        while scan.remaining > 0 {
            let end = Int(scan.half()) + scan.offset
            var peek = scan
            let index = peek.word()
            if Position(index: index, ordinal: peek.half()) > position {
                let event = EventView(UnsafeRawBufferPointer(rebasing: bytes[scan.offset..<end]))
                guard visit(event) else { return false }
            }
            scan.offset = end
        }
        return true
    }

    /// The first chunk that ends behind the position.
    private func chunkIndex(after position: Position) -> Int {
        var (low, high) = (0, chunks.count)
        while low < high {
            let middle = (low + high) / 2
            if chunks[middle].last <= position { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// Puts a chunk back that was captured. The chunks come in order.
    mutating func restore(_ bytes: UnsafeRawBufferPointer) throws(MalformedBytes) {
        var reader = ByteReader(bytes)
        var chunk = Chunk(first: firstResumable, last: chunks.last?.last ?? firstResumable)
        while !reader.isAtEnd {
            let length = Int(try reader.readUInt32("event length"))
            try reader.require(length, "event")
            let start = reader.offset
            let position = try Position(from: &reader)
            guard position > chunk.last, position <= last else { throw MalformedBytes("order of events", at: start) }
            var scan = ByteScan(UnsafeRawBufferPointer(rebasing: bytes[..<(start + length)]), at: reader.offset)
            let kind = Event.Kind(rawValue: scan.byte())
            _ = scan.word()
            _ = scan.text()
            _ = scan.text()
            EncodedTuple.check(&scan)
            guard scan.endedWell, kind != nil else { throw MalformedBytes("event", at: start) }
            if chunk.count == 0 { chunk.first = position }
            chunk.last = position
            chunk.count += 1
            reader.offset = start + length
        }
        guard chunk.count > 0 else { throw MalformedBytes("empty chunk of events", at: 0) }
        chunk.writer.write(raw: bytes)
        count += chunk.count
        byteCount += bytes.count
        chunks.append(chunk)
    }
}
