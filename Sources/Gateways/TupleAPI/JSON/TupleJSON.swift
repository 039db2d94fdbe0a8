import TupleSpace

/// What is wrong with a JSON text as a tuple or template, and where in it.
struct InvalidJSONValue: Error, Equatable, CustomStringConvertible {
    /// Such as `tuple[2].map.x`.
    var path: String
    var reason: String

    var description: String { "\(path): \(reason)" }
}

/// Tuples in JSON: JSON's own values, and objects of one member for what JSON has not:
/// `{"bytes":"base64"}`, `{"symbol":"x"}`, `{"map":{…}}`, and `{"int":"…"}` for ints whose magnitude exceeds 2^53,
/// which readers with doubles only would round. Any other object is an error.
enum TupleJSON {
    /// The largest magnitude up to which every integer is a double.
    private static let exactDoubles: ClosedRange<Int64> = -(1 << 53)...(1 << 53)

    static func tuple(_ json: JSON, path: String = "tuple") throws(InvalidJSONValue) -> Tuple {
        Tuple(try values(fields(json, path: path, of: "a tuple"), path: path, depth: 0))
    }

    /// The elements of an array with an allowed number of fields.
    static func fields(_ json: JSON, path: String, of what: String) throws(InvalidJSONValue) -> [JSON] {
        guard case .array(let elements) = json else {
            throw InvalidJSONValue(path: path, reason: "\(what) is an array, not \(json.kind)")
        }
        guard (1...Limits.fieldsPerTuple).contains(elements.count) else {
            throw InvalidJSONValue(
                path: path, reason: "\(what) has 1 to \(Limits.fieldsPerTuple) fields, not \(elements.count)")
        }
        return elements
    }

    private static func values(_ elements: [JSON], path: String, depth: Int) throws(InvalidJSONValue) -> [Value] {
        var values: [Value] = []
        values.reserveCapacity(elements.count)
        for (index, element) in elements.enumerated() {
            values.append(try value(element, path: "\(path)[\(index)]", depth: depth))
        }
        return values
    }

    /// - depth: lists and maps around this value.
    static func value(_ json: JSON, path: String, depth: Int = 0) throws(InvalidJSONValue) -> Value {
        switch json {
        case .null: return .null
        case .bool(let value): return .bool(value)
        case .int(let value): return .int(value)
        case .double(let value): return .double(value)
        case .string(let value): return .string(value)
        case .array(let elements):
            try checkDepth(depth, path: path)
            return .list(try values(elements, path: path, depth: depth + 1))
        case .object(let members):
            guard members.count == 1, let member = members.first else {
                throw InvalidJSONValue(path: path, reason: objectRule)
            }
            return try tagged(member, path: path, depth: depth)
        }
    }

    private static let objectRule =
        #"an object here is one of {"bytes":"base64"}, {"symbol":"x"}, {"map":{…}} and {"int":"…"}"#

    private static func tagged(_ member: JSON.Member, path: String, depth: Int) throws(InvalidJSONValue) -> Value {
        let inner = "\(path).\(member.name)"
        switch (member.name, member.value) {
        case ("bytes", .string(let text)):
            guard let bytes = Base64.decode(text) else {
                throw InvalidJSONValue(path: inner, reason: "not base64 (RFC 4648, with padding)")
            }
            return .bytes(bytes)
        case ("symbol", .string(let text)):
            return .symbol(text)
        case ("int", .string(let text)):
            // Only the one text of each number: `Int64` alone would take "+7" and "007".
            guard let value = Int64(text), String(value) == text else {
                throw InvalidJSONValue(path: inner, reason: "not a 64-bit integer in decimal")
            }
            return .int(value)
        case ("map", .object(let members)):
            try checkDepth(depth, path: path)
            return .map(try entries(members, path: inner, depth: depth + 1))
        case ("bytes", _), ("symbol", _), ("int", _):
            throw InvalidJSONValue(path: inner, reason: "a string belongs here, not \(member.value.kind)")
        case ("map", _):
            throw InvalidJSONValue(path: inner, reason: "an object belongs here, not \(member.value.kind)")
        default:
            throw InvalidJSONValue(path: path, reason: objectRule)
        }
    }

    private static func entries(
        _ members: [JSON.Member], path: String, depth: Int
    ) throws(InvalidJSONValue) -> [Value.MapEntry] {
        var entries: [Value.MapEntry] = []
        for member in members {
            let value = try value(member.value, path: "\(path).\(member.name.prefix(64))", depth: depth)
            entries.append(Value.MapEntry(key: member.name, value: value))
        }
        return entries.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
    }

    private static func checkDepth(_ depth: Int, path: String) throws(InvalidJSONValue) {
        guard depth < Limits.nestingDepth else {
            throw InvalidJSONValue(path: path, reason: "lists and maps nest at most \(Limits.nestingDepth) deep")
        }
    }

    // MARK: To JSON

    static func json(_ tuple: Tuple) -> JSON { .array(tuple.fields.map(json)) }

    static func json(_ value: Value) -> JSON {
        switch value {
        case .null: .null
        case .bool(let value): .bool(value)
        case .int(let value):
            exactDoubles.contains(value) ? .int(value) : .object([.init("int", .string(String(value)))])
        case .double(let value): .double(value)
        case .string(let value): .string(value)
        case .bytes(let value): .object([.init("bytes", .string(Base64.encode(value)))])
        case .list(let values): .array(values.map(json))
        case .map(let entries):
            .object([.init("map", .object(entries.map { .init($0.key, json($0.value)) }))])
        case .symbol(let value): .object([.init("symbol", .string(value))])
        }
    }
}
