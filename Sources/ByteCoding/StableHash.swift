/// A 64-bit hash that is the same in every process and version: for digests that replicas compare and that files keep.
/// Not for dictionaries (their hashes are seeded) and not against forgery.
public struct StableHash: Sendable, Equatable {
    public var value: UInt64

    @inlinable
    public init(_ seed: UInt64 = 0x9E37_79B9_7F4A_7C15) {
        value = seed
    }

    /// One round of the finaliser of SplitMix64 over the value so far and a word.
    @inlinable
    public mutating func mix(_ word: UInt64) {
        var z = (value ^ word) &+ 0x9E37_79B9_7F4A_7C15
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        value = z ^ (z >> 31)
    }

    @inlinable
    public mutating func mix(_ bytes: UnsafeRawBufferPointer) {
        mix(UInt64(bytes.count))
        var offset = 0
        while offset + 8 <= bytes.count {
            mix(UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)))
            offset += 8
        }
        var tail: UInt64 = 0
        var shift: UInt64 = 0
        while offset < bytes.count {
            tail |= UInt64(bytes[offset]) << shift
            shift += 8
            offset += 1
        }
        mix(tail)
    }
}
