/// What a list of changes makes of a configuration that is not joint. Pure: it knows nothing of logs and leaders.
struct ConfigurationEdit {
    /// What one change is about. Two changes of a member must not be about the same.
    private enum Aspect { case everything, role, promotion, addresses, key }

    private let original: Configuration
    private var members: [Member]
    private var seen: [(id: NodeID, aspect: Aspect)] = []
    private var touched: [NodeID] = []
    private var changesAnything = false
    private var absent: NodeID?

    /// - Returns: the configuration in which all the changes are made.
    /// - Throws: why none of them is.
    static func apply(_ changes: [MemberChange], to original: Configuration) throws(ChangeRefused) -> Configuration {
        guard !changes.isEmpty else { throw .noChanges }
        var edit = ConfigurationEdit(original: original, members: original.members)
        for change in changes {
            try edit.note(change)
            if try edit.apply(change) { edit.changesAnything = true }
        }
        // Repeating a change that was made is no error; but a removal of nobody beside real changes is a mistake.
        guard edit.changesAnything else { throw .nothingToDo }
        if let absent = edit.absent { throw .unknownMember(absent) }
        let result = Configuration(members: edit.members, featureLevel: original.featureLevel)
        try edit.check(result)
        return result
    }

    private init(original: Configuration, members: [Member]) {
        self.original = original
        self.members = members
    }

    // MARK: Contradictions

    private mutating func note(_ change: MemberChange) throws(ChangeRefused) {
        let id = change.member
        for aspect in ConfigurationEdit.aspects(of: change) {
            let contradicts = seen.contains {
                $0.id == id && ($0.aspect == aspect || $0.aspect == .everything || aspect == .everything)
            }
            guard !contradicts else { throw .repeated(id) }
            seen.append((id, aspect))
        }
        if !touched.contains(id) { touched.append(id) }
    }

    private static func aspects(of change: MemberChange) -> [Aspect] {
        switch change {
        case .add, .remove: [.everything]
        case .setRole(_, .voter): [.role, .promotion]  // a voter is not promoted any more
        case .setRole: [.role]
        case .setPromoteWhenCaughtUp: [.promotion]
        case .setAddresses: [.addresses]
        case .setNextKey, .adoptNextKey: [.key]
        }
    }

    // MARK: One change

    /// - Returns: false if all is so already.
    private mutating func apply(_ change: MemberChange) throws(ChangeRefused) -> Bool {
        switch change {
        case .add(let member): return try add(member)
        case .remove(let id):
            guard let i = position(of: id) else {
                absent = id
                return false
            }
            members.remove(at: i)
            return true
        case .setRole(let id, let role):
            guard role != .leaving else { throw .invalid(id, "the role \"leaving\" is not given: remove the member") }
            return try edit(id) { member in
                member.role = role
                if role == .voter { member.promoteWhenCaughtUp = false }
            }
        case .setPromoteWhenCaughtUp(let id, let promote):
            return try edit(id) { $0.promoteWhenCaughtUp = promote && $0.role == .learner }
        case .setAddresses(let id, let peer, let client, let http):
            return try edit(id) { member in
                member.peerAddress = peer
                member.clientAddress = client
                member.httpAddress = http
            }
        case .setNextKey(let id, let key):
            if let key, original[id]?.publicKey == key { throw .invalid(id, "the next public key is the present one") }
            return try edit(id) { $0.nextPublicKey = key }
        case .adoptNextKey(let id):
            return try edit(id) { member in
                guard let key = member.nextPublicKey else { return }
                member.publicKey = key
                member.nextPublicKey = nil
            }
        }
    }

    private mutating func add(_ member: Member) throws(ChangeRefused) -> Bool {
        guard member.id.rawValue != 0 else { throw .invalid(member.id, "0 is nobody's id") }
        guard member.role != .leaving else { throw .invalid(member.id, "a new member cannot be leaving") }
        guard member.role == .learner || !member.promoteWhenCaughtUp else {
            throw .invalid(member.id, "a voter is not promoted when it has caught up")
        }
        guard let known = original[member.id] else {
            members.append(member)
            return true
        }
        // Added before, and perhaps promoted since.
        var asAdded = known
        if known.role == .voter, member.promoteWhenCaughtUp {
            asAdded.role = .learner
            asAdded.promoteWhenCaughtUp = true
        }
        guard asAdded == member else { throw .alreadyMember(member.id) }
        return false
    }

    private mutating func edit(_ id: NodeID, _ change: (inout Member) -> Void) throws(ChangeRefused) -> Bool {
        guard let i = position(of: id) else { throw .unknownMember(id) }
        let before = members[i]
        change(&members[i])
        return members[i] != before
    }

    private func position(of id: NodeID) -> Int? { members.firstIndex { $0.id == id } }

    // MARK: The result

    private func check(_ result: Configuration) throws(ChangeRefused) {
        // What was given before and is not touched is left as it is.
        for id in touched {
            guard let member = result[id] else { continue }
            try checkName(member, in: result)
            try checkAddresses(member, in: result)
            try checkKeys(member, in: result)
        }
        guard result.members.contains(where: { $0.role == .voter }) else { throw .noVoterLeft }
        func atMost(_ limit: Int, _ counts: (Member) -> Bool) throws(ChangeRefused) {
            let count = result.members.filter(counts).count
            // A cluster that is over the limit, whyever, may shrink.
            if count > limit, count > original.members.filter(counts).count { throw .tooMany(count, limit: limit) }
        }
        try atMost(Configuration.maximumMembers) { _ in true }
        // Who is going to be promoted counts, so that there is room when the time comes.
        try atMost(Configuration.maximumVoters) { $0.role == .voter || $0.promoteWhenCaughtUp }
        if let flaw = result.flaw { throw .invalid(touched[0], flaw) }  // not empty: nor are the changes
    }

    private func checkName(_ member: Member, in result: Configuration) throws(ChangeRefused) {
        guard Member.isValid(name: member.name) else { throw .invalid(member.id, Member.nameRule(member.name)) }
        guard !result.members.contains(where: { $0.id != member.id && $0.name == member.name }) else {
            throw .nameTaken(member.name)
        }
    }

    private func checkAddresses(_ member: Member, in result: Configuration) throws(ChangeRefused) {
        if original[member.id].map({ $0.hasAddresses(of: member) }) ?? false { return }
        guard Member.isValid(address: member.peerAddress) else {
            throw .invalid(member.id, "the peers' address \"\(member.peerAddress)\" is not host:port, port 1 to 65535")
        }
        // A door for clients or browsers need not be open.
        for (door, address) in [("clients'", member.clientAddress), ("HTTP", member.httpAddress)] {
            guard address.isEmpty || Member.isValid(address: address) else {
                throw .invalid(member.id, "the \(door) address \"\(address)\" is not host:port, port 1 to 65535")
            }
        }
        let isTaken = result.members.contains {
            $0.id != member.id && $0.peerAddress.utf8.elementsEqual(member.peerAddress.utf8)
        }
        guard !isTaken else { throw .addressTaken(member.peerAddress) }
    }

    /// Who is connected is known by the key, so nobody may have another's.
    private func checkKeys(_ member: Member, in result: Configuration) throws(ChangeRefused) {
        let keys = [member.publicKey] + (member.nextPublicKey.map { [$0] } ?? [])
        let isUnencrypted = original.members.allSatisfy { $0.publicKey.isEmpty }
        for (i, key) in keys.enumerated() {
            if key.isEmpty, isUnencrypted, i == 0 { continue }
            guard key.count == Member.keyBytes else {
                let which = i == 0 ? "public key" : "next public key"
                throw .invalid(member.id, "the \(which) has \(key.count) bytes, not \(Member.keyBytes)")
            }
            let isAnothers = result.members.contains {
                $0.id != member.id && ($0.publicKey == key || $0.nextPublicKey == key)
            }
            guard !isAnothers else { throw .invalid(member.id, "another member has the same public key") }
        }
    }
}

extension MemberChange {
    /// Whom it concerns.
    public var member: NodeID {
        switch self {
        case .add(let member): member.id
        case .remove(let id), .setRole(let id, _), .setPromoteWhenCaughtUp(let id, _), .setAddresses(let id, _, _, _),
            .setNextKey(let id, _), .adoptNextKey(let id):
            id
        }
    }
}

extension Member {
    fileprivate func hasAddresses(of other: Member) -> Bool {
        func same(_ a: String, _ b: String) -> Bool { a.utf8.elementsEqual(b.utf8) }
        return same(peerAddress, other.peerAddress) && same(clientAddress, other.clientAddress)
            && same(httpAddress, other.httpAddress)
    }
}
