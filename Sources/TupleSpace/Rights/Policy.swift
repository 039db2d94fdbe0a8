import ByteCoding

/// Who may do what in a space. Replicated; a space without one follows the policy of the spaces that have none, and without that
/// everybody may do everything but set policies.
public struct Policy: Equatable, Sendable {
    /// Also for a tuple that is put in another's place, and for a lease that is renewed.
    public var write: Rule
    /// A tuple that somebody may not read does not match for them.
    public var read: Rule
    /// Beside `read`, for everything that takes a tuple away or out of its place.
    public var take: Rule
    /// Who, beside admins, may set this policy. Its conditions look at no tuple.
    public var administer: Rule

    public init(
        write: Rule = .everybody, read: Rule = .everybody, take: Rule = .everybody, administer: Rule = .nobody
    ) {
        self.write = write
        self.read = read
        self.take = take
        self.administer = administer
    }
}

/// Holds if each of its clauses does; a clause holds if any of its conditions does.
public struct Rule: Equatable, Sendable {
    public var clauses: [[Condition]]

    public init(_ clauses: [[Condition]]) { self.clauses = clauses }

    public static let everybody = Rule([])
    public static let nobody = Rule([[]])
    public static let signedIn = Rule([[.signedIn]])
}

public enum Condition: Equatable, Sendable {
    /// The caller has a token that the cluster knows.
    case signedIn
    case user(String)
    case role(String)
    /// The tuple's field (from 0) is the caller's name.
    case fieldIsCaller(Int)
    /// A visible tuple of another space, or of this one, equals this one in all its fields. So rights may be tuples: "somebody may post to
    /// the topic in field 1" is a tuple `("post", topic, name)`.
    case exists(space: String, [Part])

    public enum Part: Equatable, Sendable {
        case value(Value)
        /// What stands in that field (from 0) of the tuple in question.
        case field(Int)
        case caller
        /// Any role of the caller; at most once in a condition.
        case role
    }
}

extension Policy {
    /// What is wrong with it; nil if nothing is.
    public func problem() -> String? {
        for (right, rule) in [("write", write), ("read", read), ("take", take), ("administer", administer)] {
            if let problem = rule.problem() { return "\(right): \(problem)" }
        }
        if administer.clauses.contains(where: { $0.contains(where: \.needsTuple) }) {
            return "administer: there is no tuple whose fields could be looked at"
        }
        var writer = ByteWriter()
        encode(into: &writer)
        guard writer.count <= Limits.policyBytes else {
            return "a policy has at most \(Limits.policyBytes) bytes, and not \(writer.count)"
        }
        return nil
    }
}

extension Rule {
    static let tooManyClauses = "a rule has at most \(Limits.clausesPerRule) clauses"
    static let tooManyConditions = "a clause has at most \(Limits.conditionsPerClause) conditions"

    fileprivate func problem() -> String? {
        guard clauses.count <= Limits.clausesPerRule else { return Self.tooManyClauses }
        for clause in clauses {
            guard clause.count <= Limits.conditionsPerClause else { return Self.tooManyConditions }
            for condition in clause { if let problem = condition.problem() { return problem } }
        }
        return nil
    }
}

extension Condition {
    /// Whether it cannot be judged without a tuple.
    var needsTuple: Bool {
        switch self {
        case .signedIn, .user, .role: false
        case .fieldIsCaller: true
        case .exists(_, let parts): parts.contains { if case .field = $0 { true } else { false } }
        }
    }

    fileprivate func problem() -> String? {
        func badField(_ number: Int) -> String? {
            (0..<Limits.fieldsPerTuple).contains(number)
                ? nil : "fields are numbered from 0 to \(Limits.fieldsPerTuple - 1), and not \(number)"
        }
        switch self {
        case .signedIn: return nil
        case .user(let name): return TokenRecord.problem(inName: name).map { "a user's name \($0)" }
        case .role(let name): return TokenRecord.problem(inName: name).map { "a role's name \($0)" }
        case .fieldIsCaller(let number): return badField(number)
        case .exists(let space, let parts):
            guard SpaceName.isValid(space) else { return Failure.invalidSpace.message }
            guard (1...Limits.partsPerCondition).contains(parts.count) else {
                return "what must exist has 1 to \(Limits.partsPerCondition) fields, and not \(parts.count)"
            }
            guard parts.filter({ $0 == .role }).count <= 1 else { return "a condition names the caller's roles once" }
            for part in parts {
                switch part {
                case .field(let number): if let problem = badField(number) { return problem }
                case .value(let value):
                    do throws(Failure) { try value.validate() } catch { return error.message }
                case .caller, .role: continue
                }
            }
            return nil
        }
    }
}
