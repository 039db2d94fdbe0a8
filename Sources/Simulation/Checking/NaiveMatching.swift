import TupleSpace

/// Field by field, as the documentation of templates says it.
func naivelyMatches(_ template: Template, _ tuple: Tuple) -> Bool {
    guard template.fields.count == tuple.fields.count else { return false }
    return zip(template.fields, tuple.fields).allSatisfy(naivelyMatches)
}

private func naivelyMatches(_ field: TemplateField, _ value: Value) -> Bool {
    switch field {
    case .any: return true
    case .literal(let literal): return literal == value
    case .type(let type): return naivelyHasType(type, value)
    case .prefix(let prefix):
        guard case .string(let text) = value else { return false }
        return text.utf8.starts(with: prefix.utf8)
    case .regex(let pattern):
        guard case .string(let text) = value else { return false }
        return naivelyFinds(Array(pattern.utf8), Array(text.utf8))
    case .range(let lower, let upper, let open):
        guard case .int(let low) = lower, case .int(let high) = upper, case .int(let number) = value else {
            return false
        }
        return low <= number && (open ? number < high : number <= high)
    }
}

/// Of regular expressions what the simulated clients use: characters, `.`, `*` behind one, `^` and `$` at the ends; by trying.
private func naivelyFinds(_ pattern: [UInt8], _ text: [UInt8]) -> Bool {
    func here(_ p: Int, _ t: Int) -> Bool {
        if p == pattern.count { return true }
        if pattern[p] == UInt8(ascii: "$"), p == pattern.count - 1 { return t == text.count }
        let fits = t < text.count && (pattern[p] == UInt8(ascii: ".") || pattern[p] == text[t])
        if p + 1 < pattern.count, pattern[p + 1] == UInt8(ascii: "*") {
            return here(p + 2, t) || (fits && here(p, t + 1))
        }
        return fits && here(p + 1, t + 1)
    }
    if pattern.first == UInt8(ascii: "^") { return here(1, 0) }
    return (0...text.count).contains { here(0, $0) }
}

private func naivelyHasType(_ type: ValueType, _ value: Value) -> Bool {
    switch (type, value) {
    case (.string, .string), (.number, .int), (.number, .double), (.int, .int), (.float, .double), (.bool, .bool),
        (.bytes, .bytes), (.list, .list), (.map, .map), (.symbol, .symbol):
        true
    default: false
    }
}
