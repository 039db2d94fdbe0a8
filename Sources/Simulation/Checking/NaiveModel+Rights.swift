import TupleSpace

// Policies and tokens, and what they let somebody do now or once did.

extension NaiveModel {
    /// Whoever does something now.
    func judge(_ who: NaiveRights.Who) -> NaiveJudge {
        guard !rights.policies.isEmpty else { return NaiveJudge(who: who) }
        return NaiveJudge(who: who, rights: rights) { [items] space, tuple in
            items.contains { $0.standing == .visible && $0.space == space && $0.tuple == tuple }
        }
    }

    /// - Returns: nil if the token was not known at the end of entry `index`.
    func judge(_ credential: Credential, at index: UInt64) -> NaiveJudge? {
        let rights = rights(at: index)
        guard let who = rights.who(credential.text) else { return nil }
        guard !rights.policies.isEmpty else { return NaiveJudge(who: who) }
        return NaiveJudge(who: who, rights: rights) { [items] space, tuple in
            items.contains { $0.space == space && $0.tuple(at: index) == tuple }
        }
    }

    func rights(at index: UInt64) -> NaiveRights { rightsSince.last { $0.index <= index }?.rights ?? NaiveRights() }

    private mutating func set(_ rights: NaiveRights) -> Reply {
        self.rights = rights
        rightsSince.append((index, rights))
        noteTurn()
        return .done
    }

    /// From this entry on somebody may be allowed something else.
    mutating func noteTurn() { if turns.last != index { turns.append(index) } }

    /// The entry itself, and those up to another after which other things were allowed than before.
    func turns(from index: UInt64, through last: UInt64) -> [UInt64] {
        [index] + turns.filter { index < $0 && $0 <= last }
    }

    // MARK: - Setting them

    mutating func setPolicy(_ policy: Policy?, of space: String, _ who: NaiveRights.Who) -> Reply {
        guard judge(who).mayAdminister(space) else { return .refused }
        if space != "" { noteSpace(space) }
        var next = rights
        next.policies[space] = policy
        return set(next)
    }

    mutating func setToken(_ token: TokenRecord, _ who: NaiveRights.Who) -> Reply {
        guard who.isAdmin else { return .refused }
        var next = rights
        next.tokens.removeAll { $0.digest == token.digest }
        next.tokens.append(token)
        return set(next)
    }

    mutating func removeToken(_ digest: TokenDigest, _ who: NaiveRights.Who) -> Reply {
        guard who.isAdmin else { return .refused }
        guard rights.tokens.contains(where: { $0.digest == digest }) else { return .noMatch }
        var next = rights
        next.tokens.removeAll { $0.digest == digest }
        return set(next)
    }

    // MARK: - Asking for them

    func spaces(after name: String?, _ limit: Int, _ judge: NaiveJudge, at index: UInt64) -> Reply {
        let rights = rights(at: index)
        guard judge.who.isAdmin || rights.policies.isEmpty else { return .refused }
        let all = spaceBirths.filter { born in born.index <= index && (name.map { $0 < born.name } ?? true) }
            .sorted { $0.name < $1.name }
        let page = all.prefix(limit).map { born in
            SpaceSummary(
                name: born.name, tuples: UInt64(visible(in: born.name, at: index).count),
                hasPolicy: rights.policies[born.name] != nil)
        }
        return .spaces(page, more: all.count > limit)
    }

    func tokens(after digest: TokenDigest?, _ limit: Int, _ judge: NaiveJudge, at index: UInt64) -> Reply {
        guard judge.who.isAdmin else { return .refused }
        let all = rights(at: index).tokens.filter { token in digest.map { $0 < token.digest } ?? true }
            .sorted { $0.digest < $1.digest }
        return .tokens(Array(all.prefix(limit)), more: all.count > limit)
    }
}

extension Reply {
    /// By a policy. Messages are not the model's affair.
    static let refused = Reply.failed(Failure(.notAllowed, ""))

    var isFailure: Bool { if case .failed = self { true } else { false } }
}
