/// Blackman and Vigna's xoshiro256**, seeded by SplitMix64: the same numbers for the same seed, in every process.
///
/// Each part of a simulation draws from a stream of its own (`fork`), so that switching one kind of fault off changes
/// as little as possible of all else.
public struct SeededRandom: Sendable {
    private var a: UInt64
    private var b: UInt64
    private var c: UInt64
    private var d: UInt64

    public init(seed: UInt64) {
        var state = seed
        func split() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var z = state
            z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
            return z ^ (z >> 31)
        }
        a = split()
        b = split()
        c = split()
        d = split()
    }

    public mutating func next() -> UInt64 {
        let product = b &* 5
        let result = ((product << 7) | (product >> 57)) &* 9
        let shifted = b << 17
        c ^= a
        d ^= b
        b ^= c
        a ^= d
        c ^= shifted
        d = (d << 45) | (d >> 19)
        return result
    }

    /// A stream that has nothing to do with this one; it takes nothing from it but one number.
    public mutating func fork() -> SeededRandom { SeededRandom(seed: next()) }

    /// 0 ..< bound; 0 for a bound of 0.
    public mutating func below(_ bound: UInt64) -> UInt64 {
        bound == 0 ? 0 : next().multipliedFullWidth(by: bound).high
    }

    public mutating func below(_ bound: Int) -> Int { Int(below(UInt64(max(0, bound)))) }

    public mutating func within(_ range: ClosedRange<UInt64>) -> UInt64 {
        range.lowerBound + below(range.upperBound - range.lowerBound + 1)
    }

    public mutating func within(_ range: ClosedRange<Int>) -> Int {
        range.lowerBound + below(range.upperBound - range.lowerBound + 1)
    }

    /// True this many times out of a million.
    public mutating func chance(perMillion: Int) -> Bool {
        perMillion > 0 && below(1_000_000) < perMillion
    }

    public mutating func chance(percent: Int) -> Bool { chance(perMillion: percent * 10_000) }

    /// One of them. Nil for an empty list.
    public mutating func pick<Element>(_ elements: [Element]) -> Element? {
        elements.isEmpty ? nil : elements[below(elements.count)]
    }

    public mutating func shuffle<Element>(_ elements: inout [Element]) {
        guard elements.count > 1 else { return }
        for i in stride(from: elements.count - 1, to: 0, by: -1) { elements.swapAt(i, below(i + 1)) }
    }

    /// Mostly near the lower end, now and then far up: like latencies.
    public mutating func skewed(_ range: ClosedRange<UInt64>) -> UInt64 {
        let width = range.upperBound - range.lowerBound
        return range.lowerBound + below(below(width + 1) + 1)
    }
}
