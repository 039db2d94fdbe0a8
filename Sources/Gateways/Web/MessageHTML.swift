/// A message as HTML: escaped, with http and https addresses as links. White space is the stylesheet's matter.
enum MessageHTML {
    static func render(_ message: String) -> String {
        var html = ""
        var rest = Substring(message)
        while let (start, end) = nextAddress(in: rest) {
            html += escape(rest[..<start])
            let address = escape(rest[start..<end])
            html += "<a href=\"\(address)\" rel=\"nofollow noopener noreferrer\">\(address)</a>"
            rest = rest[end...]
        }
        return html + escape(rest)
    }

    /// An address begins with its scheme at the start of a word and goes on to the next white space, without the
    /// punctuation that the sentence around it put at its end.
    private static func nextAddress(in text: Substring) -> (start: String.Index, end: String.Index)? {
        var from = text.startIndex
        while let scheme = text[from...].firstRange(of: "http") {
            from = scheme.upperBound
            guard let body = ["http://", "https://"].first(where: { text[scheme.lowerBound...].hasPrefix($0) }) else {
                continue
            }
            if scheme.lowerBound > text.startIndex, isWord(text[text.index(before: scheme.lowerBound)]) { continue }
            let start = scheme.lowerBound
            let word = text[start...].prefix { !$0.isWhitespace && $0 != "<" && $0 != ">" && $0 != "\"" }
            let end = trimmed(word)
            // At least one letter or digit must name a host.
            guard let first = text[start..<end].dropFirst(body.count).first, isWord(first) || first == "[" else {
                continue
            }
            return (start, end)
        }
        return nil
    }

    private static func isWord(_ character: Character) -> Bool { character.isLetter || character.isNumber }

    private static func trimmed(_ word: Substring) -> String.Index {
        var word = word
        while let last = word.last {
            let closesNothing = last == ")" && word.filter { $0 == "(" }.count < word.filter { $0 == ")" }.count
            guard ".,;:!?'*_".contains(last) || closesNothing else { break }
            word.removeLast()
        }
        return word.endIndex
    }

    /// For text and for attributes in quotes. Control characters become U+FFFD: in HTML some of them mean something.
    static func escape(_ text: some StringProtocol) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": escaped += "&amp;"
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            case "\"": escaped += "&quot;"
            case "'": escaped += "&#39;"
            case "\n", "\t": escaped.unicodeScalars.append(scalar)
            case _ where scalar.properties.generalCategory == .control: escaped += "\u{fffd}"
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }

    /// Whether the message is laid out in columns, as drawings and tables are: several lines with runs of spaces
    /// inside.
    static func isVerbatim(_ message: String) -> Bool {
        let lines = message.split(separator: "\n")
        let drawn = lines.filter { line in
            let inner = line.drop { $0 == " " || $0 == "\t" }
            return !inner.hasPrefix("--") && (inner.contains("    ") || (inner.contains("\t") && !inner.hasPrefix("—")))
        }
        return lines.count >= 3 && drawn.count * 2 >= lines.count
    }
}
