/// Appends the integers, lengths and byte strings of every Starling format to one growing array.
///
/// Integers of fixed width are little-endian; `varint` is unsigned LEB128 (1 to 10 bytes). Writing never fails.
public struct ByteWriter: Sendable {
    /// What has been written. Change it only by the methods below.
    public var bytes: [UInt8]

    @inlinable public var count: Int { bytes.count }

    @inlinable
    public init(reserving capacity: Int = 0) {
        bytes = []
        bytes.reserveCapacity(capacity)
    }

    /// Goes on at the end of bytes that stand already.
    @inlinable
    public init(appendingTo bytes: consuming [UInt8]) {
        self.bytes = bytes
    }

    /// Forgets the contents and keeps the memory, so that one writer serves message after message.
    @inlinable
    public mutating func reset() {
        bytes.removeAll(keepingCapacity: true)
    }

    @inlinable
    public mutating func write(_ value: UInt8) {
        bytes.append(value)
    }

    @inlinable
    public mutating func write(_ value: UInt32) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    @inlinable
    public mutating func write(_ value: UInt64) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    @inlinable
    public mutating func write(_ value: Bool) {
        bytes.append(value ? 1 : 0)
    }

    @inlinable
    public mutating func writeVarint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    /// Raw bytes, with nothing before them.
    @inlinable
    public mutating func write(raw source: UnsafeRawBufferPointer) {
        bytes.append(contentsOf: source)
    }

    @inlinable
    public mutating func write(raw source: [UInt8]) {
        bytes.append(contentsOf: source)
    }

    /// A varint length, then the bytes.
    @inlinable
    public mutating func writePrefixed(_ source: UnsafeRawBufferPointer) {
        writeVarint(UInt64(source.count))
        bytes.append(contentsOf: source)
    }

    @inlinable
    public mutating func writePrefixed(_ source: [UInt8]) {
        writeVarint(UInt64(source.count))
        bytes.append(contentsOf: source)
    }

    /// A varint length in bytes, then the string's UTF-8.
    @inlinable
    public mutating func write(_ string: String) {
        var string = string
        string.withUTF8 { writePrefixed(UnsafeRawBufferPointer($0)) }
    }

    /// Overwrites four bytes written before: for a length or checksum that is known only afterwards.
    /// - Precondition: `offset + 4 <= count`.
    @inlinable
    public mutating func patch(_ value: UInt32, at offset: Int) {
        withUnsafeBytes(of: value.littleEndian) { source in
            for i in 0..<4 { bytes[offset + i] = source[i] }
        }
    }

    /// Hands the bytes over and leaves the writer empty.
    @inlinable
    public mutating func take() -> [UInt8] {
        let result = bytes
        bytes = []
        return result
    }
}
