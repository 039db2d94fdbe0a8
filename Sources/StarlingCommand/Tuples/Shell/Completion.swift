/// What may stand at the end of a line that is being typed.
struct Completion: Equatable {
    /// All words that begin with what was typed of the last one, or what they have in common behind that if it is more.
    var candidates: [String] = []
    /// What is to be added to the line: what all candidates have in common, and what ends the word if there is just one.
    var addition = ""

    init() {}

    /// - Parameters:
    ///   - typed: of the word, so far.
    ///   - ending: stands behind a word that is complete.
    init(of typed: String, from words: some Sequence<String>, ending: String) {
        candidates = words.filter { $0.utf8.starts(with: typed.utf8) }.sorted()
        guard var common = candidates.first?.unicodeScalars[...] else { return }
        for candidate in candidates.dropFirst() {
            let count = zip(common, candidate.unicodeScalars).prefix { $0 == $1 }.count
            common = common.prefix(count)
        }
        addition = String(String.UnicodeScalarView(common.dropFirst(typed.unicodeScalars.count)))
        if candidates.count == 1 { addition += ending }
    }
}

/// Completes the shell's lines: commands, options, spaces, and the values and ids that were seen.
struct ShellCompleter: Sendable {
    let seen: SeenTuples

    func completion(of typed: String) -> Completion {
        let line = ShellLine(typed)
        let space = seen.space
        let last = line.lastTyped
        let words = last.isEmpty ? line.words : line.words.dropLast()
        guard let command = words.first else {
            return Completion(of: last, from: ShellRoot.names, ending: " ")
        }
        if last.hasPrefix("-") { return Completion(of: last, from: ShellRoot.options(of: command), ending: " ") }
        if let last = JSONTail(last) {
            let values = last.isPattern ? JSONTail.patterns : space.map { seen.values(at: last.field, in: $0) } ?? []
            return Completion(of: last.text, from: values, ending: "")
        }
        guard words.count == 1 else { return Completion() }
        switch command {
        case "help": return Completion(of: last, from: ShellRoot.names, ending: "")
        case UseCommand.name: return Completion(of: last, from: seen.spaces, ending: "")
        case DeleteRequest.name, RenewRequest.name, ReplaceRequest.name:
            return Completion(of: last, from: space.map(seen.ids) ?? [], ending: " ")
        default: return Completion()
        }
    }
}

/// The end of a tuple or template that is being typed.
struct JSONTail: Equatable {
    /// Which field, from 0.
    var field = 0
    /// The field so far.
    var text = ""

    /// Whether it is an object, of which nothing but patterns can be guessed.
    var isPattern: Bool { text.hasPrefix("{") }

    static let patterns =
        ["bool", "bytes", "float", "int", "list", "map", "number", "string", "symbol"].map { #"{"type":"\#($0)"}"# }
        + [#"{"range":["#, #"{"prefix":""#, #"{"regex":""#, #"{"bytes":""#, #"{"symbol":""#, #"{"map":{"#]

    /// - Returns: nil if this is no array, or one that has ended.
    init?(_ typed: String) {
        guard typed.hasPrefix("[") else { return nil }
        var depth = 0
        var isInString = false
        var isEscaped = false
        for scalar in typed.unicodeScalars {
            let isOutside = !isInString
            if isInString {
                if isEscaped {
                    isEscaped = false
                } else if scalar == "\\" {
                    isEscaped = true
                } else if scalar == "\"" {
                    isInString = false
                }
            } else if scalar == "\"" {
                isInString = true
            } else if scalar == "[" || scalar == "{" {
                depth += 1
                if depth == 1 { continue }
            } else if scalar == "]" || scalar == "}" {
                depth -= 1
                if depth == 0 { return nil }
            }
            if isOutside, depth == 1, scalar == "," {
                field += 1
                text = ""
            } else if !(isOutside && text.isEmpty && scalar == " ") {
                text.unicodeScalars.append(scalar)
            }
        }
    }
}
