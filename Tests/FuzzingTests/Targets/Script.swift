import ByteCoding

/// Reads an input as a list of steps. Total: behind the end everything is zero.
struct Script {
    private let bytes: UnsafeRawBufferPointer
    private var offset = 0

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    var isAtEnd: Bool { offset >= bytes.count }

    mutating func byte() -> UInt8 {
        guard offset < bytes.count else { return 0 }
        defer { offset += 1 }
        return bytes[offset]
    }

    mutating func below(_ bound: Int) -> Int { Int(byte()) % bound }

    mutating func word() -> UInt64 {
        var value: UInt64 = 0
        for shift in 0..<8 { value |= UInt64(byte()) << UInt64(8 * shift) }
        return value
    }

    /// At most `limit` bytes: a length of two bytes and what it counts, as far as it is there.
    mutating func part(atMost limit: Int = .max) -> UnsafeRawBufferPointer {
        let wanted = Int(byte()) | Int(byte()) << 8
        let count = min(wanted, limit, bytes.count - offset)
        guard count > 0 else { return UnsafeRawBufferPointer(start: nil, count: 0) }
        defer { offset += count }
        return UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + count])
    }

    /// A number near another: mostly a little more or less, sometimes anything.
    mutating func near(_ value: UInt64) -> UInt64 {
        let code = byte()
        return switch code {
        case 0..<100: value &+ UInt64(code % 8)
        case 100..<200: value > UInt64(code % 8) ? value - UInt64(code % 8) : 0
        case 200..<240: UInt64(code % 8)
        case 240..<248: UInt64(1) << UInt64(60 + code % 4)
        case 248: .max
        default: word()
        }
    }
}

/// Writes what `Script` reads, for seeds.
struct ScriptWriter {
    private(set) var bytes: [UInt8] = []

    init(_ bytes: [UInt8] = []) { self.bytes = bytes }

    mutating func step(_ bytes: UInt8...) { self.bytes += bytes }

    mutating func part(_ part: [UInt8]) {
        bytes += [UInt8(truncatingIfNeeded: part.count), UInt8(truncatingIfNeeded: part.count >> 8)] + part
    }
}
