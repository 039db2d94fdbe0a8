import CZeroMQ

/// The public half of a CURVE key pair (Curve25519): 32 bytes.
public struct CurvePublicKey: Hashable, Comparable, Sendable, CustomStringConvertible {
    public let bytes: [UInt8]

    /// Nil unless there are 32 bytes.
    public init?(bytes: [UInt8]) {
        guard bytes.count == 32 else { return nil }
        self.bytes = bytes
    }

    /// Nil unless the text is 40 characters of Z85 (ZeroMQ RFC 32).
    public init?(z85: String) {
        guard let bytes = Z85.decode(z85) else { return nil }
        self.init(bytes: bytes)
    }

    /// 40 characters.
    public var z85: String { Z85.encode(bytes) }
    public var description: String { z85 }
    public static func < (a: Self, b: Self) -> Bool { a.bytes.lexicographicallyPrecedes(b.bytes) }
}

/// A CURVE key pair. Its description never shows the secret half.
public struct CurveKeyPair: Equatable, Sendable, CustomStringConvertible, CustomDebugStringConvertible {
    public let publicKey: CurvePublicKey
    /// 32 bytes.
    public let secretKey: [UInt8]

    /// A new random pair.
    public static func generate() throws(ZeroMQError) -> CurveKeyPair {
        var publicText = [CChar](repeating: 0, count: 41)
        var secretText = publicText
        guard zmq_curve_keypair(&publicText, &secretText) == 0 else { throw .last("make a CURVE key pair") }
        guard let publicKey = CurvePublicKey(z85: text(publicText)), let secretKey = Z85.decode(text(secretText)) else {
            throw ZeroMQError("read a CURVE key pair", code: EINVAL)
        }
        return CurveKeyPair(publicKey: publicKey, secretKey: secretKey)
    }

    /// The pair of a secret key of 32 bytes; nil if they are not 32.
    public init?(secretKey: [UInt8]) {
        guard secretKey.count == 32 else { return nil }
        var publicText = [CChar](repeating: 0, count: 41)
        let secretText = Z85.encode(secretKey)
        guard zmq_curve_public(&publicText, secretText) == 0, let key = CurvePublicKey(z85: Self.text(publicText))
        else {
            return nil
        }
        self.init(publicKey: key, secretKey: secretKey)
    }

    public init?(secretZ85: String) {
        guard let bytes = Z85.decode(secretZ85) else { return nil }
        self.init(secretKey: bytes)
    }

    private init(publicKey: CurvePublicKey, secretKey: [UInt8]) {
        self.publicKey = publicKey
        self.secretKey = secretKey
    }

    public var secretZ85: String { Z85.encode(secretKey) }
    public var description: String { "CURVE key pair with public key \(publicKey)" }
    public var debugDescription: String { description }

    private static func text(_ characters: [CChar]) -> String {
        String(decoding: characters.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}

/// Text of 5 characters for every 4 bytes (ZeroMQ RFC 32).
public enum Z85 {
    /// - Precondition: the count is a multiple of 4, as all keys' are.
    public static func encode(_ bytes: [UInt8]) -> String {
        precondition(bytes.count % 4 == 0, "Z85 takes multiples of 4 bytes")
        var text: [UInt8] = []
        for start in stride(from: 0, to: bytes.count, by: 4) {
            var word = bytes[start..<start + 4].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
            var group: [UInt8] = []
            for _ in 0..<5 {
                group.append(alphabet[Int(word % 85)])
                word /= 85
            }
            text += group.reversed()
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// Nil unless the text is Z85: a multiple of 5 characters of the alphabet, no group beyond 32 bits.
    public static func decode(_ text: String) -> [UInt8]? {
        let characters = Array(text.utf8)
        guard characters.count % 5 == 0 else { return nil }
        var bytes: [UInt8] = []
        for start in stride(from: 0, to: characters.count, by: 5) {
            var word: UInt64 = 0
            for character in characters[start..<start + 5] {
                guard let digit = alphabet.firstIndex(of: character) else { return nil }
                word = word * 85 + UInt64(digit)
            }
            guard let word = UInt32(exactly: word) else { return nil }
            for shift in [24, 16, 8, 0] { bytes.append(UInt8(truncatingIfNeeded: word >> UInt32(shift))) }
        }
        return bytes
    }

    private static let alphabet = Array(
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#".utf8)
}
