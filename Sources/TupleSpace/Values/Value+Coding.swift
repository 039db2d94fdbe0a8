import ByteCoding

/// The first byte of an encoded value. 10 to 15 are reserved.
enum ValueTag {
    static let null: UInt8 = 0
    static let no: UInt8 = 1
    static let yes: UInt8 = 2
    static let int: UInt8 = 3
    static let double: UInt8 = 4
    static let string: UInt8 = 5
    static let bytes: UInt8 = 6
    static let list: UInt8 = 7
    static let map: UInt8 = 8
    static let symbol: UInt8 = 9
}

extension Value {
    public func encode(into writer: inout ByteWriter) {
        switch self {
        case .null: writer.write(ValueTag.null)
        case .bool(let value): writer.write(value ? ValueTag.yes : ValueTag.no)
        case .int(let value):
            writer.write(ValueTag.int)
            writer.writeVarint(ZigZag.encode(value))
        case .double(let value):
            writer.write(ValueTag.double)
            writer.write(value.bitPattern)
        case .string(let value):
            writer.write(ValueTag.string)
            writer.write(value)
        case .bytes(let value):
            writer.write(ValueTag.bytes)
            writer.writePrefixed(value)
        case .list(let values):
            writer.write(ValueTag.list)
            writer.writeVarint(UInt64(values.count))
            for value in values { value.encode(into: &writer) }
        case .map(let entries):
            writer.write(ValueTag.map)
            writer.writeVarint(UInt64(entries.count))
            for entry in entries {
                writer.write(entry.key)
                entry.value.encode(into: &writer)
            }
        case .symbol(let value):
            writer.write(ValueTag.symbol)
            writer.write(value)
        }
    }

    public init(from reader: inout ByteReader) throws(MalformedBytes) {
        self = try Value.decode(&reader, depth: 0)
    }

    /// - depth: how many lists and maps are around it.
    private static func decode(_ reader: inout ByteReader, depth: Int) throws(MalformedBytes) -> Value {
        let start = reader.offset
        switch try reader.readByte("value") {
        case ValueTag.null: return .null
        case ValueTag.no: return .bool(false)
        case ValueTag.yes: return .bool(true)
        case ValueTag.int: return .int(ZigZag.decode(try reader.readVarint("int")))
        case ValueTag.double:
            let value = Double(bitPattern: try reader.readUInt64("double"))
            guard value.isFinite else { throw MalformedBytes("double is not finite", at: start) }
            return .double(value)
        case ValueTag.string: return .string(try reader.readString("string"))
        case ValueTag.bytes: return .bytes(try reader.readPrefixedArray("bytes"))
        case ValueTag.list:
            try requireDepth(depth, at: start)
            var values: [Value] = []
            for _ in 0..<(try reader.readCount(of: "list elements")) {
                values.append(try decode(&reader, depth: depth + 1))
            }
            return .list(values)
        case ValueTag.map:
            try requireDepth(depth, at: start)
            return .map(try decodeEntries(&reader, depth: depth + 1))
        case ValueTag.symbol: return .symbol(try reader.readString("symbol"))
        default: throw MalformedBytes("unknown kind of value", at: start)
        }
    }

    private static func requireDepth(_ depth: Int, at offset: Int) throws(MalformedBytes) {
        guard depth < Limits.nestingDepth else {
            throw MalformedBytes("lists and maps are nested deeper than \(Limits.nestingDepth)", at: offset)
        }
    }

    private static func decodeEntries(_ reader: inout ByteReader, depth: Int) throws(MalformedBytes) -> [MapEntry] {
        var entries: [MapEntry] = []
        for _ in 0..<(try reader.readCount(of: "map entries", minimumBytes: 2)) {
            let start = reader.offset
            let key = try reader.readString("map key")
            if let last = entries.last, !last.key.precedesInUTF8(key) {
                throw MalformedBytes("map keys are not unique and ascending", at: start)
            }
            entries.append(MapEntry(key: key, value: try decode(&reader, depth: depth)))
        }
        return entries
    }
}

/// Signed to unsigned so that small magnitudes stay small: 0, -1, 1, -2 … become 0, 1, 2, 3 …
enum ZigZag {
    static func encode(_ value: Int64) -> UInt64 { UInt64(bitPattern: (value << 1) ^ (value >> 63)) }
    static func decode(_ value: UInt64) -> Int64 { Int64(bitPattern: value >> 1) ^ -Int64(bitPattern: value & 1) }
}

extension Tuple {
    public func encode(into writer: inout ByteWriter) {
        writer.writeVarint(UInt64(fields.count))
        for field in fields { field.encode(into: &writer) }
    }

    public init(from reader: inout ByteReader) throws(MalformedBytes) {
        let start = reader.offset
        let count = try reader.readCount(of: "tuple fields")
        guard (1...Limits.fieldsPerTuple).contains(count) else {
            throw MalformedBytes("a tuple has 1 to \(Limits.fieldsPerTuple) fields", at: start)
        }
        fields = []
        fields.reserveCapacity(count)
        for _ in 0..<count { fields.append(try Value(from: &reader)) }
        guard reader.offset - start <= Limits.tupleBytes else {
            throw MalformedBytes("tuple exceeds \(Limits.tupleBytes) bytes", at: start)
        }
    }
}
