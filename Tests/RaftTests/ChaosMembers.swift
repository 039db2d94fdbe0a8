import ByteCoding
import Raft

/// Random changes of members, and what must hold of them.
extension Chaos {
    /// Half of the time the leader is asked, otherwise anyone.
    mutating func changeMembers(_ n: Int) {
        let n = random.below(4) > 0 ? cluster.leaders.first ?? n : n
        guard cluster.servers[n - 1].isUp else { return }
        let members = cluster[n].configuration.members
        guard !members.isEmpty else { return }
        var changes: [MemberChange] = []
        for _ in 0...random.below(3) {
            let member = members[Int(random.below(UInt64(members.count)))]
            switch random.below(8) {
            case 0, 1, 2: if let newcomer = newcomer() { changes.append(newcomer) }
            case 3: changes.append(.remove(member.id))
            case 4: changes.append(.setRole(member.id, random.below(3) > 0 ? .voter : .learner))
            case 5: changes.append(.setPromoteWhenCaughtUp(member.id, random.below(3) > 0))
            case 6:
                let port = 100 + random.below(1000)
                changes.append(.setAddresses(member.id, peer: "h:\(port)", client: "", http: ""))
            default:
                let key = [UInt8](repeating: UInt8(100 + random.below(150)), count: 32)
                changes.append(member.nextPublicKey == nil ? .setNextKey(member.id, key) : .adoptNextKey(member.id))
            }
        }
        _ = try? cluster.change(n, changes)
    }

    /// A server that was never a member: a new one, or one whose addition was taken back.
    private mutating func newcomer() -> MemberChange? {
        let known = committedConfigurations.flatMap { $0.configuration.members.map(\.id) }
        var n = cluster.servers.indices.first { i in
            let id = cluster.servers[i].id
            return id > NodeID(UInt64(first)) && !known.contains(id)
        }.map { $0 + 1 }
        if n == nil, cluster.servers.count < 9 {
            n = cluster.join()
            checked.append(0)
            checkedReads.append(0)
            let isSlow = random.below(3) > 0
            cluster.servers[cluster.servers.count - 1].disk.isSlow = isSlow
        }
        guard let n else { return nil }
        switch random.below(4) {
        case 0: return .add(n)
        case 1: return .add(n, .learner)
        default: return .add(n, .learner, promoteWhenCaughtUp: true)
        }
    }

    /// In ascending order of index.
    var committedConfigurations: [PlacedConfiguration] {
        committed.values.filter { $0.kind == .configuration }.sorted { $0.index < $1.index }.compactMap { entry in
            entry.payload.withUnsafeBytes { raw in
                var reader = ByteReader(raw)
                guard let configuration = try? Configuration(from: &reader) else { return nil }
                return PlacedConfiguration(index: entry.index, configuration: configuration)
            }
        }
    }

    /// Nobody is ever added again under the same id, so who knows that it was removed is no member for good.
    mutating func checkMembership(_ server: TestServer) {
        guard server.node.isRemoved, let newest = committedConfigurations.last else { return }
        if newest.configuration[server.id] != nil {
            violations.append("\(server.id) believes that it was removed, and is a member")
        }
    }

    /// Voters that were removed while they were away have been told when all is well again.
    var uninformed: [NodeID] {
        guard let leader = cluster.leaders.first else { return [] }
        return cluster.servers.filter { server in
            cluster[leader].configuration[server.id] == nil && server.node.configuration.voters.contains(server.id)
                && !server.node.isRemoved
        }.map(\.id)
    }
}
