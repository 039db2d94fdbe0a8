import CRE2

/// Matches with RE2.
enum RegexEngine {
    /// - Parameters:
    ///   - pattern: of the dialect, which RE2 always takes.
    ///   - text: valid UTF-8.
    static func matches(_ pattern: UnsafeRawBufferPointer, _ text: UnsafeRawBufferPointer) -> Bool {
        starling_regex_matches(
            pattern.bindMemory(to: CChar.self).baseAddress, pattern.count,
            text.bindMemory(to: CChar.self).baseAddress, text.count) == 1
    }

    static func matches(_ pattern: String, _ text: String) -> Bool {
        var (pattern, text) = (pattern, text)
        return pattern.withUTF8 { pattern in
            text.withUTF8 { matches(UnsafeRawBufferPointer(pattern), UnsafeRawBufferPointer($0)) }
        }
    }
}
