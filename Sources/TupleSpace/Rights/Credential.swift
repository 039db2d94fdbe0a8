/// By what a server knows who sends a command or a query. Who that is and what it may do, the state machine says.
public enum Credential: Hashable, Sendable {
    case anonymous
    /// Somebody who has the token of this digest.
    case token(TokenDigest)
    /// Somebody whose key the servers' plan files name as an operator's: may do what the role `admin` may.
    case `operator`
    /// A user that the server itself vouches for, without any role.
    case user(String)

    /// As a command bears it.
    public var text: String {
        switch self {
        case .anonymous: ""
        case .token(let digest): String(UnicodeScalar(Self.tokenMark)) + digest.text
        case .operator: String(UnicodeScalar(Self.operatorMark))
        case .user(let name): name
        }
    }

    func withBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        Array(text.utf8).withUnsafeBytes(body)
    }

    // No user's name begins with them.
    static let tokenMark = UInt8(ascii: "#")
    static let operatorMark = UInt8(ascii: "!")
}

/// The SHA-256 of a token, in 64 lower-case hexadecimal digits. The cluster never sees more of a token than this.
public struct TokenDigest: Hashable, Comparable, Sendable, CustomStringConvertible {
    public let text: String

    /// Nil if it is anything else.
    public init?(_ text: String) {
        guard text.utf8.count == 64, text.utf8.allSatisfy(Self.isDigit) else { return nil }
        self.text = text
    }

    /// Nil unless there are 32 bytes.
    public init?(sha256 bytes: some Sequence<UInt8>) {
        let digits = Array("0123456789abcdef".utf8)
        self.init(String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self))
    }

    public static func < (a: Self, b: Self) -> Bool { a.text.precedesInUTF8(b.text) }
    public var description: String { text }

    private static func isDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
    }
}

/// Who may come with a token. Replicated, as long as nobody takes it back.
public struct TokenRecord: Equatable, Sendable {
    public var digest: TokenDigest
    /// The user whose token it is.
    public var user: String
    /// Ascending as UTF-8, each once.
    public var roles: [String]

    public init(digest: TokenDigest, user: String, roles: [String] = []) {
        self.digest = digest
        self.user = user
        self.roles = Set(roles).sorted { $0.precedesInUTF8($1) }
    }

    /// The role of those who may set every policy and every token.
    public static let adminRole = "admin"

    /// What is wrong with it; nil if nothing is.
    public func problem() -> String? {
        if let problem = Self.problem(inName: user) { return "a user's name \(problem)" }
        if let role = roles.first(where: { Self.problem(inName: $0) != nil }) {
            return "a role's name \(Self.problem(inName: role) ?? "")"
        }
        if roles.count > Limits.rolesPerToken { return "a token has at most \(Limits.rolesPerToken) roles" }
        let isOrdered = zip(roles, roles.dropFirst()).allSatisfy { $0.precedesInUTF8($1) }
        return isOrdered ? nil : "a token's roles ascend, each once"
    }

    /// Of a user or a role.
    public static func problem(inName name: String) -> String? {
        guard SpaceName.isValid(name), let first = name.utf8.first else {
            return "has 1 to \(Limits.spaceNameBytes) bytes of UTF-8 and no control characters"
        }
        if first == Credential.tokenMark || first == Credential.operatorMark {
            return "begins neither with # nor with !"
        }
        return nil
    }
}
