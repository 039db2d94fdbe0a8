/// Policies and tokens.
struct RightsTable: Sendable {
    private(set) var policies: [UInt16: Policy] = [:]
    /// Of spaces that have none.
    private(set) var fallback: Policy?
    private(set) var tokens: [TokenDigest: TokenRecord] = [:]

    /// Whether anything is forbidden to anybody.
    var hasPolicies: Bool { fallback != nil || !policies.isEmpty }

    /// - space: nil for one that does not exist.
    func policy(of space: UInt16?) -> Policy? { space.flatMap { policies[$0] } ?? fallback }

    /// - space: nil for those that have none.
    mutating func set(_ policy: Policy?, for space: UInt16?) {
        if let space { policies[space] = policy } else { fallback = policy }
    }

    mutating func set(_ token: TokenRecord) { tokens[token.digest] = token }

    /// - Returns: whether it was there.
    mutating func remove(_ digest: TokenDigest) -> Bool { tokens.removeValue(forKey: digest) != nil }
}
