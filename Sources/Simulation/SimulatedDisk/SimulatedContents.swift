/// One file: what the page cache shows, what the medium has, and which sectors are waiting to be written.
public struct SimulatedContents: Sendable {
    public static let sector = 512

    private(set) var cache: [UInt8] = []
    private(set) var medium: [UInt8] = []
    /// Sector numbers, each once, in the order they were first written; `isDirty` says the same by number.
    private var dirty: [Int] = []
    private var isDirty: [Bool] = []

    mutating func write(_ bytes: [UInt8], at offset: Int) {
        guard !bytes.isEmpty else { return }
        grow(to: offset + bytes.count)
        cache.withUnsafeMutableBytes { target in
            bytes.withUnsafeBytes { UnsafeMutableRawBufferPointer(rebasing: target[offset...]).copyMemory(from: $0) }
        }
        for sector in offset / Self.sector...(offset + bytes.count - 1) / Self.sector { markDirty(sector) }
    }

    mutating func grow(to length: Int) {
        guard length > cache.count else { return }
        cache.append(contentsOf: [UInt8](repeating: 0, count: length - cache.count))
    }

    mutating func truncate() {
        self = SimulatedContents()
    }

    /// All that waits is on the medium.
    mutating func sync() {
        for sector in dirty { copyToMedium(sector) }
        resizeMedium(to: cache.count)
        forgetDirty()
    }

    /// What waits counts as written, and some of it is not.
    mutating func failSync(_ chance: inout SimulatedChance) {
        for sector in dirty where chance.coin() { copyToMedium(sector) }
        forgetDirty()
    }

    /// Some of what waits reaches the medium, then the cache is gone.
    mutating func crash(keeping keeps: (inout SimulatedChance) -> Bool, _ chance: inout SimulatedChance) {
        let keepsLength = keeps(&chance)
        for sector in dirty where keeps(&chance) {
            if keepsLength || (sector + 1) * Self.sector <= medium.count { copyToMedium(sector) }
        }
        if keepsLength { resizeMedium(to: max(medium.count, cache.count)) }
        cache = medium
        forgetDirty()
    }

    mutating func rot(at offset: Int, bit: Int) -> Bool {
        guard offset < cache.count else { return false }
        let mask = UInt8(1) << UInt8(bit & 7)
        cache[offset] ^= mask
        if offset < medium.count { medium[offset] ^= mask }
        return true
    }

    private mutating func markDirty(_ sector: Int) {
        if sector >= isDirty.count {
            isDirty.append(contentsOf: repeatElement(false, count: sector + 1 - isDirty.count))
        }
        guard !isDirty[sector] else { return }
        isDirty[sector] = true
        dirty.append(sector)
    }

    private mutating func forgetDirty() {
        for sector in dirty { isDirty[sector] = false }
        dirty.removeAll(keepingCapacity: true)
    }

    private mutating func copyToMedium(_ sector: Int) {
        let start = sector * Self.sector
        let end = min(start + Self.sector, cache.count)
        guard start < end else { return }
        resizeMedium(to: max(medium.count, end))
        medium.withUnsafeMutableBytes { target in
            cache.withUnsafeBytes { source in
                UnsafeMutableRawBufferPointer(rebasing: target[start...])
                    .copyMemory(from: UnsafeRawBufferPointer(rebasing: source[start..<end]))
            }
        }
    }

    private mutating func resizeMedium(to length: Int) {
        guard length > medium.count else { return }
        medium.append(contentsOf: [UInt8](repeating: 0, count: length - medium.count))
    }
}

/// Chance from a seed: SplitMix64.
struct SimulatedChance: Sendable {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    mutating func coin() -> Bool { next() & 1 == 0 }
}
