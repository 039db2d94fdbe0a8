@testable import TupleSpace

/// Who may do what, as plainly as it can be said.
extension SimpleModel {
    struct Who {
        var name = ""
        var roles: [String] = []

        var isAdmin: Bool { roles.contains("admin") }
    }

    /// Nil if there is no such token.
    func who(_ credential: String) -> Who? {
        if credential == "!" { return Who(roles: ["admin"]) }
        guard credential.hasPrefix("#") else { return Who(name: credential) }
        return tokens.first { "#" + $0.digest.text == credential }.map { Who(name: $0.user, roles: $0.roles) }
    }

    func policy(of space: String) -> Policy? { policies[space] ?? policies[""] }

    private func clauses(_ rights: [KeyPath<Policy, Rule>], _ space: String) -> [[Condition]] {
        guard let policy = policy(of: space) else { return [] }
        return rights.flatMap { policy[keyPath: $0].clauses }
    }

    /// Whatever the tuple is.
    func isForbidden(_ rights: [KeyPath<Policy, Rule>], _ space: String, _ who: Who) -> Bool {
        clauses(rights, space).contains { clause in
            clause.allSatisfy { !$0.needsTuple && !holds($0, nil, who) }
        }
    }

    func isAllowed(_ rights: [KeyPath<Policy, Rule>], _ space: String, _ tuple: Tuple, _ who: Who) -> Bool {
        clauses(rights, space).allSatisfy { clause in clause.contains { holds($0, tuple, who) } }
    }

    private func holds(_ condition: Condition, _ tuple: Tuple?, _ who: Who) -> Bool {
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
                return tuples.contains { $0.isVisible && $0.space == space && $0.tuple.fields == values }
            }
        }
    }

    // MARK: - Setting them

    mutating func setPolicy(_ policy: Policy?, _ space: String, _ who: Who) -> Reply {
        let mayAdminister =
            who.isAdmin
            || space != "" && self.policy(of: space) != nil && !isForbidden([\.administer], space, who)
        guard mayAdminister else { return .failed(Failure(.notAllowed, "")) }
        policies[space] = policy
        return .done
    }

    mutating func setToken(_ token: TokenRecord, _ who: Who) -> Reply {
        guard who.isAdmin else { return .failed(Failure(.notAllowed, "")) }
        tokens.removeAll { $0.digest == token.digest }
        tokens.append(token)
        return .done
    }

    mutating func removeToken(_ digest: TokenDigest, _ who: Who) -> Reply {
        guard who.isAdmin else { return .failed(Failure(.notAllowed, "")) }
        guard tokens.contains(where: { $0.digest == digest }) else { return .noMatch }
        tokens.removeAll { $0.digest == digest }
        return .done
    }
}
