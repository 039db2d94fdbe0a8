/// The regular expressions that templates may have: a part of RE2's whose meaning depends on no version and no locale. An expression is
/// found anywhere in a string, unless `^` and `$` tie it to the ends.
///
///     characters · . · ^ $ \b \B · (…) (?:…) · a|b · * + ? {n} {n,} {n,m}, each perhaps with a ? behind it
///     [a-z] [^a-z] · \d \D \w \W \s \S (of ASCII) · \t \n \r · \ before any other ASCII punctuation
///
/// What is not here (case folding, Unicode's classes, back references, …) is refused before it is proposed, and so is what would grow
/// beyond the limits of size: then every server can compile it, and matching takes time linear in the string.
public enum RegexDialect {
    /// What is wrong with an expression, and where; nil if it may be used.
    public static func problem(in pattern: String) -> String? {
        var pattern = pattern
        return pattern.withUTF8 { problem(in: UnsafeRawBufferPointer($0)) }
    }

    /// - Parameter pattern: valid UTF-8.
    static func problem(in pattern: UnsafeRawBufferPointer) -> String? {
        guard pattern.count <= Limits.regexBytes else {
            return "it has \(pattern.count) bytes; the limit is \(Limits.regexBytes)"
        }
        var parser = RegexParser(Array(String(decoding: pattern, as: UTF8.self).unicodeScalars))
        do throws(RegexParser.Problem) {
            let size = try parser.alternatives(depth: 0)
            try parser.requireEnd()
            guard size <= Limits.regexSize else {
                return "its repetitions make it \(size) times as big as one character; the limit is \(Limits.regexSize)"
            }
            return nil
        } catch {
            return error.text
        }
    }

    static func isValid(_ pattern: UnsafeRawBufferPointer) -> Bool { problem(in: pattern) == nil }
}

/// Recursive descent over Unicode scalars. Sizes are in characters, repetitions multiplied out.
private struct RegexParser {
    struct Problem: Error {
        var text: String
    }

    private let scalars: [Unicode.Scalar]
    private var at = 0

    init(_ scalars: [Unicode.Scalar]) { self.scalars = scalars }

    private var next: Unicode.Scalar? { at < scalars.count ? scalars[at] : nil }

    private mutating func accept(_ scalar: Unicode.Scalar) -> Bool {
        guard next == scalar else { return false }
        at += 1
        return true
    }

    private func problem(_ what: String) -> Problem { Problem(text: "at character \(at + 1): \(what)") }

    func requireEnd() throws(Problem) {
        if next != nil { throw problem("a ) that closes nothing") }
    }

    mutating func alternatives(depth: Int) throws(Problem) -> Int {
        guard depth <= Limits.regexDepth else { throw problem("groups are nested deeper than \(Limits.regexDepth)") }
        var size = try sequence(depth)
        while accept("|") { size += 1 + (try sequence(depth)) }
        return size
    }

    private mutating func sequence(_ depth: Int) throws(Problem) -> Int {
        var size = 0
        while let scalar = next, scalar != "|", scalar != ")" {
            let (piece, repeats) = try atom(depth)
            size = min(size + (try quantified(piece, repeats)), Int(Int32.max))
        }
        return size
    }

    /// - Returns: its size, and whether it may be repeated.
    private mutating func atom(_ depth: Int) throws(Problem) -> (size: Int, repeats: Bool) {
        guard let scalar = next else { throw problem("something is missing at the end") }
        switch scalar {
        case "*", "+", "?", "{":
            throw problem("\(scalar) has nothing before it to repeat; write \\\(scalar) for the character")
        case "}", "]": throw problem("write \\\(scalar) for the character")
        case "^", "$":
            at += 1
            return (1, false)
        case "(":
            at += 1
            if accept("?"), !accept(":") { throw problem("of the groups that begin with (? only (?:…) is known") }
            let size = try alternatives(depth: depth + 1)
            guard accept(")") else { throw problem("a ) is missing") }
            return (size + 1, true)
        case "[":
            at += 1
            try characterClass()
            return (1, true)
        case "\\": return (1, try escape())
        default:
            at += 1
            return (1, true)
        }
    }

    private mutating func quantified(_ size: Int, _ repeats: Bool) throws(Problem) -> Int {
        guard let scalar = next, ["*", "+", "?", "{"].contains(scalar) else { return size }
        guard repeats else { throw problem("what stands before \(scalar) cannot be repeated") }
        at += 1
        let times = scalar == "{" ? try bounds() : 1
        // Reluctant or not: whether it is found is the same.
        _ = accept("?")
        if let more = next, ["*", "+", "?", "{"].contains(more) {
            throw problem("two repetitions follow each other; use a group")
        }
        return min(size * times + 1, Int(Int32.max))
    }

    /// `n}`, `n,}` or `n,m}`.
    /// - Returns: how many copies that makes.
    private mutating func bounds() throws(Problem) -> Int {
        let least = try number()
        var most = least
        var isOpen = false
        if accept(",") {
            if next == "}" { isOpen = true } else { most = try number() }
        }
        guard accept("}") else { throw problem("a repetition is {n}, {n,} or {n,m}") }
        guard least <= most else { throw problem("{\(least),\(most)} ends before it begins") }
        return max(1, isOpen ? least + 1 : most)
    }

    private mutating func number() throws(Problem) -> Int {
        var value: Int?
        while let scalar = next, ("0"..."9").contains(scalar) {
            value = (value ?? 0) * 10 + Int(scalar.value - 48)
            guard (value ?? 0) <= Limits.regexRepetitions else {
                throw problem("a repetition is at most \(Limits.regexRepetitions) times")
            }
            at += 1
        }
        guard let value else { throw problem("a repetition is {n}, {n,} or {n,m}; write \\{ for the character") }
        return value
    }

    private static let classes: [Unicode.Scalar] = ["d", "D", "w", "W", "s", "S"]

    /// - Returns: whether it may be repeated.
    private mutating func escape() throws(Problem) -> Bool {
        at += 1
        guard let scalar = next else { throw problem("a \\ at the end") }
        at += 1
        if scalar == "b" || scalar == "B" { return false }
        if Self.classes.contains(scalar) || Self.isEscapable(scalar) { return true }
        at -= 1
        throw problem("\\\(scalar) is not known here")
    }

    private static func isEscapable(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "t", "n", "r": true
        case "!"..."/", ":"..."@", "["..."`", "{"..."~": true
        default: false
        }
    }

    private mutating func characterClass() throws(Problem) {
        _ = accept("^")
        var isEmpty = true
        while let scalar = next, scalar != "]" {
            let first = try member(isFirst: isEmpty)
            isEmpty = false
            guard next == "-", at + 1 < scalars.count, scalars[at + 1] != "]" else { continue }
            at += 1
            guard let low = first, let high = try member(isFirst: false) else {
                throw problem("the ends of a range are single characters")
            }
            guard low.value <= high.value else { throw problem("the range \(low)-\(high) ends before it begins") }
        }
        guard !isEmpty else { throw problem("a class of characters has at least one; write \\] for the character") }
        guard accept("]") else { throw problem("a ] is missing") }
    }

    /// - Returns: the character; nil if it is a class of them.
    private mutating func member(isFirst: Bool) throws(Problem) -> Unicode.Scalar? {
        guard let scalar = next else { throw problem("a ] is missing") }
        at += 1
        switch scalar {
        case "[", "]":
            at -= 1
            throw problem("write \\\(scalar) for the character")
        case "-":
            guard isFirst || next == "]" else {
                at -= 1
                throw problem("write \\- for the character")
            }
            return scalar
        case "\\":
            guard let escaped = next else { throw problem("a \\ at the end") }
            at += 1
            if Self.classes.contains(escaped) { return nil }
            switch escaped {
            case "t": return "\t"
            case "n": return "\n"
            case "r": return "\r"
            case _ where Self.isEscapable(escaped): return escaped
            default:
                at -= 1
                throw problem("\\\(escaped) is not known here")
            }
        default: return scalar
        }
    }
}
