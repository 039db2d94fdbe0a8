import TupleSpace

/// Policies in JSON: docs/http-api.md.
enum PolicyJSON {
    private static let rights = ["write", "read", "take", "administer"]
    private static let words: [(word: String, rule: Rule)] = [
        ("everybody", .everybody), ("nobody", .nobody), ("signed-in", .signedIn),
    ]

    static func policy(_ json: JSON) throws(InvalidJSONValue) -> Policy {
        guard case .object(let members) = json else {
            throw InvalidJSONValue(path: "policy", reason: "an object belongs here, not \(json.kind)")
        }
        var policy = Policy()
        for member in members {
            let rule = try rule(member.value, member.name)
            switch member.name {
            case "write": policy.write = rule
            case "read": policy.read = rule
            case "take": policy.take = rule
            case "administer": policy.administer = rule
            default:
                throw InvalidJSONValue(
                    path: "policy",
                    reason: "unknown member '\(member.name.prefix(64))'; it takes \(rights.joined(separator: ", "))")
            }
        }
        if let problem = policy.problem() { throw InvalidJSONValue(path: "policy", reason: problem) }
        return policy
    }

    private static func rule(_ json: JSON, _ path: String) throws(InvalidJSONValue) -> Rule {
        if case .string(let word) = json, let known = words.first(where: { $0.word == word }) { return known.rule }
        guard case .array(let clauses) = json else {
            throw InvalidJSONValue(
                path: path,
                reason: #"a rule is "everybody", "nobody", "signed-in", or an array of clauses that all have to hold"#)
        }
        var rule = Rule([])
        for (number, clause) in clauses.enumerated() {
            let path = "\(path)[\(number)]"
            guard case .array(let conditions) = clause else {
                throw InvalidJSONValue(
                    path: path, reason: "a clause is an array of conditions, of which one has to hold")
            }
            var read: [Condition] = []
            for (number, json) in conditions.enumerated() { read.append(try condition(json, "\(path)[\(number)]")) }
            rule.clauses.append(read)
        }
        return rule
    }

    private static func condition(_ json: JSON, _ path: String) throws(InvalidJSONValue) -> Condition {
        if case .string("signed-in") = json { return .signedIn }
        guard case .object(let members) = json, members.count == 1 else { throw noCondition(path) }
        switch (members[0].name, members[0].value) {
        case ("user", .string(let name)): return .user(name)
        case ("role", .string(let name)): return .role(name)
        case ("caller-in", let number) where number.integer != nil:
            return .fieldIsCaller(Int(clamping: number.integer ?? 0))
        case ("exists", .object(let members)): return try exists(members, "\(path).exists")
        default: throw noCondition(path)
        }
    }

    private static func noCondition(_ path: String) -> InvalidJSONValue {
        InvalidJSONValue(
            path: path,
            reason:
                #"a condition is "signed-in", {"user":"name"}, {"role":"name"}, {"caller-in":field} or {"exists":{"space":…,"tuple":…}}"#
        )
    }

    private static func exists(_ members: [JSON.Member], _ path: String) throws(InvalidJSONValue) -> Condition {
        var (space, parts): (String?, [Condition.Part]?)
        for member in members {
            switch (member.name, member.value) {
            case ("space", .string(let name)): space = name
            case ("tuple", .array(let elements)):
                var read: [Condition.Part] = []
                for (number, json) in elements.enumerated() { read.append(try part(json, "\(path).tuple[\(number)]")) }
                parts = read
            default:
                throw InvalidJSONValue(path: path, reason: "the name of a 'space' and a 'tuple' belong here, no more")
            }
        }
        guard let space, let parts else {
            throw InvalidJSONValue(path: path, reason: "the name of a 'space' and a 'tuple' belong here")
        }
        return .exists(space: space, parts)
    }

    private static func part(_ json: JSON, _ path: String) throws(InvalidJSONValue) -> Condition.Part {
        guard case .object(let members) = json, members.count == 1 else {
            return .value(try TupleJSON.value(json, path: path))
        }
        switch (members[0].name, members[0].value) {
        case ("field", let number) where number.integer != nil: return .field(Int(clamping: number.integer ?? 0))
        case ("caller", .bool(true)): return .caller
        case ("role", .bool(true)): return .role
        default: return .value(try TupleJSON.value(json, path: path))
        }
    }

    // MARK: To JSON

    static func json(_ policy: Policy) -> JSON {
        .object([
            .init("write", json(policy.write)), .init("read", json(policy.read)), .init("take", json(policy.take)),
            .init("administer", json(policy.administer)),
        ])
    }

    private static func json(_ rule: Rule) -> JSON {
        if let known = words.first(where: { $0.rule == rule }) { return .string(known.word) }
        return .array(rule.clauses.map { .array($0.map(json)) })
    }

    private static func json(_ condition: Condition) -> JSON {
        switch condition {
        case .signedIn: .string("signed-in")
        case .user(let name): .object([.init("user", .string(name))])
        case .role(let name): .object([.init("role", .string(name))])
        case .fieldIsCaller(let number): .object([.init("caller-in", .int(Int64(number)))])
        case .exists(let space, let parts):
            .object([
                .init("exists", .object([.init("space", .string(space)), .init("tuple", .array(parts.map(json)))]))
            ])
        }
    }

    private static func json(_ part: Condition.Part) -> JSON {
        switch part {
        case .value(let value): TupleJSON.json(value)
        case .field(let number): .object([.init("field", .int(Int64(number)))])
        case .caller: .object([.init("caller", .bool(true))])
        case .role: .object([.init("role", .bool(true))])
        }
    }
}
