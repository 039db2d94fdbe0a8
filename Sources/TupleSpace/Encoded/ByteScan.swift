/// Walks encoded bytes without allocating or throwing: `failed` says that they were malformed. It accepts exactly what
/// `ByteReader` and the decoders accept, which a test checks with damaged bytes.
struct ByteScan {
    let bytes: UnsafeRawBufferPointer
    var offset: Int
    private(set) var failed = false

    @inline(__always)
    init(_ bytes: UnsafeRawBufferPointer, at offset: Int = 0) {
        self.bytes = bytes
        self.offset = offset
    }

    var remaining: Int { bytes.count - offset }
    /// Everything was read, and nothing was wrong.
    var endedWell: Bool { !failed && offset == bytes.count }
    /// What has not been read.
    var rest: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: bytes[min(offset, bytes.count)...]) }

    @inline(__always)
    mutating func fail() {
        failed = true
        offset = bytes.count
    }

    @inline(__always)
    mutating func byte() -> UInt8 {
        guard offset < bytes.count else {
            fail()
            return 0
        }
        defer { offset += 1 }
        return bytes[offset]
    }

    @inline(__always)
    mutating func word() -> UInt64 {
        guard bytes.count - offset >= 8 else {
            fail()
            return 0
        }
        defer { offset += 8 }
        return UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }

    /// Half a word.
    @inline(__always)
    mutating func half() -> UInt32 {
        guard bytes.count - offset >= 4 else {
            fail()
            return 0
        }
        defer { offset += 4 }
        return UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
    }

    @inline(__always)
    mutating func varint() -> UInt64 {
        if offset < bytes.count, bytes[offset] < 0x80 {
            defer { offset += 1 }
            return UInt64(bytes[offset])
        }
        return longVarint()
    }

    private mutating func longVarint() -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while shift <= 63 {
            let next = byte()
            if failed || (shift == 63 && next > 1) { break }
            value |= UInt64(next & 0x7F) << shift
            if next & 0x80 == 0 { return value }
            shift += 7
        }
        fail()
        return 0
    }

    /// A varint length and that many bytes.
    @inline(__always)
    mutating func prefixed() -> UnsafeRawBufferPointer {
        let length = varint()
        guard !failed, length <= UInt64(bytes.count - offset) else {
            fail()
            return UnsafeRawBufferPointer(start: nil, count: 0)
        }
        defer { offset += Int(length) }
        return UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + Int(length)])
    }

    /// A prefixed string of valid UTF-8.
    @inline(__always)
    mutating func text() -> UnsafeRawBufferPointer {
        let raw = prefixed()
        if !UTF8Check.isValid(raw) { fail() }
        return raw
    }
}

extension UnsafeRawBufferPointer {
    @inline(__always)
    func isSame(as other: UnsafeRawBufferPointer) -> Bool {
        guard count == other.count else { return false }
        guard count >= 8 else {
            for at in 0..<count where self[at] != other[at] { return false }
            return true
        }
        var at = 0
        while at + 8 < count {
            guard word(at) == other.word(at) else { return false }
            at += 8
        }
        // The last eight, some of which may have been compared already.
        return word(count - 8) == other.word(count - 8)
    }

    @inline(__always)
    fileprivate func word(_ offset: Int) -> UInt64 { loadUnaligned(fromByteOffset: offset, as: UInt64.self) }

    /// Like `memcmp`, then by length: below, at or above zero.
    func order(to other: UnsafeRawBufferPointer) -> Int {
        let common = Swift.min(count, other.count)
        var at = 0
        while at + 8 <= common {
            let a = UInt64(bigEndian: loadUnaligned(fromByteOffset: at, as: UInt64.self))
            let b = UInt64(bigEndian: other.loadUnaligned(fromByteOffset: at, as: UInt64.self))
            if a != b { return a < b ? -1 : 1 }
            at += 8
        }
        while at < common {
            if self[at] != other[at] { return self[at] < other[at] ? -1 : 1 }
            at += 1
        }
        return count - other.count
    }
}

/// Whether bytes are well-formed UTF-8 (Unicode, table 3-7).
enum UTF8Check {
    @inline(__always)
    static func isValid(_ bytes: UnsafeRawBufferPointer) -> Bool { isASCII(bytes) || isValidBeyondASCII(bytes) }

    /// Nearly all there is.
    @inline(__always)
    private static func isASCII(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var all: UInt64 = 0
        if bytes.count >= 8 {
            var at = 0
            while at + 8 < bytes.count {
                all |= bytes.word(at)
                at += 8
            }
            all |= bytes.word(bytes.count - 8)
        } else {
            for byte in bytes { all |= UInt64(byte) }
        }
        return all & 0x8080_8080_8080_8080 == 0
    }

    private static func isValidBeyondASCII(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var at = 0
        while at < bytes.count {
            if at + 8 <= bytes.count, bytes.word(at) & 0x8080_8080_8080_8080 == 0 {
                at += 8
            } else if bytes[at] < 0x80 {
                at += 1
            } else {
                let length = sequenceLength(bytes, at)
                if length == 0 { return false }
                at += length
            }
        }
        return true
    }

    /// Bytes of the sequence that begins here with a byte above 7F; 0 if it is not well-formed.
    private static func sequenceLength(_ bytes: UnsafeRawBufferPointer, _ at: Int) -> Int {
        let second: ClosedRange<UInt8>
        let length: Int
        switch bytes[at] {
        case 0xC2...0xDF: (length, second) = (2, 0x80...0xBF)
        case 0xE0: (length, second) = (3, 0xA0...0xBF)
        case 0xED: (length, second) = (3, 0x80...0x9F)
        case 0xE1...0xEF: (length, second) = (3, 0x80...0xBF)
        case 0xF0: (length, second) = (4, 0x90...0xBF)
        case 0xF1...0xF3: (length, second) = (4, 0x80...0xBF)
        case 0xF4: (length, second) = (4, 0x80...0x8F)
        default: return 0
        }
        guard at + length <= bytes.count, second.contains(bytes[at + 1]) else { return 0 }
        for i in 2..<max(2, length) where bytes[at + i] & 0xC0 != 0x80 { return 0 }
        return length
    }
}
