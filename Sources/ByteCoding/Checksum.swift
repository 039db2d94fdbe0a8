import CChecksum

/// CRC-32C (Castagnoli, RFC 3720 appendix B.4) of some bytes.
public func crc32c(_ bytes: UnsafeRawBufferPointer, continuing seed: UInt32 = 0) -> UInt32 {
    guard let base = bytes.baseAddress else { return seed }
    return starling_crc32c(seed, base, bytes.count)
}

public func crc32c(_ bytes: [UInt8], continuing seed: UInt32 = 0) -> UInt32 {
    bytes.withUnsafeBytes { crc32c($0, continuing: seed) }
}
