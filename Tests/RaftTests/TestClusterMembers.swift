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

extension TestCluster {
    /// Delivers everything until nothing is under way, but for what is lost.
    mutating func settle(dropping isLost: (Message) -> Bool) {
        for _ in 0..<1000 where !network.isEmpty {
            drop(where: isLost)
            deliver()
        }
        precondition(network.isEmpty, "the servers do not come to rest")
    }

    /// `n` becomes leader if those who hear it let it: whoever else would stand is not heard meanwhile, and some
    /// messages are lost.
    mutating func appoint(_ n: Int, dropping isLost: (Message) -> Bool = { _ in false }) {
        let id = NodeID(UInt64(n))
        let isOther = { (message: Message) in message.from != id && message.to != id }
        // Time enough passes for the others to have lost the old leader, unless that is one of them.
        for other in 1...servers.count where other != n && self[other].role != .leader {
            wait(other, milliseconds: 310)
        }
        drop()
        for _ in 0..<300 where self[n].role != .leader {
            wait(n, milliseconds: 10)
            settle(dropping: { isOther($0) || isLost($0) })
        }
    }

    mutating func compact(_ n: Int) {
        let taken = self[n].snapshotMetadata(at: self[n].commit)
        step(n, .snapshotTaken(taken, keepFrom: taken.index.next))
    }

    func isJoint(_ n: Int) -> Bool { self[n].configuration.isJoint }

    /// Each violation of an invariant once.
    var problems: [String] { Set(violations).sorted() }

    /// Places of the log at which different entries were committed.
    var disagreements: [LogIndex] {
        var known: [LogIndex: Entry] = [:]
        var result: Set<LogIndex> = []
        for entry in servers.flatMap(\.applied) {
            if known.updateValue(entry, forKey: entry.index) ?? entry != entry { result.insert(entry.index) }
        }
        return result.sorted()
    }
}

extension Message {
    func isAppend(to n: Int) -> Bool {
        guard case .appendRequest = body else { return false }
        return to == NodeID(UInt64(n))
    }
}
