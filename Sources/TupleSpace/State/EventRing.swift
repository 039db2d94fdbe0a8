import ByteCoding

/// The last events in order, encoded, in chunks that are dropped whole. A captured ring shares them; only the newest is ever changed.
struct EventRing: Sendable {
    struct Chunk: Sendable {
        var first: Position
        var last: Position
        var count = 0
        /// u32 length and encoded event, each, in the first `used` bytes. Made at once in its full size: nothing grows while events are told.
        fileprivate var memory: [UInt8]
        fileprivate(set) var used = 0

        fileprivate init(first: Position, last: Position, capacity: Int) {
            self.first = first
            self.last = last
            memory = [UInt8](repeating: 0, count: capacity)
        }

        var bytes: ArraySlice<UInt8> { memory[..<used] }
        fileprivate var room: Int { memory.count - used }
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
            byteCount -= chunks[dropped].used
            firstResumable = chunks[dropped].last
            dropped += 1
        }
        if dropped > 0 { chunks.removeFirst(dropped) }
    }

    mutating func append(
        _ position: Position, _ kind: Event.Kind, id: UInt64, space: UnsafeRawBufferPointer,
        caller: UnsafeRawBufferPointer, tuple: UnsafeRawBufferPointer
    ) {
        let bound = Self.headBytes + space.count + caller.count + tuple.count
        if chunks.last.map({ $0.room < bound }) ?? true {
            chunks.append(Chunk(first: position, last: position, capacity: max(Self.chunkBytes, bound)))
        }
        let newest = chunks.count - 1
        let start = chunks[newest].used
        let end = chunks[newest].memory.withUnsafeMutableBytes { memory in
            var place = MemoryCursor(memory, at: start + 4)
            place.write(position.index)
            place.write(position.ordinal)
            place.write(kind.rawValue)
            place.write(id)
            place.writePrefixed(space)
            place.writePrefixed(caller)
            place.write(tuple)
            memory.storeBytes(
                of: UInt32(truncatingIfNeeded: place.offset - start - 4).littleEndian, toByteOffset: start,
                as: UInt32.self)
            return place.offset
        }
        chunks[newest].used = end
        chunks[newest].last = position
        chunks[newest].count += 1
        byteCount += end - start
        count += 1
        last = position
    }

    /// An event's, but for names and tuple: length, position, kind, id, and the lengths of two names.
    private static let headBytes = 4 + 12 + 1 + 8 + 2 * 5

    /// Calls `visit` with the events behind a position in order, until it returns false.
    /// - Returns: false, and nothing is visited, if events behind the position were dropped.
    func forEach(after position: Position, _ visit: (EventView) -> Bool) -> Bool {
        guard position >= firstResumable else { return false }
        var index = chunkIndex(after: position)
        while index < chunks.count {
            let goesOn = chunks[index].bytes.withUnsafeBytes { Self.scan($0, after: position, visit) }
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
        var chunk = Chunk(first: firstResumable, last: chunks.last?.last ?? firstResumable, capacity: 0)
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
        chunk.memory = [UInt8](bytes)
        chunk.used = bytes.count
        count += chunk.count
        byteCount += bytes.count
        chunks.append(chunk)
    }
}

/// Writes into memory that has room enough.
private struct MemoryCursor {
    private let memory: UnsafeMutableRawBufferPointer
    private(set) var offset: Int

    init(_ memory: UnsafeMutableRawBufferPointer, at offset: Int) {
        self.memory = memory
        self.offset = offset
    }

    @inline(__always)
    mutating func write<Number: FixedWidthInteger & BitwiseCopyable>(_ number: Number) {
        memory.storeBytes(of: number.littleEndian, toByteOffset: offset, as: Number.self)
        offset += MemoryLayout<Number>.size
    }

    @inline(__always)
    mutating func write(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count > 0 else { return }
        UnsafeMutableRawBufferPointer(rebasing: memory[offset...]).copyMemory(from: bytes)
        offset += bytes.count
    }

    /// A varint length, then the bytes.
    @inline(__always)
    mutating func writePrefixed(_ bytes: UnsafeRawBufferPointer) {
        var length = UInt64(bytes.count)
        while length >= 0x80 {
            write(UInt8(truncatingIfNeeded: length) | 0x80)
            length >>= 7
        }
        write(UInt8(length))
        write(bytes)
    }
}
