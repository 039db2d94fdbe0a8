/// A file of the program `fortune`: quotations separated by lines that hold a single `%`. The file's name is the topic.
public struct FortuneFile: Equatable, Sendable {
    public var topic: String
    /// In the order of the file, without the newline at their end; empty ones are left out.
    public var quotations: [String]
    /// What could not be read as it stands.
    public var problems: [Problem]

    public struct Problem: Equatable, Sendable, CustomStringConvertible {
        /// Counted from 1.
        public var line: Int
        public var reason: String
        public var description: String { "line \(line): \(reason)" }

        public init(line: Int, reason: String) {
            self.line = line
            self.reason = reason
        }
    }

    /// Whether a directory's entry is a file of quotations, and not an index or a link to another coding of one.
    public static func isFortuneFile(_ name: String) -> Bool {
        !name.hasPrefix(".") && !name.hasSuffix(".dat") && !name.hasSuffix(".u8")
    }

    /// Reads whatever the bytes are, and reports what it had to change: what is not UTF-8 becomes U+FFFD; letters
    /// struck over each other with backspaces, as old terminals underlined, become what such a terminal showed last;
    /// other control characters, which no post may have, become their pictures from U+2400 on.
    public init(name: String, bytes: [UInt8]) {
        topic = name
        quotations = []
        problems = []
        var lines: [String] = []
        for (index, line) in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated() {
            let text = readable(line, number: index + 1)
            if text == "%" {
                finish(&lines)
            } else {
                lines.append(text)
            }
        }
        finish(&lines)
    }

    private mutating func finish(_ lines: inout [String]) {
        while lines.last?.isEmpty == true { lines.removeLast() }
        if lines.contains(where: { !$0.isEmpty }) { quotations.append(lines.joined(separator: "\n")) }
        lines.removeAll()
    }

    private mutating func readable(_ line: ArraySlice<UInt8>, number: Int) -> String {
        let line = line.last == UInt8(ascii: "\r") ? line.dropLast() : line
        let text: String
        if let valid = String(validating: line, as: UTF8.self) {
            text = valid
        } else {
            problems.append(Problem(line: number, reason: "bytes that are not UTF-8"))
            text = String(decoding: line, as: UTF8.self)
        }
        guard text.unicodeScalars.contains(where: { PostRules.isControl($0) && $0 != "\t" }) else { return text }
        problems.append(Problem(line: number, reason: "control characters"))
        return String(String.UnicodeScalarView(Self.struckOver(text.unicodeScalars).map(Self.picture)))
    }

    /// What a terminal shows: a backspace goes one place back, and what comes next stands there instead, unless it
    /// only underlines.
    private static func struckOver(_ scalars: String.UnicodeScalarView) -> [Unicode.Scalar] {
        var line: [Unicode.Scalar] = []
        var place = 0
        for scalar in scalars {
            if scalar == "\u{8}", place > 0 {
                place -= 1
            } else if place < line.count {
                if scalar != "_" { line[place] = scalar }
                place += 1
            } else {
                line.append(scalar)
                place += 1
            }
        }
        return line
    }

    private static func picture(_ scalar: Unicode.Scalar) -> Unicode.Scalar {
        guard PostRules.isControl(scalar), scalar != "\t" else { return scalar }
        return scalar.value < 0x20 ? Unicode.Scalar(0x2400 + scalar.value) ?? "\u{fffd}" : "\u{fffd}"
    }

    /// The messages to post under the topic, in order: each quotation, split where it is too long.
    public func messages(splitter: MessageSplitter = MessageSplitter()) -> [String] {
        quotations.flatMap { splitter.split($0) }
    }
}
