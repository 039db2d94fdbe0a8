/// What a decoder found wrong in bytes that came from a disk, a peer or a client.
public struct MalformedBytes: Error, Equatable, Sendable, CustomStringConvertible {
    /// What was being read, in words that a user understands, e.g. "tuple field 3".
    public var what: String
    /// Bytes from the start of what the reader was given.
    public var offset: Int

    public init(_ what: String, at offset: Int) {
        self.what = what
        self.offset = offset
    }

    public var description: String { "malformed bytes at offset \(offset): \(what)" }
}

/// Reads what `ByteWriter` writes, checking every bound. It views memory that its user keeps alive for the duration of a
/// `withUnsafeBytes` closure; it never escapes that closure.
public struct ByteReader {
    public let base: UnsafeRawBufferPointer
    public var offset: Int

    @inlinable
    public init(_ bytes: UnsafeRawBufferPointer, from offset: Int = 0) {
        base = bytes
        self.offset = offset
    }

    @inlinable public var remaining: Int { base.count - offset }
    @inlinable public var isAtEnd: Bool { offset >= base.count }

    @inlinable
    public func require(_ count: Int, _ what: @autoclosure () -> String) throws(MalformedBytes) {
        guard count >= 0, count <= base.count - offset else {
            throw MalformedBytes("\(what()) is cut short", at: offset)
        }
    }

    @inlinable
    public mutating func readByte(_ what: @autoclosure () -> String = "byte") throws(MalformedBytes) -> UInt8 {
        try require(1, what())
        defer { offset += 1 }
        return base[offset]
    }

    /// Only 0 and 1 are booleans.
    @inlinable
    public mutating func readBool(_ what: @autoclosure () -> String = "boolean") throws(MalformedBytes) -> Bool {
        switch try readByte(what()) {
        case 0: return false
        case 1: return true
        default: throw MalformedBytes("\(what()) is neither 0 nor 1", at: offset - 1)
        }
    }

    @inlinable
    public mutating func readUInt32(_ what: @autoclosure () -> String = "integer") throws(MalformedBytes) -> UInt32 {
        try require(4, what())
        defer { offset += 4 }
        return UInt32(littleEndian: base.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
    }

    @inlinable
    public mutating func readUInt64(_ what: @autoclosure () -> String = "integer") throws(MalformedBytes) -> UInt64 {
        try require(8, what())
        defer { offset += 8 }
        return UInt64(littleEndian: base.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }

    /// Unsigned LEB128 of at most 64 bits. A longer form than needed is accepted.
    @inlinable
    public mutating func readVarint(_ what: @autoclosure () -> String = "integer") throws(MalformedBytes) -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        let start = offset
        while true {
            let byte = try readByte(what())
            if shift == 63, byte > 1 { throw MalformedBytes("\(what()) exceeds 64 bits", at: start) }
            value |= UInt64(byte & 0x7F) << shift
            if byte & 0x80 == 0 { return value }
            shift += 7
            if shift > 63 { throw MalformedBytes("\(what()) exceeds 64 bits", at: start) }
        }
    }

    /// A varint that counts something of which each takes at least `minimumBytes` of what remains, so that a forged count
    /// can make nobody reserve memory for it.
    @inlinable
    public mutating func readCount(
        of what: @autoclosure () -> String, minimumBytes: Int = 1
    ) throws(MalformedBytes) -> Int {
        let start = offset
        let count = try readVarint(what())
        guard count <= UInt64(remaining / max(1, minimumBytes)) else {
            throw MalformedBytes("count of \(what()) exceeds the bytes that follow", at: start)
        }
        return Int(count)
    }

    @inlinable
    public mutating func readRaw(
        _ count: Int, _ what: @autoclosure () -> String = "bytes"
    ) throws(MalformedBytes) -> UnsafeRawBufferPointer {
        try require(count, what())
        defer { offset += count }
        return UnsafeRawBufferPointer(rebasing: base[offset..<offset + count])
    }

    /// A varint length, then that many bytes.
    @inlinable
    public mutating func readPrefixed(
        _ what: @autoclosure () -> String = "bytes"
    ) throws(MalformedBytes) -> UnsafeRawBufferPointer {
        let start = offset
        let length = try readVarint(what())
        guard length <= UInt64(remaining) else { throw MalformedBytes("\(what()) is cut short", at: start) }
        return try readRaw(Int(length), what())
    }

    @inlinable
    public mutating func readPrefixedArray(
        _ what: @autoclosure () -> String = "bytes"
    ) throws(MalformedBytes) -> [UInt8] {
        [UInt8](try readPrefixed(what()))
    }

    /// A varint length, then valid UTF-8.
    @inlinable
    public mutating func readString(_ what: @autoclosure () -> String = "string") throws(MalformedBytes) -> String {
        let start = offset
        let raw = try readPrefixed(what())
        guard let string = String(validating: raw.bindMemory(to: UInt8.self), as: UTF8.self) else {
            throw MalformedBytes("\(what()) is not valid UTF-8", at: start)
        }
        return string
    }

    @inlinable
    public func requireEnd(_ what: @autoclosure () -> String = "message") throws(MalformedBytes) {
        guard isAtEnd else { throw MalformedBytes("\(remaining) bytes follow the end of \(what())", at: offset) }
    }
}
