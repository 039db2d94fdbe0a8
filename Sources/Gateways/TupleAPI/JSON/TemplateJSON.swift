import TupleSpace

/// Templates in JSON. A field is a value, `null` for any, or one of `{"type":"string"}`, `{"range":[a,b]}` (with
/// `"open":true` it excludes b), `{"prefix":"…"}` and `{"regex":"…"}`. So a template cannot ask for nil itself.
enum TemplateJSON {
    static func template(_ json: JSON, path: String = "template") throws(InvalidJSONValue) -> Template {
        var fields: [TemplateField] = []
        for (index, element) in try TupleJSON.fields(json, path: path, of: "a template").enumerated() {
            fields.append(try field(element, path: "\(path)[\(index)]"))
        }
        return Template(fields)
    }

    static func field(_ json: JSON, path: String) throws(InvalidJSONValue) -> TemplateField {
        switch json {
        case .null: return .any
        case .object(let members): return try pattern(members, of: json, path: path)
        default: return .literal(try TupleJSON.value(json, path: path))
        }
    }

    private static func pattern(
        _ members: [JSON.Member], of json: JSON, path: String
    ) throws(InvalidJSONValue) -> TemplateField {
        let names = Set(members.map(\.name))
        if names == ["regex"] { return .regex(try regex(members[0].value, path: "\(path).regex")) }
        if names == ["type"] { return .type(try type(members[0].value, path: "\(path).type")) }
        if names == ["prefix"] {
            guard case .string(let prefix) = members[0].value else {
                throw InvalidJSONValue(
                    path: "\(path).prefix", reason: "a string belongs here, not \(members[0].value.kind)")
            }
            return .prefix(prefix)
        }
        if names.contains("range"), names.isSubset(of: ["range", "open"]) { return try range(members, path: path) }
        do throws(InvalidJSONValue) {
            return .literal(try TupleJSON.value(json, path: path))
        } catch  where error.path == path {
            throw InvalidJSONValue(path: path, reason: fieldRule)
        }
    }

    private static let fieldRule =
        #"a template field is a value, null, {"type":"…"}, {"range":[a,b]} (with "open":true without b), {"prefix":"…"} or {"regex":"…"}"#

    private static func regex(_ json: JSON, path: String) throws(InvalidJSONValue) -> String {
        guard case .string(let pattern) = json else {
            throw InvalidJSONValue(path: path, reason: "a string belongs here, not \(json.kind)")
        }
        if let problem = RegexDialect.problem(in: pattern) { throw InvalidJSONValue(path: path, reason: problem) }
        return pattern
    }

    static func type(_ json: JSON, path: String) throws(InvalidJSONValue) -> ValueType {
        guard case .string(let name) = json, let type = ValueType.allCases.first(where: { "\($0)" == name }) else {
            let names = ValueType.allCases.map { "\($0)" }.joined(separator: ", ")
            throw InvalidJSONValue(path: path, reason: "a type is one of \(names)")
        }
        return type
    }

    private static func range(_ members: [JSON.Member], path: String) throws(InvalidJSONValue) -> TemplateField {
        var ends: [Value] = []
        var open = false
        for member in members {
            switch (member.name, member.value) {
            case ("range", .array(let elements)) where elements.count == 2:
                for (index, element) in elements.enumerated() {
                    ends.append(try TupleJSON.value(element, path: "\(path).range[\(index)]"))
                }
            case ("open", .bool(let value)): open = value
            case ("open", let value):
                throw InvalidJSONValue(path: "\(path).open", reason: "a boolean belongs here, not \(value.kind)")
            default:
                throw InvalidJSONValue(path: "\(path).range", reason: "a range is an array of its two ends")
            }
        }
        switch (ends[0], ends[1]) {
        case (.int, .int), (.int, .double), (.double, .int), (.double, .double), (.string, .string):
            return .range(lower: ends[0], upper: ends[1], open: open)
        default:
            throw InvalidJSONValue(path: "\(path).range", reason: "the ends are two numbers or two strings")
        }
    }
}

extension TemplateJSON {
    /// The text of a template, for addresses that we make. A literal nil, which the JSON of templates cannot say,
    /// becomes any.
    static func json(_ template: Template) -> JSON { .array(template.fields.map(json)) }

    private static func json(_ field: TemplateField) -> JSON {
        switch field {
        case .any: .null
        case .literal(let value): TupleJSON.json(value)
        case .type(let type): .object([.init("type", .string("\(type)"))])
        case .prefix(let prefix): .object([.init("prefix", .string(prefix))])
        case .regex(let pattern): .object([.init("regex", .string(pattern))])
        case .range(let lower, let upper, let open):
            .object(
                [.init("range", .array([TupleJSON.json(lower), TupleJSON.json(upper)]))]
                    + (open ? [.init("open", .bool(true))] : []))
        }
    }
}
