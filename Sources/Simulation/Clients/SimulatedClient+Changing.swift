import Raft
import TupleSpace

/// What a client comes to want of what feature level 3 brought.
extension SimulatedClient {
    struct KnownTuple: Equatable {
        var space: String
        var id: TupleID
    }

    private static let memory = 12

    /// Now and then it asks before all servers can do it.
    func drawsMore(_ cluster: SimulatedCluster) -> Bool {
        guard !cluster.options.usesPlainOperations else { return false }
        return random.chance(percent: cluster.checker.configuration.featureLevel >= 3 ? 45 : 8)
    }

    func more(_ space: String, _ cluster: SimulatedCluster) -> ClientOperation.Kind {
        if cluster.options.isSmallHistory { return .command(timeless(space, cluster)) }
        switch random.below(100) {
        case 0..<20: return keyed(.writeLeased(space: space, tuple: tuple(cluster), leaseMilliseconds: lease), cluster)
        case 20..<34: return keyed(renewal(space), cluster)
        case 34..<40: return keyed(picky(space, cluster), cluster)
        case 40..<65: return keyed(timeless(space, cluster), cluster)
        default: return keyed(.statement(statement(cluster)), cluster)
        }
    }

    /// What has nothing to do with time.
    private func timeless(_ space: String, _ cluster: SimulatedCluster) -> TupleSpace.Operation {
        switch random.below(10) {
        case 0..<2:
            let target = anyKnown(space)
            return .takeByID(space: target.space, id: target.id)
        case 2..<5:
            let target = anyKnown(space)
            return .replace(space: target.space, id: target.id, tuple: tuple(cluster))
        case 5..<8:
            var page = Page(limit: random.within(1...6), order: random.chance(percent: 60) ? .oldest : .newest)
            if !cluster.options.isSmallHistory, random.chance(percent: 30) {
                if random.chance(percent: 50) {
                    page.after = anyKnown(space).id
                } else {
                    page.before = anyKnown(space).id
                }
            }
            return .takeAll(space: space, template: template(cluster), page: page)
        default: return .statement(statement(cluster))
        }
    }

    /// A take with a regular expression.
    private func picky(_ space: String, _ cluster: SimulatedCluster) -> TupleSpace.Operation {
        .take(space: space, template: Template([regex(), .any]), timeout: timeout(cluster), holds: false)
    }

    /// In the dialect that the naive model knows.
    func regex() -> TemplateField { .regex(random.pick(["^t1$", "2", "t.", "^t*3$", "0$"]) ?? "t") }

    /// Often one that ends while the tuple is held.
    private var lease: UInt64 {
        random.chance(percent: 6) ? 0 : random.within(random.chance(percent: 50) ? 1...150 : 1...1_500)
    }

    private func renewal(_ space: String) -> TupleSpace.Operation {
        let target = anyKnown(space)
        let time = Timeout.milliseconds(random.within(1...1_500))
        let lease: Timeout = random.chance(percent: 12) ? .forever : random.chance(percent: 8) ? .none : time
        return .renew(space: target.space, id: target.id, lease: lease)
    }

    func tuple(_ cluster: SimulatedCluster) -> Tuple {
        cluster.nextUnique += 1
        return Tuple([.string(ownTopic(cluster) ?? anyTopic()), .int(cluster.nextUnique)])
    }

    /// Now and then a tuple is its writer's, where policies may ask for that.
    func ownTopic(_ cluster: SimulatedCluster) -> String? {
        cluster.drawsRights && random.chance(percent: 15) ? "user\(number)" : nil
    }

    func anyTopic() -> String { random.chance(percent: 20) ? rareTopic() : topic() }

    /// So rare that whoever looks for it mostly waits.
    func rareTopic() -> String { "t\(4 + random.below(2))" }

    /// One that it was told of; mostly one that was there lately.
    private func anyKnown(_ space: String) -> KnownTuple {
        let recent = known.suffix(random.chance(percent: 60) ? 3 : Self.memory)
        return random.pick(Array(recent)) ?? KnownTuple(space: space, id: TupleID(random.below(100) + 1))
    }

    /// Ids of whatever a reply shows.
    func learn(from reply: Reply, to kind: ClientOperation.Kind, in cluster: SimulatedCluster) {
        let space: String?
        switch kind {
        case .open: return
        case .command(let operation): space = operation.space
        case .query(let query, _, _): space = query.space
        }
        guard let space else { return }
        switch reply {
        case .written(let id, _): remember([id], space)
        // To a small history ids mean nothing but what its own writes have.
        case .found(let stored, _) where !cluster.options.isSmallHistory: remember([stored.id], space)
        case .tuples(let tuples, _) where !cluster.options.isSmallHistory: remember(tuples.prefix(3).map(\.id), space)
        default: return
        }
    }

    private func remember(_ ids: [TupleID], _ space: String) {
        known += ids.map { KnownTuple(space: space, id: $0) }
        known.removeFirst(max(0, known.count - Self.memory))
    }
}

extension Query {
    /// Whose tuples it asks for.
    var space: String? {
        switch self {
        case .read(let space, _), .readAll(let space, _, _), .count(let space, _): space
        case .spaces, .policy, .tokens: nil
        }
    }
}
