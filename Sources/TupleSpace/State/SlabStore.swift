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

    /// Ascending by id. Only the last may be without a live record.
    private var slabs: ContiguousArray<Slab> = []
    /// At or below every id of the slab: apart, so that a search touches no slab.
    private var firsts: ContiguousArray<UInt64> = []
    private(set) var count = 0

    /// - id: above all ids ever given, below 2^63.
    /// - label: any number, given back with the record.
    mutating func append(_ id: UInt64, label: UInt16, held: Bool = false, _ bytes: UnsafeRawBufferPointer) {
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
        slabs[slabs.count - 1].append(id, label: label, held: held, bytes)
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

    /// Calls `visit` with the live records in ascending order: id, label, held, bytes.
    func forEach(_ visit: (UInt64, UInt16, Bool, UnsafeRawBufferPointer) throws -> Void) rethrows {
        for slab in slabs {
            try slab.bytes.withUnsafeBytes { bytes in
                for entry in slab.entries where entry.isLive {
                    let record = UnsafeRawBufferPointer(
                        rebasing: bytes[entry.offset..<entry.offset + entry.length])
                    try visit(entry.id, entry.label, entry.isHeld, record)
                }
            }
        }
    }
}

extension SlabStore {
    /// One record's place and marks: offset 20 bits, length 24 bits, label 16 bits, held, live.
    fileprivate struct Entry: Sendable, BitwiseCopyable {
        var id: UInt64
        private var packed: UInt64

        init(id: UInt64, offset: Int, length: Int, label: UInt16, held: Bool) {
            self.id = id
            packed = UInt64(offset) | UInt64(length) << 20 | UInt64(label) << 44 | (held ? 1 << 60 : 0) | 1 << 61
        }

        var offset: Int { Int(packed & 0xF_FFFF) }
        var length: Int { Int(packed >> 20 & 0xFF_FFFF) }
        var label: UInt16 { UInt16(truncatingIfNeeded: packed >> 44) }
        var isLive: Bool { packed >> 61 & 1 == 1 }

        var isHeld: Bool {
            get { packed >> 60 & 1 == 1 }
            set { packed = packed & ~(1 << 60) | (newValue ? 1 << 60 : 0) }
        }

        mutating func kill() { packed &= ~(1 << 61) }
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

        mutating func append(_ id: UInt64, label: UInt16, held: Bool, _ record: UnsafeRawBufferPointer) {
            entries.append(Entry(id: id, offset: bytes.count, length: record.count, label: label, held: held))
            bytes.append(contentsOf: record)
            live += 1
            liveBytes += record.count
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
            return bytes.withUnsafeBytes {
                body(UnsafeRawBufferPointer(rebasing: $0[entry.offset..<entry.offset + entry.length]))
            }
        }

        mutating func remove(_ index: Int) {
            entries[index].kill()
            live -= 1
            liveBytes -= entries[index].length
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
                            held: entry.isHeld))
                    bytes.append(contentsOf: old[entry.offset..<entry.offset + entry.length])
                }
            }
            self.entries = entries
            self.bytes = bytes
            firstLive = 0
        }
    }
}
