import ByteCoding

extension StateMachine {
    /// - name: empty for all spaces that have no policy of their own.
    mutating func setPolicy(_ policy: Policy?, for name: String, _ command: CommandView) -> Outcome {
        guard name.isEmpty || SpaceName.isValid(name) else { return .failed(.invalidSpace) }
        return Array(name.utf8).withUnsafeBytes { space in
            guard mayAdminister(space, command.who) else {
                return .failed(name.isEmpty ? .notAdmin : .notAllowed(.administer, space, command.who))
            }
            // A space exists from its first policy too.
            guard name.isEmpty || tuples.addSpace(space) != nil else { return .failed(.tooManySpaces) }
            note(.policy, policy == nil ? 0 : 1)
            decisions.mix(space)
            rights.set(policy, for: name.isEmpty ? nil : tuples.spaces.number(of: space))
            return .done
        }
    }

    mutating func setToken(_ token: TokenRecord, _ command: CommandView) -> Outcome {
        guard command.who.isAdmin else { return .failed(.notAdmin) }
        guard rights.tokens.count < Limits.tokens || rights.tokens[token.digest] != nil else {
            return .failed(.tooManyTokens)
        }
        note(.token, 1)
        mix(token.digest)
        rights.set(token)
        return .done
    }

    mutating func removeToken(_ digest: TokenDigest, _ command: CommandView) -> Outcome {
        guard command.who.isAdmin else { return .failed(.notAdmin) }
        guard rights.remove(digest) else { return .noMatch }
        note(.token, 0)
        mix(digest)
        return .done
    }

    private mutating func mix(_ digest: TokenDigest) {
        Array(digest.text.utf8).withUnsafeBytes { decisions.mix($0) }
    }

    /// - space: empty for all that have no policy of their own.
    private func mayAdminister(_ space: UnsafeRawBufferPointer, _ caller: Caller) -> Bool {
        if caller.isAdmin { return true }
        // Where no policy says who may, admins may.
        guard !space.isEmpty, rights.policy(of: tuples.spaces.number(of: space)) != nil else { return false }
        return permission(.administer, in: space, for: caller).isEverything
    }

    // MARK: - Asking

    func policy(of name: String, for caller: Caller) -> Reply {
        Array(name.utf8).withUnsafeBytes { space in
            guard mayAdminister(space, caller) else {
                return .failed(name.isEmpty ? .notAdmin : .notAllowed(.administer, space, caller))
            }
            if name.isEmpty { return .policy(rights.fallback) }
            return .policy(tuples.spaces.number(of: space).flatMap { rights.policies[$0] })
        }
    }

    func tokens(after digest: TokenDigest?, limit: Int, for caller: Caller) -> Reply {
        guard caller.isAdmin else { return .failed(.notAdmin) }
        guard (1...Limits.pageTuples).contains(limit) else { return .failed(.pageLimit(limit)) }
        let records = rights.tokens.values.filter { record in digest.map { $0 < record.digest } ?? true }
            .sorted { $0.digest < $1.digest }
        return .tokens(Array(records.prefix(limit)), more: records.count > limit)
    }

    func spaces(after name: String?, limit: Int, for caller: Caller) -> Reply {
        // Where nothing is forbidden everybody may look at everything.
        guard caller.isAdmin || !rights.hasPolicies else { return .failed(.notAdmin) }
        guard (1...Limits.pageTuples).contains(limit) else { return .failed(.pageLimit(limit)) }
        let numbers = tuples.spaces.names.indices
        let names = numbers.map { (number: UInt16($0), name: String(decoding: tuples.spaces.names[$0], as: UTF8.self)) }
            .filter { one in name.map { $0.precedesInUTF8(one.name) } ?? true }
            .sorted { $0.name.precedesInUTF8($1.name) }
        let page = names.prefix(limit).map { one in
            SpaceSummary(
                name: one.name, tuples: UInt64(tuples.count(inSpace: one.number)),
                hasPolicy: rights.policies[one.number] != nil)
        }
        return .spaces(page, more: names.count > limit)
    }
}
