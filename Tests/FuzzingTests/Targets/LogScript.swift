import ByteCoding
import Raft
import Simulation

@testable import WriteAheadLog

/// A data directory whose segments hold what an input says: records with checksums that hold, in any order and with
/// any numbers, and bytes as they are. Opening it decides what it is worth; then the log goes on, and what it has is
/// there when it is opened again.
struct LogScript {
    private var script: Script
    private let files = SimulatedFileSystem(seed: 1)
    private let identity = LogIdentity(cluster: Samples.cluster, node: NodeID(1), name: "a", secret: 0)
    private var options = LogOptions()
    private var index: UInt64 = 1
    private var term: UInt64 = 1
    private var batch: UInt64 = 1

    init(_ bytes: UnsafeRawBufferPointer) {
        script = Script(bytes)
        options.segmentBytes = 16 << 10
        options.reserveBytes = 16 << 10
        options.reserveFiles = 1
        options.freeBytesKept = 0
        options.preparedSegments = 0
    }

    mutating func run(_ tamper: FuzzTarget.Tamper) throws -> FuzzTarget.Verdict {
        var directory = try LogDirectory.open("d", files: files, holder: "a")
        try directory.initialise(
            clusterID: identity.cluster, nodeID: identity.node, name: identity.name, secret: identity.secret)
        try directory.adopt(firstConfiguration: Samples.three)
        try makeSnapshot(directory)
        try makeSegments()
        let inspection = try LogInspection.inspect("d", files: files)
        directory.close()
        guard let before = try open(append: true) else { return .refused }
        guard let after = try open(append: false) else { throw Finding("a log that was opened cannot be opened again") }
        try require(
            tamper(describe(after)) == describe(before),
            "opened again it is not what it was: \(brief(after)) instead of \(brief(before))")
        return inspection.segments.contains { !$0.records.isEmpty } ? .accepted : .refused
    }

    // MARK: Making it

    private mutating func makeSnapshot(_ directory: LogDirectory<SimulatedFileSystem>) throws {
        guard script.below(3) == 1 else { return }
        index = UInt64(script.byte())
        let metadata = SnapshotMetadata(
            index: LogIndex(index), term: Term(1), configuration: Samples.three, configurationIndex: .zero)
        var pieces: [[UInt8]] = [[1, 2, 3]]
        try SnapshotStore(directory).write(metadata) { pieces.popLast() }
        index += 1
    }

    private mutating func makeSegments() throws {
        var previous: (id: UInt64, end: UInt64) = (0, 0)
        for number in 1...1 + UInt64(script.below(3)) {
            let plan = script.byte()
            let id = plan & 1 == 0 ? number : max(1, script.near(number))
            let header = SegmentHeader(
                id: id, firstBatch: plan & 2 == 0 ? batch : script.near(batch),
                previousID: plan & 4 == 0 ? previous.id : script.near(previous.id),
                previousEnd: plan & 8 == 0 ? previous.end : script.near(previous.end))
            batch = header.firstBatch
            let records = records(salt: SegmentHeader.salt(identity, id: id), isRaw: plan & 16 != 0)
            var bytes = header.fileHeader(identity).encoded()
            if plan & 32 != 0 { bytes[script.below(80)] ^= 1 }
            bytes += [UInt8](repeating: 0, count: SegmentHeader.recordsBegin - bytes.count)
            bytes += records
            if plan & 64 == 0 { bytes += [UInt8](repeating: 0, count: 256) }
            try FuzzTarget.put(bytes, "d/" + FileNames.segment(id), files)
            previous = (id, UInt64(SegmentHeader.recordsBegin + records.count))
        }
    }

    private mutating func records(salt: UInt32, isRaw: Bool) -> [UInt8] {
        if isRaw { return [UInt8](script.part(atMost: 4_096)) }
        var bytes: [UInt8] = []
        for _ in 0..<script.below(8) {
            guard !script.isAtEnd else { break }
            bytes += oneBatch(salt)
        }
        return bytes
    }

    /// A batch of any records, mostly with a commit mark that holds.
    private mutating func oneBatch(_ salt: UInt32) -> [UInt8] {
        var bytes: [UInt8] = []
        var chain: UInt32 = 0
        let plan = script.byte()
        if plan & 1 != 0 { batch = script.near(batch) }
        let count = 1 + script.below(5)
        for _ in 0..<count {
            let (header, payload) = record()
            chain = RecordHeader.chain(chain, header.encode(into: &bytes, salt: salt))
            bytes += payload + [UInt8](repeating: 0, count: paddedToEight(payload.count) - payload.count)
        }
        let mark = RecordHeader(
            kind: .commit, payloadLength: 0, index: plan & 2 == 0 ? UInt64(count) : script.near(UInt64(count)),
            term: UInt64(bytes.count), batch: batch, payloadChecksum: plan & 4 == 0 ? chain : 0)
        if plan & 8 == 0 { _ = mark.encode(into: &bytes, salt: salt) }
        batch &+= 1
        return bytes
    }

    private mutating func record() -> (RecordHeader, [UInt8]) {
        let plan = script.byte()
        var payload: [UInt8] = []
        var (number, detail, kind) = (index, script.byte(), RecordHeader.Kind.entry)
        if plan & 0x40 != 0 { number = script.near(index) }
        if plan & 0x80 != 0 { term = script.near(term) }
        switch plan % 8 {
        case 0: kind = .hardState
        case 1: kind = .truncation
        case 2:
            kind = .snapshot
            var writer = ByteWriter()
            let metadata = SnapshotMetadata(
                index: LogIndex(number), term: Term(term), configuration: Samples.configurations[Int(detail) % 4],
                configurationIndex: .zero)
            metadata.encodeConfiguration(into: &writer)
            payload = plan & 0x20 != 0 ? [UInt8](script.part(atMost: 256)) : writer.bytes
        default:
            detail %= 4
            payload = [UInt8](script.part(atMost: 1_024))
            index = number &+ 1
        }
        let header = RecordHeader(
            kind: kind, detail: detail, payloadLength: payload.count, index: number, term: term, batch: batch,
            payloadChecksum: crc32c(payload))
        return (header, payload)
    }

    // MARK: Opening it

    /// Nil if it is refused. What is found makes sense to consensus, and what is appended then is part of what is
    /// returned.
    private func open(append: Bool) throws -> RecoveredLog? {
        let directory = try LogDirectory.open("d", files: files, holder: "b")
        defer { directory.close() }
        let opened: (log: WriteAheadLog<SimulatedFileSystem>, recovered: RecoveredLog, report: OpenReport)
        do {
            opened = try WriteAheadLog.open(directory, snapshots: SnapshotStore(directory), options: options)
        } catch is LogError {
            return nil
        }
        defer { opened.log.close() }
        var recovered = opened.recovered
        try examine(recovered)
        guard append else { return recovered }
        // As consensus would go on: a later term, and an entry behind the last.
        let last = max(recovered.entries.last?.index ?? .zero, recovered.snapshot.index)
        let lastTerm = max(
            recovered.entries.last?.term ?? .zero, recovered.snapshot.term, recovered.hardState.term)
        recovered.hardState = HardState(term: lastTerm.next, vote: NodeID(9))
        let entry = Entry(index: last.next, term: lastTerm.next, kind: .command, payload: [7])
        try opened.log.append([
            StorageWrite(sequence: WriteSequence(1), hardState: recovered.hardState, entries: [entry])
        ])
        recovered.entries.append(entry)
        return recovered
    }

    private func examine(_ recovered: RecoveredLog) throws {
        var next = recovered.entries.first?.index
        for entry in recovered.entries {
            try require(entry.index == next, "entry \(entry.index) stands where \(next ?? .zero) belongs")
            next = entry.index.next
        }
        guard let first = recovered.entries.first else { return }
        try require(
            first.index <= recovered.snapshot.index.next,
            "the entries begin at \(first.index), the snapshot ends at \(recovered.snapshot.index)")
        // Whatever it found, consensus can begin with it.
        let node = Node(
            id: identity.node, cluster: identity.cluster, recovered: recovered, now: .zero, seed: 1)
        let violations = node.checkInvariants().filter { !NodeScript.isOthersDoing($0) }
        try require(violations.isEmpty, violations.joined(separator: "; "))
    }

    private func brief(_ recovered: RecoveredLog) -> String {
        let entries = recovered.entries.map { "\($0.index)/\($0.term)" }.joined(separator: " ")
        return "\(recovered.hardState), snapshot \(recovered.snapshot.index), entries \(entries), "
            + (recovered.mayVote ? "may vote" : "may not vote")
    }

    private func describe(_ recovered: RecoveredLog) -> [UInt8] {
        var writer = ByteWriter()
        writer.write(recovered.hardState.term.rawValue)
        writer.write(recovered.hardState.vote?.rawValue ?? 0)
        writer.write(recovered.snapshot.index.rawValue)
        recovered.snapshot.configuration.encode(into: &writer)
        writer.write(recovered.mayVote)
        for entry in recovered.entries {
            writer.write(entry.index.rawValue)
            writer.write(entry.term.rawValue)
            writer.writePrefixed(entry.payload)
        }
        return writer.bytes
    }
}

// MARK: - Seeds

extension LogScript {
    static func seeds() -> [[UInt8]] {
        // Of no snapshot or one at 5; one segment or two; batches of entries, hard states, truncations, snapshot marks.
        var seeds: [[UInt8]] = []
        for snapshot in [[0], [1, 5]] as [[UInt8]] {
            for segments in [0, 1, 2] as [UInt8] {
                var writer = ScriptWriter(snapshot + [segments])
                for _ in 0...segments {
                    writer.step(0, 4)
                    writer.step(0, 0, 0, 0)
                    for _ in 0..<2 {
                        writer.step(0, 2, 3, 1)
                        writer.part([1, 2, 3])
                        writer.step(4, 1)
                        writer.part([UInt8](repeating: 5, count: 20))
                        writer.step(0, 0)
                    }
                    writer.step(0, 1, 1, 0, 2, 1)
                }
                seeds.append(writer.bytes)
            }
        }
        var raw = ScriptWriter([0, 0, 16])
        raw.part([UInt8](repeating: 3, count: 100))
        var damaged = ScriptWriter([0, 1, 0, 2, 8, 0, 3, 1, 1, 0, 9, 0, 0, 3, 1, 1, 0, 9, 32, 4, 1, 0])
        damaged.part([9])
        return seeds + [raw.bytes, damaged.bytes]
    }
}
