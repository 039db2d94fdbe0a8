/// A line of the shell as words. Blanks separate them; a JSON array or object is one word with the blanks in it, and so is
/// what stands in quotes, as in sh.
struct ShellLine: Equatable {
    private(set) var words: [String] = []
    /// The word that the line ends in, as it was typed; empty behind a blank.
    private(set) var lastTyped = ""
    /// What the line lacks at its end, for people; nil if nothing.
    private(set) var missing: String?

    init(_ line: String) {
        let bytes = Array(line.utf8)
        var index = 0
        while let start = bytes[index...].firstIndex(where: { !Self.isBlank($0) }) {
            var word: [UInt8] = []
            index = start
            while index < bytes.count, !Self.isBlank(bytes[index]) {
                let end = pieceEnd(bytes, index, isFirst: index == start)
                word +=
                    Self.isQuote(bytes[index]) ? bytes[(index + 1)..<max(index + 1, closed(end))] : bytes[index..<end]
                index = end
            }
            words.append(String(decoding: word, as: UTF8.self))
            lastTyped = index == bytes.count ? String(decoding: bytes[start...], as: UTF8.self) : ""
        }
    }

    /// Of a quoted piece, without its closing quote if it has one.
    private func closed(_ end: Int) -> Int { missing == nil ? end - 1 : end }

    /// Where what begins here ends: something quoted, an array or object, or a single byte.
    private mutating func pieceEnd(_ bytes: [UInt8], _ start: Int, isFirst: Bool) -> Int {
        let first = bytes[start]
        if Self.isQuote(first) {
            if let end = bytes[(start + 1)...].firstIndex(of: first) { return end + 1 }
            missing = first == UInt8(ascii: "'") ? "the closing '" : "the closing \""
            return bytes.count
        }
        guard isFirst, Self.opens(first) else { return start + 1 }
        var depth = 0
        var isInString = false
        var index = start
        while index < bytes.count {
            switch bytes[index] {
            case UInt8(ascii: "\\") where isInString: index += 1
            case UInt8(ascii: "\""): isInString.toggle()
            case let byte where !isInString && Self.opens(byte): depth += 1
            case UInt8(ascii: "]") where !isInString, UInt8(ascii: "}") where !isInString: depth -= 1
            default: break
            }
            index += 1
            if depth == 0 { return index }
        }
        missing =
            isInString ? "the closing \" of a string" : first == UInt8(ascii: "[") ? "the closing ]" : "the closing }"
        return bytes.count
    }

    private static func opens(_ byte: UInt8) -> Bool { byte == UInt8(ascii: "[") || byte == UInt8(ascii: "{") }
    private static func isQuote(_ byte: UInt8) -> Bool { byte == UInt8(ascii: "'") || byte == UInt8(ascii: "\"") }
    private static func isBlank(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }
}
