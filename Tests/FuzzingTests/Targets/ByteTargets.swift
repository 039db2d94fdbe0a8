import ByteCoding

@testable import TupleSpace

extension FuzzTarget {
    static let bytes = [
        FuzzTarget("byte-reader", decoders: [], seeds: byteSeeds) { bytes, tamper in
            try readBothWays(bytes, tamper)
        }
    ]

    /// `ByteReader` and `ByteScan` read the same. The first byte says how many of the following choose what is read.
    private static func readBothWays(_ bytes: UnsafeRawBufferPointer, _ tamper: Tamper) throws -> Verdict {
        guard let count = bytes.first.map(Int.init), count < bytes.count else { return .refused }
        let data = UnsafeRawBufferPointer(rebasing: bytes[(1 + count)...])
        var reader = ByteReader(data)
        var scan = ByteScan(data)
        for operation in bytes[1..<1 + count] {
            let read = try? encoded { try readOne(operation % 4, &reader, &$0) }
            let scanned = encoded { scanOne(operation % 4, &scan, &$0) }
            try require((read == nil) == scan.failed, "the reader and the scan disagree at \(reader.offset)")
            guard let read else { return .refused }
            try require(tamper(read) == scanned, "the reader has \(read), the scan \(scanned)")
            try require(reader.offset == scan.offset, "the reader is at \(reader.offset), the scan at \(scan.offset)")
            try require(reader.offset <= data.count, "the reader is beyond the end")
        }
        return .accepted
    }

    private static func encoded(_ body: (inout ByteWriter) throws -> Void) rethrows -> [UInt8] {
        var writer = ByteWriter()
        try body(&writer)
        return writer.bytes
    }

    private static func readOne(_ operation: UInt8, _ reader: inout ByteReader, _ writer: inout ByteWriter) throws {
        switch operation {
        case 0: writer.write(try reader.readByte())
        case 1: writer.write(try reader.readUInt64())
        case 2: writer.writeVarint(try reader.readVarint())
        default: writer.write(try reader.readString())
        }
    }

    private static func scanOne(_ operation: UInt8, _ scan: inout ByteScan, _ writer: inout ByteWriter) {
        switch operation {
        case 0: writer.write(scan.byte())
        case 1: writer.write(scan.word())
        case 2: writer.writeVarint(scan.varint())
        default: writer.writePrefixed(scan.text())
        }
    }

    private static func byteSeeds() -> [[UInt8]] {
        var writer = ByteWriter()
        writer.write(UInt8(7))
        writer.write(UInt64(1) << 40)
        writer.writeVarint(.max)
        writer.writeVarint(300)
        writer.write("é€😀 and more")
        return [
            [5, 0, 1, 2, 2, 3] + writer.bytes, [1, 2] + [UInt8](repeating: 0xFF, count: 9) + [2], [2, 3, 3, 0, 5, 65],
        ]
    }
}
