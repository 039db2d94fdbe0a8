import TupleSpace

/// Who may do what, as plainly as it can be said.
struct NaiveRights {
    struct Who {
        var name = ""
        var roles: [String] = []

        var isAdmin: Bool { roles.contains("admin") }
    }

    /// By spaces; the empty name stands for all that have none.
    var policies: [String: Policy] = [:]
    var tokens: [TokenRecord] = []

    /// - Parameter credential: as a command bears it.
    /// - Returns: nil if there is no such token.
    func who(_ credential: String) -> Who? {
        if credential == "!" { return Who(roles: ["admin"]) }
        guard credential.hasPrefix("#") else { return Who(name: credential) }
        return tokens.first { "#" + $0.digest.text == credential }.map { Who(name: $0.user, roles: $0.roles) }
    }

    func policy(of space: String) -> Policy? { policies[space] ?? policies[""] }
}

/// What somebody may do, in view of what is there at some instant.
struct NaiveJudge {
    typealias Rules = [KeyPath<Policy, Rule>]

    /// To read, and to take what may be read.
    static var reading: Rules { [\.read] }
    static var taking: Rules { [\.read, \.take] }

    var who = NaiveRights.Who()
    var rights = NaiveRights()
    /// Whether a tuple can be found that is this one. Not asked where there are no policies.
    var isThere: (_ space: String, Tuple) -> Bool = { _, _ in false }

    /// Whatever the tuple is.
    func isForbidden(_ rules: Rules, _ space: String) -> Bool {
        clauses(rules, space).contains { clause in
            clause.allSatisfy { !$0.looksAtTuple && !holds($0, nil) }
        }
    }

    func isAllowed(_ rules: Rules, _ space: String, _ tuple: Tuple) -> Bool {
        clauses(rules, space).allSatisfy { clause in clause.contains { holds($0, tuple) } }
    }

    func mayAdminister(_ space: String) -> Bool {
        if who.isAdmin { return true }
        return space != "" && rights.policy(of: space) != nil && !isForbidden([\.administer], space)
    }

    private func clauses(_ rules: Rules, _ space: String) -> [[Condition]] {
        guard !rights.policies.isEmpty, let policy = rights.policy(of: space) else { return [] }
        return rules.flatMap { policy[keyPath: $0].clauses }
    }

    private func holds(_ condition: Condition, _ tuple: Tuple?) -> Bool {
        func field(_ number: Int) -> Value? {
            tuple.flatMap { $0.fields.indices.contains(number) ? $0.fields[number] : nil }
        }
        switch condition {
        case .signedIn: return who.name != ""
        case .user(let name): return who.name == name
        case .role(let role): return who.roles.contains(role)
        case .fieldIsCaller(let number): return who.name != "" && field(number) == .string(who.name)
        case .exists(let space, let parts):
            return (parts.contains(.role) ? who.roles : [""]).contains { role in
                var values: [Value] = []
                for part in parts {
                    switch part {
                    case .value(let value): values.append(value)
                    case .field(let number):
                        guard let value = field(number) else { return false }
                        values.append(value)
                    case .caller:
                        guard who.name != "" else { return false }
                        values.append(.string(who.name))
                    case .role: values.append(.string(role))
                    }
                }
                return isThere(space, Tuple(values))
            }
        }
    }
}

extension Condition {
    fileprivate var looksAtTuple: Bool {
        switch self {
        case .signedIn, .user, .role: false
        case .fieldIsCaller: true
        case .exists(_, let parts): parts.contains { if case .field = $0 { true } else { false } }
        }
    }
}
