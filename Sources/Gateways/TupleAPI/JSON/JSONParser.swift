/// A strict reader of RFC 8259: no comments, no trailing commas, no duplicate names, only valid UTF-8 and paired
/// surrogates. Total: whatever the bytes, it returns a value or throws; its work is linear in their number and its
/// recursion bounded.
struct JSONParser {
    /// Arrays and objects within each other. Twice the tuplespace's own limit, because a map is an object within an
    /// object.
    static let maximumDepth = 80

    private let bytes: UnsafeBufferPointer<UInt8>
    private var index = 0
    private var depth = 0

    private init(_ bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }

    /// - Throws: `MalformedJSON` if the bytes are anything but one JSON text.
    static func parse(_ bytes: [UInt8]) throws(MalformedJSON) -> JSON {
        let result: Result<JSON, MalformedJSON> = bytes.withUnsafeBufferPointer { buffer in
            var parser = JSONParser(buffer)
            do throws(MalformedJSON) {
                return .success(try parser.wholeText())
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    private mutating func wholeText() throws(MalformedJSON) -> JSON {
        skipSpace()
        let value = try value()
        skipSpace()
        guard index == bytes.count else { throw failure("there is more after the end of the text") }
        return value
    }

    private mutating func value() throws(MalformedJSON) -> JSON {
        guard let byte = peek else { throw failure("the text ends where a value should begin") }
        switch byte {
        case UInt8(ascii: "{"): return try object()
        case UInt8(ascii: "["): return try array()
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try number()
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        default: throw failure("\(Self.name(byte)) cannot begin a value")
        }
    }

    // MARK: Arrays and objects

    private mutating func array() throws(MalformedJSON) -> JSON {
        try enter()
        var elements: [JSON] = []
        skipSpace()
        if take("]") { return leave(.array([])) }
        while true {
            skipSpace()
            elements.append(try value())
            skipSpace()
            if take("]") { return leave(.array(elements)) }
            guard take(",") else { throw failure("expected ',' or ']' in an array") }
        }
    }

    private mutating func object() throws(MalformedJSON) -> JSON {
        try enter()
        var members: [JSON.Member] = []
        var names: Set<[UInt8]> = []
        skipSpace()
        if take("}") { return leave(.object([])) }
        while true {
            skipSpace()
            guard peek == UInt8(ascii: "\"") else { throw failure("expected a name in quotes in an object") }
            let start = index
            let name = try string()
            guard names.insert(Array(name.utf8)).inserted else {
                throw failure("the name \"\(name.prefix(64))\" appears twice in an object", at: start)
            }
            skipSpace()
            guard take(":") else { throw failure("expected ':' after a name") }
            skipSpace()
            members.append(JSON.Member(name, try value()))
            skipSpace()
            if take("}") { return leave(.object(members)) }
            guard take(",") else { throw failure("expected ',' or '}' in an object") }
        }
    }

    private mutating func enter() throws(MalformedJSON) {
        guard depth < Self.maximumDepth else {
            throw failure("nested deeper than \(Self.maximumDepth) arrays and objects")
        }
        depth += 1
        index += 1
    }

    private mutating func leave(_ value: JSON) -> JSON {
        depth -= 1
        return value
    }

    // MARK: Words and numbers

    private mutating func word(_ text: StaticString, _ value: JSON) throws(MalformedJSON) -> JSON {
        let start = index
        let matches = text.withUTF8Buffer { letters in
            letters.count <= bytes.count - start && letters.indices.allSatisfy { bytes[start + $0] == letters[$0] }
        }
        guard matches else { throw failure("expected \(text)") }
        index += text.utf8CodeUnitCount
        return value
    }

    private mutating func number() throws(MalformedJSON) -> JSON {
        let start = index
        _ = take("-")
        let leadingZero = peek == UInt8(ascii: "0")
        let whole = digits()
        guard whole > 0 else { throw failure("expected a digit") }
        guard !leadingZero || whole == 1 else { throw failure("a number begins with a superfluous 0", at: start) }
        var isInteger = true
        if take(".") {
            isInteger = false
            guard digits() > 0 else { throw failure("expected a digit after the decimal point") }
        }
        if peek == UInt8(ascii: "e") || peek == UInt8(ascii: "E") {
            isInteger = false
            index += 1
            if !take("+") { _ = take("-") }
            guard digits() > 0 else { throw failure("expected a digit in the exponent") }
        }
        let text = String(decoding: bytes[start..<index], as: UTF8.self)
        if isInteger {
            guard let value = Int64(text) else {
                throw failure("an integer must lie in -9223372036854775808...9223372036854775807", at: start)
            }
            return .int(value)
        }
        guard let value = Double(text), value.isFinite else {
            throw failure("a number is too large for a double", at: start)
        }
        return .double(value)
    }

    private mutating func digits() -> Int {
        let start = index
        while let byte = peek, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) { index += 1 }
        return index - start
    }

    // MARK: Strings

    private mutating func string() throws(MalformedJSON) -> String {
        index += 1
        let start = index
        // The common string has no escapes and becomes one in one go.
        while let byte = peek, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\"), byte >= 0x20 { index += 1 }
        var text = try utf8(start..<index)
        while true {
            guard let byte = peek else { throw failure("a string does not end") }
            switch byte {
            case UInt8(ascii: "\""):
                index += 1
                return text
            case UInt8(ascii: "\\"):
                text.unicodeScalars.append(try escape())
            case 0..<0x20:
                throw failure("\(Self.name(byte)) in a string must be escaped")
            default:
                let run = index
                while let byte = peek, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\"), byte >= 0x20 {
                    index += 1
                }
                text += try utf8(run..<index)
            }
        }
    }

    private func utf8(_ range: Range<Int>) throws(MalformedJSON) -> String {
        guard let text = String(validating: bytes[range], as: UTF8.self) else {
            throw failure("a string is not valid UTF-8", at: range.lowerBound)
        }
        return text
    }

    private mutating func escape() throws(MalformedJSON) -> Unicode.Scalar {
        let start = index
        index += 1
        guard let byte = peek else { throw failure("a string does not end") }
        index += 1
        switch byte {
        case UInt8(ascii: "\""): return "\""
        case UInt8(ascii: "\\"): return "\\"
        case UInt8(ascii: "/"): return "/"
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{c}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"): return try unicodeEscape(from: start)
        default: throw failure("\(Self.name(byte)) cannot follow a backslash", at: start)
        }
    }

    private mutating func unicodeEscape(from start: Int) throws(MalformedJSON) -> Unicode.Scalar {
        let first = try hexDigits()
        if let scalar = Unicode.Scalar(first) { return scalar }
        // Not a scalar: a surrogate, which means something only as the first half of a pair.
        guard first < 0xdc00, take("\\"), take("u") else {
            throw failure("a surrogate without its other half", at: start)
        }
        let second = try hexDigits()
        guard (0xdc00...0xdfff).contains(second),
            let scalar = Unicode.Scalar(0x1_0000 + (UInt32(first - 0xd800) << 10) + UInt32(second - 0xdc00))
        else { throw failure("a surrogate without its other half", at: start) }
        return scalar
    }

    private mutating func hexDigits() throws(MalformedJSON) -> UInt16 {
        var value: UInt16 = 0
        for _ in 0..<4 {
            guard let byte = peek, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
                throw failure("expected four hexadecimal digits after \\u")
            }
            value = value << 4 | UInt16(digit)
            index += 1
        }
        return value
    }

    // MARK: Bytes

    private var peek: UInt8? { index < bytes.count ? bytes[index] : nil }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard let byte = peek, byte == UInt8(ascii: character) else { return false }
        index += 1
        return true
    }

    private mutating func skipSpace() {
        while let byte = peek, byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09 { index += 1 }
    }

    private func failure(_ reason: String, at position: Int? = nil) -> MalformedJSON {
        let before = bytes[..<min(position ?? index, bytes.count)]
        let line = before.reduce(into: 1) { if $1 == 0x0a { $0 += 1 } }
        let lineStart = before.lastIndex(of: 0x0a).map { $0 + 1 } ?? 0
        return MalformedJSON(reason: reason, line: line, column: before.endIndex - lineStart + 1)
    }

    private static func name(_ byte: UInt8) -> String {
        (0x21..<0x7f).contains(byte) ? "'\(Character(Unicode.Scalar(byte)))'" : "byte \(byte)"
    }
}
