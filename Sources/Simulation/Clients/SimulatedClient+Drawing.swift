import Raft
import TupleSpace

/// What a client comes to want.
extension SimulatedClient {
    func draw(_ cluster: SimulatedCluster) -> ClientOperation.Kind {
        let space = cluster.options.isSmallHistory || random.chance(percent: 80) ? Self.spaces[0] : Self.spaces[1]
        if drawsLatest(cluster) { return latest(space, cluster) }
        if drawsMore(cluster) { return more(space, cluster) }
        let choice = random.below(100)
        switch choice {
        case 0..<40: return write(space, cluster)
        case 40..<65: return take(space, cluster)
        case 65..<97: return .query(query(space, cluster), consistency(cluster), timeout(cluster))
        default:
            if cluster.options.isSmallHistory || !operations.isEmpty || !held.isEmpty { return write(space, cluster) }
            return .command(.endSession)
        }
    }

    private func write(_ space: String, _ cluster: SimulatedCluster) -> ClientOperation.Kind {
        cluster.nextUnique += 1
        let tuple = Tuple([.string(ownTopic(cluster) ?? topic()), .int(cluster.nextUnique)])
        return keyed(.write(space: space, tuple: tuple), cluster)
    }

    private func take(_ space: String, _ cluster: SimulatedCluster) -> ClientOperation.Kind {
        let holds = !usesKeys && !cluster.options.isSmallHistory && random.chance(percent: 50)
        return keyed(.take(space: space, template: template(cluster), timeout: timeout(cluster), holds: holds), cluster)
    }

    func keyed(_ operation: TupleSpace.Operation, _ cluster: SimulatedCluster) -> ClientOperation.Kind {
        guard usesKeys else { return .command(operation) }
        cluster.nextUnique += 1
        return .command(
            .keyed(
                key: "k\(number)-\(cluster.nextUnique)", digest: [UInt8(truncatingIfNeeded: cluster.nextUnique)],
                operation))
    }

    private func query(_ space: String, _ cluster: SimulatedCluster) -> Query {
        let template = template(cluster)
        switch random.below(4) {
        case 0: return .count(space: space, template: template)
        case 1 where !cluster.options.isSmallHistory:
            let page = Page(limit: random.within(1...20), order: random.chance(percent: 50) ? .oldest : .newest)
            return .readAll(space: space, template: template, page: page)
        default: return .read(space: space, template: template)
        }
    }

    private func consistency(_ cluster: SimulatedCluster) -> Consistency {
        if cluster.options.isSmallHistory { return .linearizable }
        switch random.below(10) {
        case 0: return .local
        case 1: return .sequential(Position(index: cluster.checker.commit.rawValue, ordinal: 0))
        default: return .linearizable
        }
    }

    func timeout(_ cluster: SimulatedCluster) -> Timeout {
        if cluster.options.isSmallHistory { return random.chance(percent: 70) ? .none : .milliseconds(50) }
        switch random.below(10) {
        case 0..<5: return .none
        case 5..<9: return .milliseconds(random.within(10...1_500))
        default: return .forever
        }
    }

    func topic() -> String { "t\(random.below(4))" }

    func template(_ cluster: SimulatedCluster) -> Template {
        switch random.below(10) {
        case 0: return Template([.any, .any])
        case 1: return Template([.prefix("t"), .type(.int)])
        case 2:
            let low = Int64(random.below(UInt64(cluster.nextUnique) + 1))
            return Template([.any, .range(lower: .int(low), upper: .int(low + 20), open: random.chance(percent: 50))])
        default: return Template([.literal(.string(topic())), .any])
        }
    }
}
