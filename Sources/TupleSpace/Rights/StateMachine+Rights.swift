import ByteCoding

/// Who does something, as the state machine knows it by now.
///
/// It views what `identify` keeps alive, so that nothing is counted where it is handed on.
struct Caller {
    /// UTF-8 of the user's name; empty: nobody in particular.
    var name: UnsafeRawBufferPointer
    var roles = UnsafeBufferPointer<String>(start: nil, count: 0)

    var isAdmin: Bool { roles.contains(TokenRecord.adminRole) }
}

enum Right {
    case write, read, take, administer

    func rule(of policy: Policy) -> Rule {
        switch self {
        case .write: policy.write
        case .read: policy.read
        case .take: policy.take
        case .administer: policy.administer
        }
    }

    var verb: String {
        switch self {
        case .write: "write to"
        case .read: "read from"
        case .take: "take from"
        case .administer: "administer"
        }
    }
}

/// What somebody may do in a space: nothing, everything, or it depends on the tuple.
struct Permission {
    /// Why nothing is allowed.
    var failure: Failure?
    /// Of those any has to hold of a tuple, for each clause.
    var clauses: [[Condition]] = []

    static let everything = Permission()
    var isEverything: Bool { failure == nil && clauses.isEmpty }
}

extension StateMachine {
    /// Who has a token; nil if the cluster does not know it, or no more.
    /// - credential: as a command bears it.
    func identify<Result>(_ credential: UnsafeRawBufferPointer, _ body: (Caller) -> Result) -> Result? {
        switch credential.first {
        case Credential.tokenMark:
            let text = String(decoding: credential.dropFirst(), as: UTF8.self)
            guard let record = TokenDigest(text).flatMap({ rights.tokens[$0] }) else { return nil }
            return Array(record.user.utf8).withUnsafeBytes { name in
                record.roles.withUnsafeBufferPointer { body(Caller(name: name, roles: $0)) }
            }
        case Credential.operatorMark where credential.count == 1:
            return [TokenRecord.adminRole].withUnsafeBufferPointer { body(Caller(name: Self.nobody, roles: $0)) }
        default: return body(Caller(name: credential))
        }
    }

    /// What somebody may do who needs all of these rights.
    func permission(_ rights: Right..., in space: UnsafeRawBufferPointer, for caller: Caller) -> Permission {
        guard self.rights.hasPolicies, let policy = self.rights.policy(of: tuples.spaces.number(of: space)) else {
            return .everything
        }
        var permission = Permission()
        for right in rights {
            for clause in right.rule(of: policy).clauses {
                if clause.contains(where: { !$0.needsTuple && holds($0, of: nil, for: caller) }) { continue }
                let open = clause.filter(\.needsTuple)
                if open.isEmpty {
                    permission.failure = .notAllowed(right, space, caller)
                    return permission
                }
                permission.clauses.append(open)
            }
        }
        return permission
    }

    func allows(_ permission: Permission, _ tuple: UnsafeRawBufferPointer, for caller: Caller) -> Bool {
        permission.failure == nil
            && permission.clauses.allSatisfy { clause in clause.contains { holds($0, of: tuple, for: caller) } }
    }

    /// Why somebody may not write a tuple; nil if they may.
    func refusal(
        _ right: Right, _ tuple: UnsafeRawBufferPointer, in space: UnsafeRawBufferPointer, for caller: Caller
    ) -> Failure? {
        let permission = permission(right, in: space, for: caller)
        if let failure = permission.failure { return failure }
        return allows(permission, tuple, for: caller) ? nil : .notAllowed(right, space, caller, tuple: true)
    }

    /// Whether somebody may see a tuple, such as an event tells of.
    /// - Returns: false also if they may see nothing in the space: `refusal(toRead:as:)` says why.
    public func mayRead(_ tuple: Tuple, in space: String, as credential: Credential) -> Bool {
        guard rights.hasPolicies, !mutations.contains(.watchersSeeAll) else { return true }
        var writer = ByteWriter()
        tuple.encode(into: &writer)
        let name = Array(space.utf8)
        return name.withUnsafeBytes { space in
            writer.bytes.withUnsafeBytes { tuple in
                credential.withBytes { credential in
                    identify(credential) { refusal(.read, tuple, in: space, for: $0) == nil } ?? false
                }
            }
        }
    }

    /// Why somebody may see nothing at all in a space; nil if it depends on the tuple, or they may see all.
    public func refusal(toRead space: String, as credential: Credential) -> Failure? {
        guard rights.hasPolicies || credential != .anonymous else { return nil }
        return Array(space.utf8).withUnsafeBytes { space in
            credential.withBytes { credential in
                identify(credential) { permission(.read, in: space, for: $0).failure } ?? .unknownToken
            }
        }
    }

    // MARK: - Conditions

    /// - tuple: nil if it is not known; then what depends on it does not hold.
    private func holds(_ condition: Condition, of tuple: UnsafeRawBufferPointer?, for caller: Caller) -> Bool {
        switch condition {
        case .signedIn: return !caller.name.isEmpty
        case .user(let name): return caller.name.elementsEqual(name.utf8)
        case .role(let role): return caller.roles.contains(role)
        case .fieldIsCaller(let number):
            guard !caller.name.isEmpty, let field = tuple.flatMap({ EncodedTuple.field(number, of: $0) }) else {
                return false
            }
            var scan = ByteScan(field)
            return scan.byte() == ValueTag.string && scan.prefixed().isSame(as: caller.name)
        case .exists(let space, let parts):
            guard parts.contains(.role) else { return exists(parts, "", in: space, of: tuple, for: caller) }
            return caller.roles.contains { exists(parts, $0, in: space, of: tuple, for: caller) }
        }
    }

    private func exists(
        _ parts: [Condition.Part], _ role: String, in space: String, of tuple: UnsafeRawBufferPointer?,
        for caller: Caller
    ) -> Bool {
        var template = ByteWriter()
        template.writeVarint(UInt64(parts.count))
        for part in parts {
            template.write(FieldTag.literal)
            switch part {
            case .value(let value): value.encode(into: &template)
            case .field(let number):
                guard let field = tuple.flatMap({ EncodedTuple.field(number, of: $0) }) else { return false }
                template.write(raw: field)
            case .caller:
                guard !caller.name.isEmpty else { return false }
                template.write(ValueTag.string)
                template.writePrefixed(caller.name)
            case .role: Value.string(role).encode(into: &template)
            }
        }
        // A literal as long as a tuple's field makes no template: nothing equals it here.
        guard template.count <= Limits.tupleBytes else { return false }
        var isThere = false
        let name = Array(space.utf8)
        _ = template.bytes.withUnsafeBytes { template in
            name.withUnsafeBytes { name in
                tuples.search(template, in: name, examining: Limits.examinedForRights) { _, _ in
                    isThere = true
                    return false
                }
            }
        }
        return isThere
    }
}

extension EncodedTuple {
    /// The bytes of a checked tuple's field; nil if it has not so many.
    static func field(_ number: Int, of tuple: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
        var scan = ByteScan(tuple)
        guard number < Int(truncatingIfNeeded: scan.varint()) else { return nil }
        for _ in 0..<number { EncodedValue.skip(&scan) }
        let start = scan.offset
        EncodedValue.skip(&scan)
        return UnsafeRawBufferPointer(rebasing: tuple[start..<scan.offset])
    }
}

extension Failure {
    static func notAllowed(
        _ right: Right, _ space: UnsafeRawBufferPointer, _ caller: Caller, tuple: Bool = false
    ) -> Failure {
        let name = String(decoding: caller.name, as: UTF8.self)
        let nobody = caller.isAdmin ? "An operator" : "Whoever shows no token"
        let who = name.isEmpty ? nobody : "User \(name)"
        let what = tuple ? " by this tuple" : ""
        return Failure(
            .notAllowed, "\(who) may not \(right.verb) the space \(String(decoding: space, as: UTF8.self))\(what).")
    }

    static let unknownToken = Failure(.unknownToken, "The cluster does not know this token, or no more.")
    static let notYours = Failure(.notAllowed, "This was begun by another user.")
}
