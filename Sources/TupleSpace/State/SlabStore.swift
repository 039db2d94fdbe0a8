/// Records of bytes under ascending 64-bit ids, in slabs of about 512 records or 64 KiB.
///
/// A slab's arrays are shared with whoever captured the store; the next change to a slab copies that slab's arrays only. So a
/// capture is one reference, and no write ever waits for more than some 64 KiB to be copied.
struct SlabStore: Sendable {
    /// Where a record is, until the next change of the store.
    struct Place {
        fileprivate var slab: Int
        fileprivate var entry: Int
    }

    private static let slabRecords = 512
    private static let slabBytes = 64 << 10
    /// Live bytes of a slab with several records, above which one that is rewritten gets a slab of its own: offsets stay in their bounds.
    private static let sharedBytes = 256 << 10

    /// Ascending by id. Only the last may be without a live record.
    private var slabs: ContiguousArray<Slab> = []
    /// At or below every id of the slab: apart, so that a search touches no slab.
    private var firsts: ContiguousArray<UInt64> = []
    private(set) var count = 0

    /// - id: above all ids ever given, below 2^63.
    /// - label: any number, given back with the record.
    /// - trailer: a word that is kept beside the bytes.
    mutating func append(
        _ id: UInt64, label: UInt16, held: Bool = false, _ bytes: UnsafeRawBufferPointer, trailer: UInt64? = nil
    ) {
        if let last = slabs.last, last.isFull {
            slabs[slabs.count - 1].seal()
            if last.live == 0 { dropSlab(slabs.count - 1) }
        }
        if slabs.last.map(\.isFull) ?? true {
            slabs.append(slabs.isEmpty ? Slab() : Slab(likely: SlabStore.slabBytes))
            firsts.append(id)
        } else if slabs[slabs.count - 1].live == 0 {
            slabs[slabs.count - 1].clear()
            firsts[slabs.count - 1] = id
        }
        slabs[slabs.count - 1].append(id, label: label, held: held, bytes, trailer: trailer)
        count += 1
    }

    func place(of id: UInt64) -> Place? {
        let slab = firsts.withUnsafeBufferPointer { firsts -> Int in
            guard let last = firsts.last, id < last else { return firsts.count - 1 }
            var (low, high) = (0, firsts.count)
            while low < high {
                let middle = (low + high) / 2
                if firsts[middle] <= id { low = middle + 1 } else { high = middle }
            }
            return low - 1
        }
        guard slab >= 0, let entry = slabs[slab].find(id) else { return nil }
        return Place(slab: slab, entry: entry)
    }

    func label(_ place: Place) -> UInt16 { slabs[place.slab].entries[place.entry].label }
    func isHeld(_ place: Place) -> Bool { slabs[place.slab].entries[place.entry].isHeld }

    @inline(__always)
    func withBytes<Result>(_ place: Place, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        slabs[place.slab].withBytes(place.entry, body)
    }

    func trailer(_ place: Place) -> UInt64? { slabs[place.slab].trailer(place.entry) }

    /// - Precondition: it has one.
    mutating func setTrailer(_ place: Place, _ trailer: UInt64) { slabs[place.slab].setTrailer(place.entry, trailer) }

    /// Other bytes under the same id, and another trailer or none. Places are not valid any more.
    mutating func rewrite(_ place: Place, _ bytes: [UInt8], trailer: UInt64?) {
        var place = place
        let growth = bytes.count + (trailer == nil ? 0 : 8)
        if slabs[place.slab].liveBytes + growth > SlabStore.sharedBytes {
            // Alone, it may have any size.
            isolate(&place)
        }
        slabs[place.slab].rewrite(place.entry, bytes, trailer: trailer)
    }

    /// Gives a record a slab of its own.
    private mutating func isolate(_ place: inout Place) {
        let parts = slabs[place.slab].split(around: place.entry)
        slabs.replaceSubrange(place.slab...place.slab, with: parts.map(\.slab))
        firsts.replaceSubrange(place.slab...place.slab, with: parts.map(\.slab.entries[0].id))
        let own = parts.firstIndex { $0.isOwn } ?? 0
        place = Place(slab: place.slab + own, entry: 0)
    }

    mutating func setHeld(_ place: Place, _ held: Bool) { slabs[place.slab].entries[place.entry].isHeld = held }

    /// Overwrites a word within a record.
    mutating func overwrite(_ place: Place, at offset: Int, _ word: UInt64) {
        let start = slabs[place.slab].entries[place.entry].offset + offset
        withUnsafeBytes(of: word.littleEndian) { for i in 0..<8 { slabs[place.slab].bytes[start + i] = $0[i] } }
    }

    mutating func remove(_ place: Place) {
        count -= 1
        slabs[place.slab].remove(place.entry)
        let isLast = place.slab == slabs.count - 1
        if slabs[place.slab].live == 0, !isLast {
            dropSlab(place.slab)
        } else if !isLast, slabs[place.slab].isSparse {
            slabs[place.slab].compact()
        }
    }

    private mutating func dropSlab(_ index: Int) {
        slabs.remove(at: index)
        firsts.remove(at: index)
    }

    /// The lowest id and where it is.
    var first: (id: UInt64, place: Place)? {
        for slab in slabs.indices where slabs[slab].live > 0 {
            let entry = slabs[slab].firstLive
            return (slabs[slab].entries[entry].id, Place(slab: slab, entry: entry))
        }
        return nil
    }

    /// Calls `visit` with the live records in ascending order: id, label, held, bytes, trailer.
    func forEach(_ visit: (UInt64, UInt16, Bool, UnsafeRawBufferPointer, UInt64?) throws -> Void) rethrows {
        for slab in slabs {
            try slab.bytes.withUnsafeBytes { bytes in
                for entry in slab.entries where entry.isLive {
                    try visit(entry.id, entry.label, entry.isHeld, entry.record(in: bytes), entry.trailer(in: bytes))
                }
            }
        }
    }
}

extension SlabStore {
    /// One record's place and marks: offset 20 bits, length 24 bits, label 16 bits, held, live, whether a trailer of 8 bytes follows its
    /// bytes.
    fileprivate struct Entry: Sendable, BitwiseCopyable {
        var id: UInt64
        private var packed: UInt64

        init(id: UInt64, offset: Int, length: Int, label: UInt16, held: Bool, hasTrailer: Bool) {
            self.id = id
            packed =
                UInt64(offset) | UInt64(length) << 20 | UInt64(label) << 44 | (held ? 1 << 60 : 0) | 1 << 61
                | (hasTrailer ? 1 << 62 : 0)
        }

        var hasTrailer: Bool { packed >> 62 & 1 == 1 }
        /// With the trailer.
        var size: Int { length + (hasTrailer ? 8 : 0) }

        var offset: Int { Int(packed & 0xF_FFFF) }
        var length: Int { Int(packed >> 20 & 0xFF_FFFF) }
        var label: UInt16 { UInt16(truncatingIfNeeded: packed >> 44) }
        var isLive: Bool { packed >> 61 & 1 == 1 }

        var isHeld: Bool {
            get { packed >> 60 & 1 == 1 }
            set { packed = packed & ~(1 << 60) | (newValue ? 1 << 60 : 0) }
        }

        mutating func kill() { packed &= ~(1 << 61) }

        @inline(__always)
        func record(in bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
            UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + length])
        }

        func trailer(in bytes: UnsafeRawBufferPointer) -> UInt64? {
            guard hasTrailer else { return nil }
            return UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset + length, as: UInt64.self))
        }
    }

    fileprivate struct Slab: Sendable {
        var entries: ContiguousArray<Entry> = []
        var bytes: ContiguousArray<UInt8> = []
        var live = 0
        var liveBytes = 0
        /// No entry before it is live.
        var firstLive = 0

        // An offset is below `slabBytes`, so it fits its 20 bits; a record's length is a little above 1 MiB at most, below 2^24.
        var isFull: Bool { entries.count >= SlabStore.slabRecords || bytes.count >= SlabStore.slabBytes }
        var isSparse: Bool { live * 4 < entries.count || liveBytes * 4 < bytes.count }

        mutating func append(
            _ id: UInt64, label: UInt16, held: Bool, _ record: UnsafeRawBufferPointer, trailer: UInt64?
        ) {
            let entry = Entry(
                id: id, offset: bytes.count, length: record.count, label: label, held: held, hasTrailer: trailer != nil)
            entries.append(entry)
            bytes.append(contentsOf: record)
            if let trailer { appendWord(trailer) }
            live += 1
            liveBytes += entry.size
        }

        private mutating func appendWord(_ word: UInt64) {
            withUnsafeBytes(of: word.littleEndian) { bytes.append(contentsOf: $0) }
        }

        func trailer(_ index: Int) -> UInt64? { bytes.withUnsafeBytes { entries[index].trailer(in: $0) } }

        mutating func setTrailer(_ index: Int, _ word: UInt64) {
            let start = entries[index].offset + entries[index].length
            withUnsafeBytes(of: word.littleEndian) { for i in 0..<8 { bytes[start + i] = $0[i] } }
        }

        /// Puts the bytes behind all others; those of before are garbage until the slab is compacted.
        mutating func rewrite(_ index: Int, _ record: [UInt8], trailer: UInt64?) {
            let old = entries[index]
            liveBytes -= old.size
            entries[index] = Entry(
                id: old.id, offset: old.offset, length: 0, label: old.label, held: old.isHeld, hasTrailer: false)
            if bytes.count + record.count > 2 * SlabStore.sharedBytes { compact() }
            // Compacting leaves out what is dead, and so moves the entry.
            let place = find(old.id) ?? index
            let entry = Entry(
                id: old.id, offset: bytes.count, length: record.count, label: old.label, held: old.isHeld,
                hasTrailer: trailer != nil)
            entries[place] = entry
            bytes.append(contentsOf: record)
            if let trailer { appendWord(trailer) }
            liveBytes += entry.size
        }

        /// The live records before one, that one, and those behind it, as slabs; without those that would be empty.
        func split(around index: Int) -> [(slab: Slab, isOwn: Bool)] {
            [entries[..<index], entries[index...index], entries[(index + 1)...]].enumerated().compactMap { part, some in
                var slab = Slab()
                bytes.withUnsafeBytes { bytes in
                    for entry in some where entry.isLive {
                        slab.append(
                            entry.id, label: entry.label, held: entry.isHeld, entry.record(in: bytes),
                            trailer: entry.trailer(in: bytes))
                    }
                }
                return slab.live > 0 ? (slab, part == 1) : nil
            }
        }

        func find(_ id: UInt64) -> Int? {
            entries.withUnsafeBufferPointer { entries in
                var (low, high) = (firstLive, entries.count)
                while low < high {
                    let middle = (low + high) / 2
                    if entries[middle].id < id { low = middle + 1 } else { high = middle }
                }
                return low < entries.count && entries[low].id == id && entries[low].isLive ? low : nil
            }
        }

        @inline(__always)
        func withBytes<Result>(_ index: Int, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
            let entry = entries[index]
            return bytes.withUnsafeBytes { body(entry.record(in: $0)) }
        }

        mutating func remove(_ index: Int) {
            entries[index].kill()
            live -= 1
            liveBytes -= entries[index].size
            guard index == firstLive else { return }
            while firstLive < entries.count, !entries[firstLive].isLive { firstLive += 1 }
        }

        /// Forgets the dead and keeps the memory.
        mutating func clear() {
            entries.removeAll(keepingCapacity: true)
            bytes.removeAll(keepingCapacity: bytes.capacity <= 2 * SlabStore.slabBytes)
            (liveBytes, firstLive) = (0, 0)
        }

        init() {}

        /// - bytes: of records that are likely to come. A store that fills one slab after the other would copy each several times if
        ///   they grew by doubling.
        init(likely bytes: Int) {
            self.bytes.reserveCapacity(bytes + bytes / 16)
            entries.reserveCapacity(SlabStore.slabRecords / 2)
        }

        /// Nothing more will be appended: gives back the room that was kept for it, if it is worth the copying.
        mutating func seal() {
            let room = bytes.capacity - liveBytes + (entries.capacity - live) * MemoryLayout<Entry>.stride
            if room > SlabStore.slabBytes / 8 { compact() }
        }

        mutating func compact() {
            var entries = ContiguousArray<Entry>()
            entries.reserveCapacity(live)
            var bytes = ContiguousArray<UInt8>()
            bytes.reserveCapacity(liveBytes)
            self.bytes.withUnsafeBytes { old in
                for entry in self.entries where entry.isLive {
                    entries.append(
                        Entry(
                            id: entry.id, offset: bytes.count, length: entry.length, label: entry.label,
                            held: entry.isHeld, hasTrailer: entry.hasTrailer))
                    bytes.append(contentsOf: old[entry.offset..<entry.offset + entry.size])
                }
            }
            self.entries = entries
            self.bytes = bytes
            firstLive = 0
        }
    }
}
