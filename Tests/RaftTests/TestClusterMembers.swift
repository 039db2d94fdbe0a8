import Raft

/// Changes of members in a test.
extension TestCluster {
    static func member(
        _ n: Int, role: Member.Role = .voter, promoteWhenCaughtUp: Bool = false
    ) -> Member {
        Member(
            id: NodeID(UInt64(n)), name: "s\(n)", peerAddress: "h:\(n)", clientAddress: "", httpAddress: "", role: role,
            publicKey: [UInt8](repeating: UInt8(n), count: 32), promoteWhenCaughtUp: promoteWhenCaughtUp)
    }

    /// A server that is to join: it has a directory and an id, and knows of no members.
    /// - Returns: its number.
    @discardableResult
    mutating func join() -> Int {
        let id = NodeID(UInt64(servers.count + 1))
        let disk = TestDisk(
            RecoveredLog(
                hardState: HardState(),
                snapshot: SnapshotMetadata(
                    index: .zero, term: .zero, configuration: Configuration(members: []), configurationIndex: .zero),
                entries: []))
        let clock = MonotonicTime(nanoseconds: 1_000_000_000)
        let node = Node(
            id: id, cluster: TestCluster.id, recovered: disk.durable, settings: settings, now: clock,
            seed: id.rawValue &* 1000)
        servers.append(TestServer(id: id, node: node, disk: disk, clock: clock))
        return servers.count
    }

    @discardableResult
    mutating func change(_ n: Int, _ changes: MemberChange...) throws(ChangeRefused) -> LogIndex {
        try change(n, changes)
    }

    @discardableResult
    mutating func change(_ n: Int, _ changes: [MemberChange]) throws(ChangeRefused) -> LogIndex {
        var effects = Effects()
        let place = try servers[n - 1].node.change(changes, into: &effects)
        perform(effects, on: n)
        return place.index
    }

    /// Why the change is refused; nil if it is not.
    mutating func refusal(_ n: Int, _ changes: MemberChange...) -> ChangeRefused? {
        do throws(ChangeRefused) {
            try change(n, changes)
            return nil
        } catch {
            return error
        }
    }

    /// Heartbeats and answers go to and fro for a while.
    mutating func run(milliseconds: UInt64) {
        for _ in 0..<max(1, milliseconds / 10) {
            wait(milliseconds: 10)
            settle()
        }
    }

    func voters(_ n: Int) -> [Int] { self[n].configuration.voters.map { Int($0.rawValue) } }
    func members(_ n: Int) -> [Int] { self[n].configuration.members.map { Int($0.id.rawValue) } }
}

extension MemberChange {
    static func remove(_ n: Int) -> MemberChange { .remove(NodeID(UInt64(n))) }
    static func add(
        _ n: Int, _ role: Member.Role = .voter, promoteWhenCaughtUp: Bool = false
    ) -> MemberChange {
        .add(TestCluster.member(n, role: role, promoteWhenCaughtUp: promoteWhenCaughtUp))
    }
}
