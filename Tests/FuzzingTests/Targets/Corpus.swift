import ByteCoding

/// A kept corpus: the inputs of one target in one file, each behind its length (u32). Thousands of tiny files would
/// be a burden to git and to readers.
public enum Corpus {
    /// Of one file. What is longest stays out.
    public static let maximumBytes = 64 << 10

    /// Sorted by length and bytes, without repeats: the same inputs always make the same file.
    public static func pack(_ inputs: [[UInt8]]) -> [UInt8] {
        var writer = ByteWriter()
        for input in Set(inputs).sorted(by: precedes) {
            if writer.count + 4 + input.count > maximumBytes { break }
            writer.write(UInt32(input.count))
            writer.write(raw: input)
        }
        return writer.bytes
    }

    private static func precedes(_ a: [UInt8], _ b: [UInt8]) -> Bool {
        a.count == b.count ? a.lexicographicallyPrecedes(b) : a.count < b.count
    }

    public static func unpack(_ bytes: [UInt8]) throws -> [[UInt8]] {
        try bytes.withUnsafeBytes { raw in
            var reader = ByteReader(raw)
            var inputs: [[UInt8]] = []
            while !reader.isAtEnd { inputs.append([UInt8](try reader.readRaw(Int(try reader.readUInt32())))) }
            return inputs
        }
    }

    /// A file's name for an input, the same wherever it is made.
    public static func name(of input: [UInt8]) -> String {
        var hash = StableHash()
        input.withUnsafeBytes { hash.mix($0) }
        return String(hash.value, radix: 16) + "-\(input.count)"
    }
}
