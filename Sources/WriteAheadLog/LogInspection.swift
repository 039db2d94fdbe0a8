import Raft

/// What stands in a data directory's segments, for an operator. Changes nothing and takes no lock; of a log that is
/// being written, the newest batch may show as unfinished.
public struct LogInspection: Sendable {
    public struct Record: Sendable, Equatable, CustomStringConvertible {
        /// In the segment's file.
        public var offset: Int
        public var batch: UInt64
        /// "hard state", "entry", "truncation", "snapshot mark" or "commit mark".
        public var kind: String
        public var index: UInt64
        public var term: UInt64
        public var payloadBytes: Int

        public var description: String {
            "\(offset) batch \(batch) \(kind) index \(index) term \(term) \(payloadBytes) bytes"
        }
    }

    public struct Segment: Sendable, Equatable {
        public var file: String
        public var id: UInt64
        public var firstBatch: UInt64
        /// The offset behind the last good batch.
        public var end: Int
        /// Those of an unfinished batch, as far as they can be read, stand last.
        public var records: [Record]
        /// What opening the log would decide about it: "clean", "complete", "torn tail", or "damage: " and why.
        public var verdict: String
    }

    public var owner: LogIdentity
    public var segments: [Segment]
    /// The newest index and its term, term and vote, and the place of the newest snapshot mark; after damage, those
    /// before it.
    public var lastIndex = LogIndex.zero
    public var lastTerm = Term.zero
    public var hardState = HardState()
    public var snapshot = SnapshotPlace(index: .zero, term: .zero)
    /// Why the server must not vote, if it must not.
    public var pendingRepair: String?
    public var isDamaged: Bool { segments.contains { $0.verdict.hasPrefix("damage") } }

    /// Reads the segments of an initialised data directory.
    public static func inspect(
        _ path: String, files: some FileSystem
    ) throws(LogError) -> LogInspection {
        do throws(FileSystemError) {
            let owner = try LogIdentity(reading: path, files)
            var found: [(name: String, id: UInt64, bytes: [UInt8])] = []
            let names = try files.list(path)
            for name in names {
                guard let id = FileNames.segmentID(name) else { continue }
                found.append((name, id, try files.contents(of: join(path, name))))
            }
            var inspection = LogInspection(owner, path, found)
            if names.contains(FileNames.repair) {
                let body = FileHeader.readWithBody(
                    try files.contents(of: join(path, FileNames.repair)), expecting: .repair
                ).body
                inspection.pendingRepair =
                    body.isEmpty ? "the reason is unreadable" : String(decoding: body, as: UTF8.self)
            }
            return inspection
        } catch {
            throw .failed(error)
        }
    }

    private init(_ owner: LogIdentity, _ path: String, _ found: [(name: String, id: UInt64, bytes: [UInt8])]) {
        self.owner = owner
        segments = []
        let nobody = Configuration(members: [])
        var replay = LogReplay(
            base: SnapshotMetadata(index: .zero, term: .zero, configuration: nobody, configurationIndex: .zero))
        for (position, this) in found.enumerated() {
            var segment = Segment(
                file: join(path, this.name), id: this.id, firstBatch: 0, end: 0, records: [], verdict: "")
            guard let header = LogInspection.header(this.bytes) else {
                segment.verdict = "damage: the header is unreadable or of a newer version"
                segments.append(segment)
                continue
            }
            let successor = LogInspection.successor(
                of: this.id, position + 1 < found.count ? found[position + 1].bytes : nil)
            var limit: Int?
            if case .segment(let end, _) = successor { limit = Int(clamping: end) }
            let scan = this.bytes.withUnsafeBytes { raw in
                let salt = SegmentHeader.salt(owner, id: this.id)
                var scanner = SegmentScanner(raw, salt: salt, firstBatch: header.firstBatch)
                return scanner.scan(limit: limit, into: &replay) { segment.records.append(Record($0, $1)) }
            }
            segment.firstBatch = header.firstBatch
            segment.end = scan.end
            segment.verdict = LogInspection.words(OpeningDecision.decide(scan, followedBy: successor))
            if !isDamaged { note(replay) }
            segments.append(segment)
        }
        if !isDamaged, let missing = replay.gap {
            segments[0].verdict = "damage: the entries from \(missing) to the first one in it are missing"
        }
    }

    private mutating func note(_ replay: LogReplay) {
        hardState = replay.hardState
        snapshot = SnapshotPlace(index: replay.snapshot.index, term: replay.snapshot.term)
        let last = replay.entries.last
        lastIndex = max(last?.index ?? .zero, snapshot.index)
        lastTerm = last?.term ?? snapshot.term
    }

    private static func header(_ bytes: [UInt8]) -> SegmentHeader? {
        guard case .valid(let header) = bytes.withUnsafeBytes({ FileHeader.read($0, expecting: .segment) }) else {
            return nil
        }
        return SegmentHeader(header)
    }

    private static func successor(of id: UInt64, _ bytes: [UInt8]?) -> OpeningDecision.Successor {
        guard let bytes else { return .none }
        guard let next = header(bytes) else { return .unreadable }
        guard next.previousID == id else { return .stranger(previousID: next.previousID) }
        return .segment(end: next.previousEnd, firstBatch: next.firstBatch)
    }

    private static func words(_ decision: OpeningDecision) -> String {
        switch decision {
        case .goOnHere: "clean"
        case .complete: "complete"
        case .cut: "torn tail"
        case .damage(let reason): "damage: " + reason
        }
    }
}

extension LogInspection.Record {
    fileprivate init(_ offset: Int, _ header: RecordHeader) {
        let kind =
            switch header.kind {
            case .hardState: "hard state"
            case .entry: "entry"
            case .truncation: "truncation"
            case .snapshot: "snapshot mark"
            case .commit: "commit mark"
            }
        self.init(
            offset: offset, batch: header.batch, kind: kind, index: header.index, term: header.term,
            payloadBytes: header.payloadLength)
    }
}

extension LogIdentity {
    /// From a directory that is not opened.
    init(reading path: String, _ files: some FileSystem) throws(FileSystemError) {
        let (reading, body) = FileHeader.readWithBody(
            try files.contents(of: join(path, FileNames.identity)), expecting: .identity)
        switch reading {
        case .valid(let header):
            self.init(header, name: String(decoding: body, as: UTF8.self))
        case .newer(let version):
            throw FileSystemError(
                "read the identity in", path, .inputOutput,
                "it has format version \(version), and this program knows versions up to \(FileHeader.supportedVersion)"
            )
        case .damaged(let reason):
            throw FileSystemError("read the identity in", path, .inputOutput, reason)
        }
    }
}
