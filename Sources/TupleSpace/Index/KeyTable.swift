/// A table from well-mixed 64-bit keys to numbers other than 0: open addressing, linear probing, 16 bytes a slot.
struct KeyTable: Sendable {
    private struct Slot: Sendable, BitwiseCopyable {
        var key: UInt64 = 0
        /// 0 is an empty slot.
        var value: UInt64 = 0
    }

    private var slots: ContiguousArray<Slot> = []
    private(set) var count = 0

    init() {}

    /// With room for so many keys before it grows.
    init(reserving capacity: Int) {
        if capacity > 0 { resize(to: KeyTable.size(for: capacity)) }
    }

    private static func size(for count: Int) -> Int {
        var size = 8
        while size * 3 < count * 4 { size *= 2 }
        return size
    }

    /// The place of the key, or the empty one where it would go. There is always an empty one.
    @inline(__always)
    private static func find(_ key: UInt64, in slots: UnsafeBufferPointer<Slot>) -> Int {
        let mask = slots.count - 1
        var place = Int(truncatingIfNeeded: key) & mask
        while slots[place].value != 0, slots[place].key != key { place = (place + 1) & mask }
        return place
    }

    /// 0 if there is none.
    subscript(key: UInt64) -> UInt64 {
        guard count > 0 else { return 0 }
        return slots.withUnsafeBufferPointer { $0[KeyTable.find(key, in: $0)].value }
    }

    /// Reads the memory where a key would stand, so that it is near when it is wanted.
    /// - Returns: a number without meaning, which must be used so that it is read.
    func touch(_ key: UInt64) -> UInt64 {
        slots.withUnsafeBufferPointer { slots in
            slots.isEmpty ? 0 : slots[Int(truncatingIfNeeded: key) & (slots.count - 1)].value
        }
    }

    /// - value: not 0.
    mutating func set(_ key: UInt64, _ value: UInt64) {
        if (count + 1) * 4 > slots.count * 3 { resize(to: max(8, slots.count * 2)) }
        let place = slots.withUnsafeBufferPointer { KeyTable.find(key, in: $0) }
        if slots[place].value == 0 { count += 1 }
        slots[place] = Slot(key: key, value: value)
    }

    mutating func remove(_ key: UInt64) {
        guard count > 0 else { return }
        let removed = slots.withUnsafeMutableBufferPointer { slots -> Bool in
            var hole = KeyTable.find(key, in: UnsafeBufferPointer(slots))
            guard slots[hole].value != 0 else { return false }
            // Whoever was pushed on by the removed key moves up, so that no search ends at the hole.
            let mask = slots.count - 1
            var place = hole
            while true {
                place = (place + 1) & mask
                guard slots[place].value != 0 else { break }
                let home = Int(truncatingIfNeeded: slots[place].key) & mask
                if (place &- home) & mask >= (place &- hole) & mask {
                    slots[hole] = slots[place]
                    hole = place
                }
            }
            slots[hole] = Slot()
            return true
        }
        guard removed else { return }
        count -= 1
        if slots.count > 64, count * 8 < slots.count { resize(to: slots.count / 4) }
    }

    private mutating func resize(to size: Int) {
        let old = slots
        slots = ContiguousArray(repeating: Slot(), count: size)
        slots.withUnsafeMutableBufferPointer { slots in
            for slot in old where slot.value != 0 {
                slots[KeyTable.find(slot.key, in: UnsafeBufferPointer(slots))] = slot
            }
        }
    }
}
