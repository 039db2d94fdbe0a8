/// The hash by which fields are indexed: a multiplication for each eight bytes, folded. It is the same in every process; nothing that is
/// kept or sent depends on it, so that another version may have another.
struct FieldHash {
    private(set) var value: UInt64 = 0x9E37_79B9_7F4A_7C15

    @inline(__always)
    mutating func mix(_ word: UInt64) {
        let (high, low) = (value ^ word).multipliedFullWidth(by: 0xA076_1D64_78BD_642F)
        // Else 0 would stay 0 whatever follows.
        value = (high ^ low) &+ 0xE703_7ED1_A0B4_28DB
    }

    @inline(__always)
    mutating func mix(_ bytes: UnsafeRawBufferPointer) {
        mix(UInt64(bytes.count))
        guard bytes.count >= 8 else {
            var tail: UInt64 = 0
            for byte in bytes { tail = tail << 8 | UInt64(byte) }
            return mix(tail)
        }
        var offset = 0
        while offset + 8 < bytes.count {
            mix(bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
            offset += 8
        }
        // The last eight, some of which may have been mixed in already.
        mix(bytes.loadUnaligned(fromByteOffset: bytes.count - 8, as: UInt64.self))
    }
}
