import ByteCoding
import TupleSpace

@testable import Raft
@testable import Replica

/// One server's replica among three, with a shell that does what it is told and peers that may say anything.
struct ReplicaScript {
    private var script: Script
    private var replica: Replica
    private var milliseconds: UInt64 = 1_000
    private var stored = WriteSequence.zero
    private var token: UInt64 = 0
    private var reads: [ReplicaEffects.SnapshotRead] = []
    private var loading: SnapshotMetadata?
    private var taking: ReplicaEffects.SnapshotToTake?
    /// Messages of peers that were taken.
    private(set) var received = 0
    private(set) var trace = StableHash()

    static let steps = 120
    /// As a transport would not pass on more.
    static let frameBytes = 8_192

    init(_ bytes: UnsafeRawBufferPointer) {
        script = Script(bytes)
        let setup = script.byte()
        var settings = ReplicaSettings()
        settings.maximumPendingCommands = 16
        settings.maximumPendingReads = 16
        settings.snapshotEntries = 8
        settings.trailingEntries = 2
        settings.batchBytes = 256
        settings.maximumBatchBytes = 4_096
        settings.raft.maximumUncommittedBytes = 8_192
        settings.raft.leaseReads = setup & 1 != 0
        let configuration = setup & 2 != 0 ? Configuration(members: [Samples.member(1)]) : Samples.three
        let snapshot = SnapshotMetadata(
            index: .zero, term: .zero, configuration: configuration, configurationIndex: .zero)
        replica = Replica(
            id: NodeID(1), cluster: Samples.cluster,
            recovered: RecoveredLog(hardState: HardState(), snapshot: snapshot, entries: []), machine: StateMachine(),
            settings: settings, now: MonotonicTime(nanoseconds: milliseconds * 1_000_000), seed: 3)
    }

    /// - examining: whether the invariants are checked, which takes longer than all else.
    mutating func run(examining: Bool = true) throws {
        for _ in 0..<Self.steps {
            guard !script.isAtEnd, replica.effects.fatal == nil else { return }
            step()
            try perform()
            guard examining else { continue }
            let violations = replica.violatedInvariants().filter { !NodeScript.isOthersDoing($0) }
            try require(violations.isEmpty, violations.joined(separator: "; "))
        }
    }

    private mutating func step() {
        switch script.below(16) {
        case 0...3: receive([UInt8](script.part(atMost: Self.frameBytes)))
        case 4...6:
            var writer = ByteWriter()
            PeerMessage.raft(composer.message(&script)).encode(into: &writer)
            receive(writer.bytes)
        case 7, 8:
            milliseconds += [1, 20, 700, 5_000][script.below(4)]
            replica.advance(
                to: MonotonicTime(nanoseconds: milliseconds * 1_000_000), wallMilliseconds: 1_700_000_000_000)
            replica.flush()
        case 9, 10: replica.stored(stored)
        case 11:
            token += 1
            let header = CommandHeader(
                session: SessionID(UInt64(script.below(3))), sequence: UInt64(script.byte()),
                acknowledgedBelow: UInt64(script.below(3)), acknowledged: [], caller: "")
            replica.command(RequestToken(token), header: header, operation: script.part(atMost: 1_024))
            replica.flush()
        case 12: ask()
        case 13: operate()
        case 14: snapshots()
        default: replica.forget(RequestToken(UInt64(script.below(8))))
        }
    }

    private mutating func operate() {
        switch script.below(3) {
        case 0: replica.keepAlive(SessionID(UInt64(script.below(4))))
        case 1:
            token += 1
            let target = NodeID(UInt64(script.below(5)))
            replica.clusterRequest(RequestToken(token), .transfer(to: target.rawValue == 0 ? nil : target))
        default:
            token += 1
            let changes = (0..<1 + script.below(2)).map { _ in Samples.changes[script.below(Samples.changes.count)] }
            replica.clusterRequest(RequestToken(token), .change(changes))
        }
    }

    private var composer: MessageComposer {
        let status = replica.status
        return MessageComposer(
            id: replica.id, term: status.term, last: status.last,
            lastTerm: replica.raft.term(at: status.last) ?? .zero, commit: status.commit)
    }

    private mutating func receive(_ bytes: [UInt8]) {
        let sender = NodeID(UInt64(2 + script.below(3)))
        let isTaken = bytes.withUnsafeBytes { (try? replica.receive($0, from: sender)) != nil }
        if isTaken { received += 1 }
    }

    private mutating func ask() {
        token += 1
        if script.below(2) == 0 {
            replica.subscribe(
                RequestToken(token), space: "s", template: script.below(2) == 0 ? nil : Samples.templates[2],
                after: script.below(2) == 0 ? nil : Position(index: script.near(1), ordinal: 0))
        } else {
            let consistency: Consistency =
                switch script.below(3) {
                case 0: .local
                case 1: .sequential(Position(index: script.near(1), ordinal: 0))
                default: .linearizable
                }
            replica.query(
                RequestToken(token), query: script.part(atMost: 512), consistency: consistency,
                timeout: script.below(2) == 0 ? .none : .milliseconds(50))
        }
    }

    private mutating func snapshots() {
        switch script.below(4) {
        case 0: replica.takeSnapshot()
        case 1:
            guard let taking else { return }
            self.taking = nil
            replica.snapshotTaken(script.below(4) == 0 ? nil : taking.metadata, keepFrom: taking.keepFrom)
        case 2:
            guard !reads.isEmpty else { return }
            let read = reads.removeFirst()
            replica.snapshotRead(read, script.below(4) == 0 ? nil : ([1, 2, 3], 3))
        default:
            guard let loading else { return }
            self.loading = nil
            replica.installed(StateMachine(), loading)
        }
    }

    // MARK: What it wants done

    private mutating func perform() throws {
        var effects = ReplicaEffects()
        swap(&effects, &replica.effects)
        for write in effects.writes {
            try require(stored < write.sequence, "write \(write.sequence) follows write \(stored)")
            stored = write.sequence
        }
        for message in effects.messages {
            let decodes = message.bytes.withUnsafeBytes { (try? PeerMessage(decoding: $0)) != nil }
            try require(decodes, "a message to \(message.to) cannot be decoded")
            message.bytes.withUnsafeBytes { trace.mix($0) }
        }
        for reply in effects.replies {
            let bytes = effects.replyBytes.bytes[reply.range]
            let decodes = bytes.withUnsafeBytes { raw in
                var reader = ByteReader(raw)
                return (try? Reply(from: &reader)) != nil && reader.isAtEnd
            }
            try require(decodes, "a reply cannot be decoded: \(bytes)")
            bytes.withUnsafeBytes { trace.mix($0) }
        }
        reads += effects.snapshotReads
        if reads.count > 16 { reads.removeFirst(reads.count - 16) }
        loading = effects.snapshotToLoad ?? loading
        taking = effects.snapshotToTake ?? taking
        for (sender, chunk) in effects.snapshotChunks { store(chunk, from: sender) }
        trace.mix(replica.machine.digest)
        trace.mix(replica.status.commit.rawValue)
        replica.effects.fatal = effects.fatal
    }

    /// A piece that claims to be all of a file is taken for a whole one, as if it had been verified: then its numbers
    /// are in bounds.
    private mutating func store(_ chunk: SnapshotChunk, from sender: NodeID) {
        let isWhole = chunk.offset == 0 && chunk.total == UInt64(chunk.bytes.count)
        let isPossible = isWhole && chunk.index.rawValue < 1 << 61 && chunk.term.rawValue < 1 << 61
        let metadata = SnapshotMetadata(
            index: chunk.index, term: chunk.term, configuration: Samples.three, configurationIndex: .zero)
        replica.snapshotChunkStored(
            from: sender, index: chunk.index, nextOffset: UInt64(chunk.bytes.count),
            complete: isPossible ? metadata : nil)
    }
}

// MARK: - Seeds

extension ReplicaScript {
    static func seeds() -> [[UInt8]] {
        var seeds: [[UInt8]] = []
        for (number, message) in FuzzTarget.peerMessages.enumerated() {
            var writer = ByteWriter()
            message.encode(into: &writer)
            var script = ScriptWriter([UInt8(number % 4), 7, 1, 0])
            script.part(writer.bytes)
            script.step(0, 9, 7, 2, 9, 14, 0, 14, 1, 1, 14, 2, 1, 14, 3)
            seeds.append(script.bytes)
        }
        // Alone: leads, opens a session, writes, reads, subscribes, takes a snapshot.
        var alone = ScriptWriter([2, 7, 2, 9, 7, 1, 9])
        for (number, operation) in Samples.operations.enumerated() {
            alone.step(11, 1, UInt8(number), 0)
            alone.bytes(of: operation)
            alone.step(9, 9)
        }
        alone.step(12, 0, 1, 1, 0, 12, 1, 2)
        alone.part(encoded(Samples.queries[1]) { $0.encode(into: &$1) })
        alone.step(1, 14, 0, 14, 1, 1, 7, 1)
        seeds.append(alone.bytes)
        return seeds
    }
}

extension ScriptWriter {
    fileprivate mutating func bytes(of operation: TupleSpace.Operation) { part(Samples.encoded(operation)) }
}
