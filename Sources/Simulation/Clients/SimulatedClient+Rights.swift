import Raft
import TupleSpace

/// Policies and tokens as clients come to set them, and by which credentials they act.
extension SimulatedClient {
    private static let roles = ["r1", "r2"]

    /// What a server knows by which it takes an operation: often a token that is not known, or no more.
    func credential(for kind: ClientOperation.Kind, _ cluster: SimulatedCluster) -> Credential? {
        guard cluster.drawsRights else { return nil }
        switch kind {
        case .query: return random.chance(percent: 25) ? .anonymous : random.chance(percent: 8) ? .operator : marked
        case .open, .command(.endSession): return nil
        case .command: break
        }
        return random.chance(percent: cluster.checker.configuration.featureLevel >= 4 ? 55 : 3) ? marked : nil
    }

    private var marked: Credential {
        isOperator ? .operator : random.chance(percent: 70) ? .token(token(of: number)) : ownName
    }

    /// Of who watches: it may be that nobody knows it yet.
    func watcher(_ cluster: SimulatedCluster) -> Credential {
        guard cluster.drawsRights else { return .anonymous }
        return random.chance(percent: 40) ? marked : ownName
    }

    /// Each user has two.
    private func token(of user: Int) -> TokenDigest {
        let text = "\(user)\(random.below(2))"
        guard let digest = TokenDigest(String(repeating: "0", count: 64 - text.utf8.count) + text) else {
            preconditionFailure("64 digits")
        }
        return digest
    }

    func ofRights(_ cluster: SimulatedCluster) -> ClientOperation.Kind {
        switch random.below(isOperator ? 20 : 10) {
        case 0..<3: return keyed(.write(space: Self.grants, tuple: grant(cluster)), cluster)
        case 3..<5:
            let template = Template([.any, .any])
            return keyed(
                .take(
                    space: Self.grants, template: template, timeout: .none,
                    holds: !usesKeys && random.chance(percent: 20)),
                cluster)
        case 5..<7: return .query(askForRights(cluster), .linearizable, .none)
        case 7..<10: return keyed(.setPolicy(space: spaceOfPolicy, policy(cluster)), cluster)
        case 10..<13:
            return keyed(.setPolicy(space: spaceOfPolicy, random.chance(percent: 50) ? nil : policy(cluster)), cluster)
        case 13..<18:
            let user = random.below(cluster.clients.count)
            let isHis = random.chance(percent: 92)
            let record = TokenRecord(
                digest: token(of: user), user: isHis ? "user\(user)" : "user\(user + 1)",
                roles: (Self.roles + (random.chance(percent: 15) ? ["admin"] : [])).filter { _ in
                    random.chance(percent: 50)
                })
            return keyed(.setToken(record), cluster)
        default: return keyed(.removeToken(token(of: random.below(cluster.clients.count))), cluster)
        }
    }

    private var spaceOfPolicy: String {
        random.pick([Self.spaces[0], Self.spaces[0], Self.spaces[1], Self.spaces[1], "", Self.grants]) ?? ""
    }

    private func askForRights(_ cluster: SimulatedCluster) -> Query {
        switch random.below(3) {
        case 0: .spaces(after: random.chance(percent: 30) ? "k" : nil, limit: random.within(1...3))
        case 1: .policy(space: spaceOfPolicy)
        default: .tokens(after: random.chance(percent: 30) ? token(of: 1) : nil, limit: random.within(1...4))
        }
    }

    /// Somebody, or all who have a role, may do something with a topic or with everything.
    private func grant(_ cluster: SimulatedCluster) -> Tuple {
        let who =
            random.chance(percent: 75) ? "user\(random.below(cluster.clients.count))" : random.pick(Self.roles) ?? "r1"
        return Tuple([.string(random.chance(percent: 40) ? "all" : topic()), .string(who)])
    }

    /// Nil for none.
    private func policy(_ cluster: SimulatedCluster) -> Policy? {
        if random.chance(percent: 25) { return nil }
        return Policy(
            write: rule(cluster), read: rule(cluster), take: rule(cluster),
            administer: random.chance(percent: 50) ? .nobody : Rule([[aboutCaller(cluster)]]))
    }

    private func rule(_ cluster: SimulatedCluster) -> Rule {
        if random.chance(percent: 45) { return .everybody }
        if random.chance(percent: 4) { return .nobody }
        return Rule(
            (0..<random.within(1...2 as ClosedRange<Int>)).map { _ in
                (0..<random.within(1...3 as ClosedRange<Int>)).map { _ in condition(cluster) }
            })
    }

    private func condition(_ cluster: SimulatedCluster) -> Condition {
        switch random.below(10) {
        case 0..<5: aboutCaller(cluster)
        case 5: .fieldIsCaller(0)
        case 6, 7: .exists(space: Self.grants, [.field(0), .caller])
        case 8: .exists(space: Self.grants, [.field(0), .role])
        default: .exists(space: Self.grants, [.value(.string(topic())), .caller])
        }
    }

    private func aboutCaller(_ cluster: SimulatedCluster) -> Condition {
        switch random.below(6) {
        case 0, 1: .signedIn
        case 2: .user("user\(random.below(cluster.clients.count))")
        case 3: .role(random.pick(Self.roles) ?? "r1")
        case 4: .exists(space: Self.grants, [.value(.string("all")), .caller])
        default: .exists(space: Self.grants, [.value(.string("all")), .role])
        }
    }
}
