/// What admins do. Who else may, the policies say.
extension TupleStore {
    /// The spaces there are, ascending by name as UTF-8.
    /// - after: only those behind this name.
    /// - limit: 1 to `Limits.pageTuples`.
    public func spaces(
        after name: String? = nil, limit: Int = Limits.pageTuples, consistency: Consistency = .linearizable
    ) async throws(Failure) -> (spaces: [SpaceSummary], more: Bool, position: Position) {
        let (reply, position) = try await ask(.spaces(after: name, limit: limit), consistency: consistency)
        guard case .spaces(let spaces, let more) = reply else { throw .unexpected(reply) }
        return (spaces, more, position)
    }

    /// A space's own policy; nil if it has none.
    /// - space: nil asks for the policy of all spaces that have none of their own.
    public func policy(
        of space: String?, consistency: Consistency = .linearizable
    ) async throws(Failure) -> (policy: Policy?, position: Position) {
        if let space { try SpaceName.validate(space) }
        let (reply, position) = try await ask(.policy(space: space ?? ""), consistency: consistency)
        guard case .policy(let policy) = reply else { throw .unexpected(reply) }
        return (policy, position)
    }

    /// - policy: nil takes it away.
    /// - space: nil means all spaces that have no policy of their own.
    public func setPolicy(_ policy: Policy?, of space: String?) async throws(Failure) -> Position {
        if let space { try SpaceName.validate(space) }
        let (reply, position) = try await perform(.setPolicy(space: space ?? "", policy), key: nil)
        guard case .done = reply else { throw .unexpected(reply) }
        return position
    }

    /// Lets somebody in by a token, or changes who that is.
    public func setToken(_ token: TokenRecord) async throws(Failure) -> Position {
        let (reply, position) = try await perform(.setToken(token), key: nil)
        guard case .done = reply else { throw .unexpected(reply) }
        return position
    }

    /// - Returns: whether there was such a token.
    public func removeToken(_ digest: TokenDigest) async throws(Failure) -> (wasThere: Bool, position: Position) {
        let (reply, position) = try await perform(.removeToken(digest), key: nil)
        switch reply {
        case .done: return (true, position)
        case .noMatch: return (false, position)
        default: throw .unexpected(reply)
        }
    }

    /// Ascending by digest.
    public func tokens(
        after digest: TokenDigest? = nil, limit: Int = Limits.pageTuples, consistency: Consistency = .linearizable
    ) async throws(Failure) -> (tokens: [TokenRecord], more: Bool, position: Position) {
        let (reply, position) = try await ask(.tokens(after: digest, limit: limit), consistency: consistency)
        guard case .tokens(let tokens, let more) = reply else { throw .unexpected(reply) }
        return (tokens, more, position)
    }
}
