import TupleSpace

/// Statements in JSON, and what came of them: docs/http-api.md.
enum StatementJSON {
    static func statement(_ json: JSON, timeout: Timeout) throws(InvalidJSONValue) -> Statement {
        guard case .array(let elements) = json, (1...Limits.alternatives).contains(elements.count) else {
            throw InvalidJSONValue(
                path: "alternatives", reason: "a statement has an array of 1 to \(Limits.alternatives) alternatives")
        }
        var alternatives: [Statement.Alternative] = []
        for (number, element) in elements.enumerated() {
            var reader = AlternativeReader(path: "alternatives[\(number)]")
            alternatives.append(try reader.alternative(element))
        }
        let statement = Statement(alternatives, timeout: timeout)
        if let problem = statement.problem() { throw InvalidJSONValue(path: "alternatives", reason: problem) }
        return statement
    }

    /// - Parameter results: of a statement: the guard's, and each step's.
    static func json(_ alternative: Int, _ results: [Reply]) -> JSON {
        .object([
            .init("alternative", .int(Int64(alternative))), .init("results", .array(results.map(result))),
        ])
    }

    private static func result(_ reply: Reply) -> JSON {
        switch reply {
        case .found(let stored, _): TupleRoutes.json(stored)
        case .written(let id, let position):
            .object([.init("id", .string(id.description)), .init("position", .string(position.description))])
        default: .null
        }
    }
}

/// Formals have names in JSON, and numbers in the order in which they are bound.
private struct AlternativeReader {
    let path: String
    private var names: [String] = []

    init(path: String) { self.path = path }

    private static func members(_ json: JSON, _ path: String, _ allowed: [String]) throws(InvalidJSONValue) -> [JSON
        .Member]
    {
        guard case .object(let members) = json else {
            throw InvalidJSONValue(path: path, reason: "an object belongs here, not \(json.kind)")
        }
        for member in members where !allowed.contains(member.name) {
            throw InvalidJSONValue(
                path: path,
                reason: "unknown member '\(member.name.prefix(64))'; it takes \(allowed.joined(separator: ", "))")
        }
        return members
    }

    private static func value(_ name: String, _ members: [JSON.Member], _ path: String) throws(InvalidJSONValue) -> JSON
    {
        guard let member = members.first(where: { $0.name == name }) else {
            throw InvalidJSONValue(path: path, reason: "'\(name)' is missing")
        }
        return member.value
    }

    mutating func alternative(_ json: JSON) throws(InvalidJSONValue) -> Statement.Alternative {
        let members = try Self.members(json, path, ["guard", "steps"])
        var guarded = Statement.Guard.always
        if let found = members.first(where: { $0.name == "guard" }) { guarded = try self.guarded(found.value) }
        var steps: [Statement.Step] = []
        if let found = members.first(where: { $0.name == "steps" }) {
            guard case .array(let elements) = found.value else {
                throw InvalidJSONValue(path: "\(path).steps", reason: "an array of steps belongs here")
            }
            for (number, element) in elements.enumerated() {
                steps.append(try step(element, "\(path).steps[\(number)]"))
            }
        }
        return Statement.Alternative(guarded, steps)
    }

    private mutating func guarded(_ json: JSON) throws(InvalidJSONValue) -> Statement.Guard {
        let place = "\(path).guard"
        let members = try Self.members(json, place, ["take", "read"])
        guard members.count == 1 else { throw InvalidJSONValue(path: place, reason: "a guard is a take or a read") }
        let (space, template) = try find(members[0].value, "\(place).\(members[0].name)")
        return members[0].name == "take" ? .take(space: space, template) : .read(space: space, template)
    }

    private mutating func step(_ json: JSON, _ place: String) throws(InvalidJSONValue) -> Statement.Step {
        let kinds = ["write", "take", "take-if-any", "read", "absent", "replace"]
        let members = try Self.members(json, place, kinds)
        guard members.count == 1 else {
            throw InvalidJSONValue(path: place, reason: "a step is one of \(kinds.joined(separator: ", "))")
        }
        let (kind, body) = (members[0].name, members[0].value)
        let inner = "\(place).\(kind)"
        switch kind {
        case "write":
            let fields = try Self.members(body, inner, ["space", "tuple", "lease"])
            let space = try self.space(fields, inner)
            let tuple = try self.tuple(try Self.value("tuple", fields, inner), "\(inner).tuple")
            return .write(space: space, tuple, lease: try lease(fields, inner))
        case "replace":
            let fields = try Self.members(body, inner, ["step", "tuple"])
            guard let target = try Self.value("step", fields, inner).integer.flatMap({ Int(exactly: $0) }) else {
                throw InvalidJSONValue(
                    path: "\(inner).step", reason: "the number of an earlier step belongs here; the guard is 0")
            }
            return .replace(step: target, try tuple(try Self.value("tuple", fields, inner), "\(inner).tuple"))
        default:
            let (space, template) = try find(body, inner)
            switch kind {
            case "take": return .take(space: space, template)
            case "take-if-any": return .takeIfAny(space: space, template)
            case "read": return .read(space: space, template)
            default: return .absent(space: space, template)
            }
        }
    }

    private func lease(_ members: [JSON.Member], _ place: String) throws(InvalidJSONValue) -> Timeout {
        guard let json = members.first(where: { $0.name == "lease" })?.value else { return .forever }
        if case .null = json { return .forever }
        do throws(APIError) {
            return .milliseconds(try RequestFields.lease(json))
        } catch {
            throw InvalidJSONValue(path: place, reason: error.message)
        }
    }

    private mutating func find(
        _ json: JSON, _ place: String
    ) throws(InvalidJSONValue) -> (String, Statement.TemplateExpression) {
        let members = try Self.members(json, place, ["space", "template"])
        let space = try self.space(members, place)
        return (space, try template(try Self.value("template", members, place), "\(place).template"))
    }

    private func space(_ members: [JSON.Member], _ place: String) throws(InvalidJSONValue) -> String {
        guard case .string(let name) = try Self.value("space", members, place) else {
            throw InvalidJSONValue(path: "\(place).space", reason: "the name of a space belongs here")
        }
        do throws(Failure) {
            try SpaceName.validate(name)
        } catch {
            throw InvalidJSONValue(path: "\(place).space", reason: error.message)
        }
        return name
    }

    private func tuple(_ json: JSON, _ place: String) throws(InvalidJSONValue) -> Statement.TupleExpression {
        var fields: [Statement.Field] = []
        for (index, element) in try TupleJSON.fields(json, path: place, of: "a tuple").enumerated() {
            let place = "\(place)[\(index)]"
            if let known = try known(element, place) {
                fields.append(known)
            } else {
                fields.append(.value(try TupleJSON.value(element, path: place)))
            }
        }
        return Statement.TupleExpression(fields)
    }

    private mutating func template(_ json: JSON, _ place: String) throws(InvalidJSONValue)
        -> Statement.TemplateExpression
    {
        var fields: [Statement.TemplateField] = []
        for (index, element) in try TupleJSON.fields(json, path: place, of: "a template").enumerated() {
            let place = "\(place)[\(index)]"
            if let known = try known(element, place) {
                fields.append(.known(known))
            } else if case .object(let members) = element, members.contains(where: { $0.name == "bind" }) {
                fields.append(try bind(element, place))
            } else {
                fields.append(.plain(try TemplateJSON.field(element, path: place)))
            }
        }
        return Statement.TemplateExpression(fields)
    }

    private mutating func bind(_ json: JSON, _ place: String) throws(InvalidJSONValue) -> Statement.TemplateField {
        let members = try Self.members(json, place, ["bind", "type"])
        guard case .string(let name) = try Self.value("bind", members, place), !name.isEmpty, name.utf8.count <= 64
        else {
            throw InvalidJSONValue(path: "\(place).bind", reason: "a name of 1 to 64 bytes belongs here")
        }
        guard !names.contains(name) else {
            throw InvalidJSONValue(path: "\(place).bind", reason: "'\(name)' is bound already")
        }
        names.append(name)
        let type = try members.first { $0.name == "type" }.map { member throws(InvalidJSONValue) in
            try TemplateJSON.type(member.value, path: "\(place).type")
        }
        return .bind(names.count - 1, type)
    }

    /// Nil if it is no such thing.
    private func known(_ json: JSON, _ place: String) throws(InvalidJSONValue) -> Statement.Field? {
        guard case .object(let members) = json, members.count == 1 else { return nil }
        switch (members[0].name, members[0].value) {
        case ("formal", .string(let name)):
            guard let number = names.firstIndex(of: name) else {
                throw InvalidJSONValue(path: place, reason: "the formal '\(name.prefix(64))' is not bound by then")
            }
            return .formal(number)
        case ("id-of", let json) where json.integer != nil:
            guard let step = json.integer.flatMap({ Int(exactly: $0) }) else { return nil }
            return .id(ofStep: step)
        case ("formal", _): throw InvalidJSONValue(path: place, reason: "the name of a formal belongs here")
        case ("id-of", _): throw InvalidJSONValue(path: place, reason: "the number of an earlier step belongs here")
        default: return nil
        }
    }
}
