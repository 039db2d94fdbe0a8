import ByteCoding
import Raft

/// The 40 bytes before every record's payload. All records lie at offsets divisible by 8.
struct RecordHeader: Equatable {
    enum Kind: UInt8 {
        /// `term` and, in `index`, the vote (0: none).
        case hardState = 1
        /// `detail` is `Entry.Kind`; the payload is the entry's.
        case entry = 2
        /// Everything at `index` and behind it is dropped.
        case truncation = 3
        /// `detail` has the `SnapshotMark` bits; the payload is the place and bytes of the configuration.
        case snapshot = 4
        /// Ends a batch: `index` counts its records, `term` their bytes, and `payloadChecksum` is the chain over them.
        case commit = 5
    }

    static let byteCount = 40
    /// What the header's own checksum covers.
    private static let covered = 36

    var kind: Kind
    var detail: UInt8 = 0
    var payloadLength: Int
    var index: UInt64
    var term: UInt64
    var batch: UInt64
    var payloadChecksum: UInt32
    /// Covers the header, and with it the payload's checksum; begins from the segment's salt, so that no record is
    /// valid in any other segment or server's log, nor can a client, who does not know the secret in it, make one.
    var checksum: UInt32 = 0

    /// Bytes of header, payload and padding.
    var byteCountInFile: Int { RecordHeader.byteCount + paddedToEight(payloadLength) }

    /// Appends the header and says what its checksum came to.
    @inline(__always)
    func encode(into bytes: inout [UInt8], salt: UInt32) -> UInt32 {
        withUnsafeTemporaryAllocation(byteCount: RecordHeader.byteCount, alignment: 8) { raw in
            raw.storeBytes(of: UInt32(payloadLength).littleEndian, toByteOffset: 0, as: UInt32.self)
            raw[4] = kind.rawValue
            raw[5] = detail
            raw.storeBytes(of: UInt16(0), toByteOffset: 6, as: UInt16.self)
            raw.storeBytes(of: index.littleEndian, toByteOffset: 8, as: UInt64.self)
            raw.storeBytes(of: term.littleEndian, toByteOffset: 16, as: UInt64.self)
            raw.storeBytes(of: batch.littleEndian, toByteOffset: 24, as: UInt64.self)
            raw.storeBytes(of: payloadChecksum.littleEndian, toByteOffset: 32, as: UInt32.self)
            let checksum = crc32c(UnsafeRawBufferPointer(rebasing: raw[..<RecordHeader.covered]), continuing: salt)
            raw.storeBytes(of: checksum.littleEndian, toByteOffset: 36, as: UInt32.self)
            bytes.append(contentsOf: raw)
            return checksum
        }
    }

    /// The header at an offset, if there is one whose checksum holds and whose payload ends within the bytes.
    /// - Precondition: offset is not negative.
    static func read(_ bytes: UnsafeRawBufferPointer, at offset: Int, salt: UInt32) -> RecordHeader? {
        guard bytes.count - offset >= byteCount else { return nil }
        // The cheap refusals come first: a search for later batches asks at every eighth byte.
        guard let kind = Kind(rawValue: bytes[offset + 4]), bytes[offset + 6] == 0, bytes[offset + 7] == 0 else {
            return nil
        }
        let length = Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)))
        guard length <= bytes.count - offset - byteCount else { return nil }
        let checksum = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset + covered, as: UInt32.self))
        let body = UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + covered])
        guard crc32c(body, continuing: salt) == checksum else { return nil }
        return RecordHeader(
            kind: kind, detail: bytes[offset + 5], payloadLength: length,
            index: UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset + 8, as: UInt64.self)),
            term: UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset + 16, as: UInt64.self)),
            batch: UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset + 24, as: UInt64.self)),
            payloadChecksum: UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset + 32, as: UInt32.self)),
            checksum: checksum)
    }

    /// The chain over a batch's records that its commit mark carries.
    @inline(__always)
    static func chain(_ before: UInt32, _ checksum: UInt32) -> UInt32 {
        withUnsafeBytes(of: checksum.littleEndian) { crc32c($0, continuing: before) }
    }
}

/// Bits of `RecordHeader.detail` of a snapshot record.
enum SnapshotMark {
    static let keepsTail: UInt8 = 1
    /// Repeats, at the start of a segment, what earlier segments say, so that those can be removed.
    static let restated: UInt8 = 2
}

@inline(__always)
func paddedToEight(_ count: Int) -> Int { (count + 7) & ~7 }

extension SnapshotMetadata {
    /// The part of a snapshot's metadata that does not fit a record's or a file's header.
    func encodeConfiguration(into writer: inout ByteWriter) {
        writer.write(configurationIndex.rawValue)
        configuration.encode(into: &writer)
    }

    /// Whether what `encodeConfiguration` writes of it can be read again: nothing is stored that could not be.
    var isReadable: Bool {
        var writer = ByteWriter()
        encodeConfiguration(into: &writer)
        let read = writer.bytes.withUnsafeBytes { try? SnapshotMetadata(index: index, term: term, body: $0) }
        return read == self
    }

    init(index: LogIndex, term: Term, body: UnsafeRawBufferPointer) throws(MalformedBytes) {
        guard index.rawValue < LogReplay.bound, term.rawValue < LogReplay.bound else {
            throw MalformedBytes("index \(index) of term \(term) is beyond all bounds", at: 0)
        }
        var reader = ByteReader(body)
        let configurationIndex = LogIndex(try reader.readUInt64("configuration index"))
        let configuration = try Configuration(from: &reader)
        try reader.requireEnd("snapshot metadata")
        self.init(index: index, term: term, configuration: configuration, configurationIndex: configurationIndex)
    }
}

extension Configuration {
    /// Reads the payload of a configuration entry; nil if it is malformed.
    init?(payload: [UInt8]) {
        let read = payload.withUnsafeBytes { raw -> Configuration? in
            var reader = ByteReader(raw)
            guard let configuration = try? Configuration(from: &reader), (try? reader.requireEnd("")) != nil else {
                return nil
            }
            return configuration
        }
        guard let read else { return nil }
        self = read
    }
}
