import ByteCoding

/// What a target found wrong with the code under test, in a sentence.
public struct Finding: Error, Equatable, CustomStringConvertible {
    public var description: String

    public init(_ description: String) { self.description = description }
}

/// Something that reads bytes of others, and what must hold whatever they are.
///
/// It must return, in time and memory bounded by the input's size. What it throws besides is a `Finding`.
public struct FuzzTarget: Sendable {
    public enum Verdict: Sendable {
        /// The bytes were refused, as they must be when they are malformed.
        case refused
        /// They meant something, and every property held.
        case accepted
    }

    /// What the code under test makes on its way back into it. The identity, but in the tests which prove that the
    /// target notices when that code is wrong.
    public typealias Tamper = ([UInt8]) -> [UInt8]

    /// Names the corpus.
    public let name: String
    /// The decoders that it drives, as `Room.Type.function(labels:)`: a test compares them with the sources.
    public let decoders: [String]
    /// Bytes that an input of some bytes may make it allocate at one time.
    public let allocation: @Sendable (Int) -> Int
    public let check: @Sendable (UnsafeRawBufferPointer, Tamper) throws -> Verdict
    /// Encodings of everything there is: what the fuzzer begins with.
    public let seeds: @Sendable () -> [[UInt8]]

    /// - Parameters:
    ///   - factor: bytes allocated for a byte of input.
    ///   - base: bytes allocated for an empty one.
    init(
        _ name: String, decoders: [String], factor: Int = 64, base: Int = 64 << 10,
        seeds: @escaping @Sendable () -> [[UInt8]],
        check: @escaping @Sendable (UnsafeRawBufferPointer, Tamper) throws -> Verdict
    ) {
        self.name = name
        self.decoders = decoders
        allocation = { base + factor * $0 }
        self.check = check
        self.seeds = seeds
    }

    public static let all: [FuzzTarget] =
        bytes + consensus + replicas + tuples + machines + clients + logs + servers + gateways
}

// MARK: - Properties

func require(_ holds: Bool, _ sentence: @autoclosure () -> String) throws {
    guard holds else { throw Finding(sentence()) }
}

extension FuzzTarget {
    /// A decoder and its encoder. Property: what was decoded can be encoded and decoded again, and is the same then,
    /// judged by `==` and by its bytes.
    static func roundTrip<T: Equatable>(
        _ bytes: UnsafeRawBufferPointer, _ tamper: Tamper, decode: (inout ByteReader) throws -> T,
        encode: (T, inout ByteWriter) -> Void
    ) throws -> Verdict {
        guard let value = try decoded(bytes, decode) else { return .refused }
        let bytes = tamper(encoded(value, encode))
        let again = try bytes.withUnsafeBytes { try decoded($0, decode) }
        guard let again else { throw Finding("what was decoded is refused when it is encoded: \(value)") }
        try require(again == value, "decoded and encoded it is another: \(again) instead of \(value)")
        try require(encoded(again, encode) == bytes, "the same value has two encodings: \(value)")
        return .accepted
    }

    /// Nil if the bytes are malformed or some are left.
    static func decoded<T>(_ bytes: UnsafeRawBufferPointer, _ decode: (inout ByteReader) throws -> T) throws -> T? {
        var reader = ByteReader(bytes)
        do {
            let value = try decode(&reader)
            try require(reader.offset <= bytes.count, "it read \(reader.offset) of \(bytes.count) bytes")
            return reader.isAtEnd ? value : nil
        } catch let error as MalformedBytes {
            try require((0...bytes.count).contains(error.offset), "the error names offset \(error.offset)")
            return nil
        }
    }
}

func encoded<T>(_ value: T, _ encode: (T, inout ByteWriter) -> Void) -> [UInt8] {
    var writer = ByteWriter()
    encode(value, &writer)
    return writer.bytes
}
