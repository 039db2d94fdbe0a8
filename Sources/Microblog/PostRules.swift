/// What a post made through the microblog must keep. Raw tuples need not: whoever shows posts must bear anything.
///
/// - user: 1 to 32 of `A-Z a-z 0-9 _`.
/// - topic: 1 to 64 characters, none of them white space, a control character or `/`; not `.` and not `..`, which are
/// no
///   addresses.
/// - message: 1 to 500 characters (grapheme clusters) that are not all white space; no control characters but newline
/// and tab.
///
/// Grapheme clusters depend on the Unicode version of the server that counts, so this is decided before a post is
/// proposed and never when it is applied.
public enum PostRules {
    public static let userLength = 1...32
    public static let topicLength = 1...64
    public static let topicBytes = 256
    public static let messageLength = 1...500
    /// A cluster may be of any number of scalars, so characters alone bound nothing.
    public static let messageBytes = 10_000

    /// Checks all three and returns what is wrong, in the order of the fields.
    public static func problems(user: String, topic: String, message: String) -> [PostProblem] {
        [problem(user: user), problem(topic: topic), problem(message: message)].compactMap { $0 }
    }

    public static func check(user: String, topic: String, message: String) throws(PostProblem) {
        if let problem = problems(user: user, topic: topic, message: message).first { throw problem }
    }

    public static func problem(user: String) -> PostProblem? {
        if user.isEmpty { return PostProblem(.user, "a user name is missing: it has \(range(userLength)) characters") }
        let allowed = user.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
                true
            default: false
            }
        }
        guard allowed else { return PostProblem(.user, "a user name has only letters A to Z, digits and underscores") }
        guard userLength.contains(user.utf8.count) else {
            return PostProblem(
                .user, "a user name has at most \(userLength.upperBound) characters; this one has \(user.utf8.count)")
        }
        return nil
    }

    public static func problem(topic: String) -> PostProblem? {
        if topic.isEmpty { return PostProblem(.topic, "a topic is missing: it has \(range(topicLength)) characters") }
        if topic.unicodeScalars.contains(where: { isControl($0) || $0.properties.isWhitespace || $0 == "/" }) {
            return PostProblem(.topic, "a topic has no spaces, slashes or control characters")
        }
        if topic == "." || topic == ".." { return PostProblem(.topic, "a topic is not '.' or '..'") }
        guard topicLength.contains(topic.count) else {
            return PostProblem(
                .topic, "a topic has at most \(topicLength.upperBound) characters; this one has \(topic.count)")
        }
        guard topic.utf8.count <= topicBytes else {
            return PostProblem(.topic, "a topic has at most \(topicBytes) bytes; this one has \(topic.utf8.count)")
        }
        return nil
    }

    public static func problem(message: String) -> PostProblem? {
        if message.unicodeScalars.allSatisfy(\.properties.isWhitespace) {
            return PostProblem(.message, "a message is missing: it has \(range(messageLength)) characters")
        }
        if let scalar = message.unicodeScalars.first(where: { isControl($0) && $0 != "\n" && $0 != "\t" }) {
            let code = String(scalar.value, radix: 16, uppercase: true)
            return PostProblem(
                .message, "a message has no control characters but newline and tab; this one has one of code \(code)")
        }
        let count = message.count
        guard messageLength.contains(count) else {
            return PostProblem(
                .message, "a message has at most \(messageLength.upperBound) characters; this one has \(count)")
        }
        guard message.utf8.count <= messageBytes else {
            return PostProblem(
                .message, "a message has at most \(messageBytes) bytes; this one has \(message.utf8.count)")
        }
        return nil
    }

    static func isControl(_ scalar: Unicode.Scalar) -> Bool { scalar.properties.generalCategory == .control }

    private static func range(_ range: ClosedRange<Int>) -> String { "\(range.lowerBound) to \(range.upperBound)" }
}

/// Why a post is refused.
public struct PostProblem: Error, Equatable, Sendable, CustomStringConvertible {
    public enum Field: String, Sendable {
        case user, topic, message
    }

    public var field: Field
    /// Names the limit and, where one was exceeded, the actual length.
    public var description: String

    public init(_ field: Field, _ description: String) {
        self.field = field
        self.description = description
    }
}
