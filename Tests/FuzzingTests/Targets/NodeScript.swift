import ByteCoding

@testable import Raft

/// One server's consensus, with inputs that an input of the fuzzer tells: messages of all kinds, time, storage,
/// reads, proposals, snapshots, changes of members. After each step the invariants hold, and what it asks of others
/// makes sense.
struct NodeScript {
    private var script: Script
    private var node: Node
    private var effects = Effects()
    private var now: UInt64 = 1_000_000_000
    private var lastWrite = WriteSequence.zero
    private var committed = LogIndex.zero
    /// Of everything the node did.
    private(set) var trace = StableHash()
    /// Something was done.
    private(set) var hasActed = false

    static let steps = 120

    init(_ bytes: UnsafeRawBufferPointer) {
        script = Script(bytes)
        let setup = script.byte()
        var settings = Settings()
        settings.leaseReads = setup & 1 != 0
        settings.adaptiveTimeoutMilliseconds = setup & 2 != 0 ? nil : settings.adaptiveTimeoutMilliseconds
        settings.maximumUncommittedBytes = 4_096
        settings.maximumInflightRequests = 3
        let configuration = setup & 4 != 0 ? Configuration(members: [Samples.member(1)]) : Samples.three
        let index = LogIndex(setup & 8 != 0 ? 5 : 0)
        let term = Term(setup & 8 != 0 ? 2 : 0)
        let snapshot = SnapshotMetadata(
            index: index, term: term, configuration: configuration, configurationIndex: .zero)
        let entries = setup & 8 != 0 && setup & 16 != 0 ? Samples.entries : []
        node = Node(
            id: NodeID(1), cluster: Samples.cluster,
            recovered: RecoveredLog(
                hardState: HardState(term: entries.last?.term ?? term), snapshot: snapshot, entries: entries,
                mayVote: setup & 32 == 0),
            settings: settings, now: MonotonicTime(nanoseconds: now), seed: 5)
        committed = index
    }

    /// - examining: whether the invariants are checked, which takes longer than all else.
    mutating func run(examining: Bool = true) throws {
        for _ in 0..<Self.steps {
            guard !script.isAtEnd else { return }
            let before = (term: node.term, commit: node.status.commit)
            step()
            if examining {
                try require(violations.isEmpty, violations.joined(separator: "; "))
            }
            try examine(before.term, before.commit)
            effects.reset()
        }
    }

    private mutating func step() {
        switch script.below(16) {
        case 0...5: receive(MessageComposer(node).message(&script))
        case 6:
            if let message = try? Message(decoding: script.part()) { receive(message) }
        case 7, 8:
            now += [1, 20, 160, 700][script.below(4)] * 1_000_000
            node.step(.tick(MonotonicTime(nanoseconds: now)), into: &effects)
        case 9, 10: node.step(.stored(lastWrite), into: &effects)
        case 11: node.step(.read(context: UInt64(script.byte())), into: &effects)
        case 12: _ = try? node.propose([UInt8](script.part(atMost: 2_048)), into: &effects)
        case 13: snapshots()
        case 14: change()
        default:
            let peer = NodeID(UInt64(script.below(5)))
            if script.below(2) == 0 {
                node.step(.connectionLost(peer), into: &effects)
            } else {
                _ = try? node.transfer(to: peer.rawValue == 0 ? nil : peer, into: &effects)
            }
        }
    }

    private mutating func receive(_ message: Message) { node.step(.message(message), into: &effects) }

    private mutating func snapshots() {
        let commit = node.status.commit
        switch script.below(3) {
        case 0:
            let keep = LogIndex(script.near(commit.rawValue))
            node.step(.snapshotTaken(node.snapshotMetadata(at: commit), keepFrom: keep), into: &effects)
        case 1:
            // Verified before it is handed in, so its numbers are within bounds and its configuration can be read.
            let metadata = SnapshotMetadata(
                index: LogIndex(min(script.near(commit.rawValue), 1 << 61)),
                term: Term(min(script.near(node.term.rawValue), 1 << 61)),
                configuration: MessageComposer.configuration(&script), configurationIndex: .zero)
            node.step(.snapshotReceived(metadata, from: NodeID(2)), into: &effects)
        default:
            let peer = NodeID(UInt64(script.below(4)))
            let index = script.below(3) == 0 ? nil : LogIndex(min(script.near(commit.rawValue), commit.rawValue))
            node.step(.snapshotSent(to: peer, index: index), into: &effects)
        }
    }

    private mutating func change() {
        var changes: [MemberChange] = []
        for _ in 0..<1 + script.below(3) {
            let id = NodeID(UInt64(script.below(6)))
            switch script.below(7) {
            case 0: changes.append(.add(Samples.member(id.rawValue, script.below(2) == 0 ? .voter : .learner)))
            case 1: changes.append(.remove(id))
            case 2: changes.append(.setRole(id, Member.Role(rawValue: UInt8(script.below(3))) ?? .voter))
            case 3: changes.append(.setPromoteWhenCaughtUp(id, script.below(2) == 0))
            case 4: changes.append(.setAddresses(id, peer: "n:1", client: "n:2", http: "n:\(script.byte())"))
            case 5: changes.append(.setNextKey(id, script.below(2) == 0 ? nil : [UInt8](script.part(atMost: 40))))
            default: changes.append(.adoptNextKey(id))
            }
        }
        _ = try? node.change(changes, into: &effects)
    }

    // MARK: What must hold

    private var violations: [String] { node.checkInvariants().filter { !Self.isOthersDoing($0) } }

    /// Which configurations a log may hold, one behind the other, is for leaders to see to; a follower takes what it is
    /// sent. A peer that lies can send anything.
    static func isOthersDoing(_ violation: String) -> Bool {
        violation.hasPrefix("the configuration at ") || violation.hasSuffix(" configurations are under way")
    }

    private mutating func examine(_ term: Term, _ commit: LogIndex) throws {
        try require(node.term >= term, "the term went back from \(term) to \(node.term)")
        try require(node.status.commit >= commit, "the commit index went back from \(commit)")
        hasActed = hasActed || !effects.isEmpty
        if let write = effects.write {
            try require(write.sequence == lastWrite.next, "write \(write.sequence) follows write \(lastWrite)")
            lastWrite = write.sequence
            try examine(write.entries)
            trace.mix(UInt64(write.entries.count) << 8 | (write.hardState == nil ? 0 : 1))
        }
        if let snapshot = effects.snapshotToInstall {
            try require(snapshot.index > committed, "a snapshot at \(snapshot.index) is installed at \(committed)")
            committed = snapshot.index
        }
        for entry in effects.committed {
            try require(entry.index == committed.next, "entry \(entry.index) is handed out behind \(committed)")
            committed = entry.index
        }
        for message in effects.messages { try examine(message) }
        trace.mix(node.term.rawValue)
        trace.mix(node.status.commit.rawValue)
        trace.mix(node.lastIndex.rawValue)
    }

    private func examine(_ entries: [Entry]) throws {
        for (entry, next) in zip(entries, entries.dropFirst()) {
            try require(next.index == entry.index.next, "entry \(next.index) is written behind \(entry.index)")
        }
    }

    private mutating func examine(_ message: Message) throws {
        try require(message.from == node.id && message.to != node.id, "a message from \(message.from) to \(message.to)")
        let bytes = Samples.encoded(message)
        let again = bytes.withUnsafeBytes { try? Message(decoding: $0) }
        try require(again != nil, "a message cannot be decoded: \(message)")
        bytes.withUnsafeBytes { trace.mix($0) }
    }
}

extension MessageComposer {
    init(_ node: Node) {
        self.init(
            id: node.id, term: node.term, last: node.lastIndex, lastTerm: node.term(at: node.lastIndex) ?? .zero,
            commit: node.status.commit)
    }
}

// MARK: - Seeds

extension NodeScript {
    /// Stories of a few steps, written as `Script` reads them.
    static func seeds() -> [[UInt8]] {
        var seeds: [[UInt8]] = []
        // Every encoded message as it stands, to servers of every setup.
        for (number, body) in Samples.bodies.enumerated() {
            var writer = ScriptWriter([UInt8(number % 32)])
            for term in [1, 4] as [UInt64] {
                writer.step(6)
                writer.part(Samples.encoded(Samples.message(body, term: term)))
                writer.step(9)
            }
            seeds.append(writer.bytes)
        }
        // A server alone leads: time, storage, proposals, reads, snapshots, changes.
        seeds.append([
            4, 7, 3, 9, 7, 3, 9, 12, 3, 0, 1, 2, 3, 9, 11, 5, 13, 0, 3, 14, 0, 4, 0, 1, 9, 15, 2, 1, 14, 2, 4, 1,
        ])
        // One of three is elected, leads, and hears of a later term.
        for voter in [1, 2] as [UInt8] {
            seeds.append(
                [0, 7, 3, 0, voter, 201, 1, 1, 1, 0, 9, 0, voter, 0, 0, 3, 1, 1, 1, 0, 9, 12, 2, 0, 8, 9, 0, voter]
                    + [0, 0, 5, 0, 0, 1, 1, 0, 9, 14, 1, 4, 0, 1, 9, 15, 3, 1, 0, voter, 3, 0, 2, 0, 0, 0, 1])
        }
        // A follower takes entries of a configuration and of commands, and forgets what conflicts.
        seeds.append(
            [
                24, 0, 1, 0, 1, 4, 1, 0, 0, 0, 0, 3, 1, 1, 7, 5, 3, 1, 4, 2, 0, 9, 9, 9, 0, 2, 1, 4, 0, 100, 0, 1, 1, 2,
                0,
            ])
        return seeds
    }
}
