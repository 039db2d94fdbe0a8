import ByteCoding
import Raft

/// Reads a data directory's segments forward, decides what they are worth, and mends what may be mended.
///
/// Nothing is changed on the disk before every segment's header has been read: a directory of a newer version or of
/// another server is left as it is.
struct LogOpening<Files: FileSystem> {
    let files: Files
    let path: String
    let identity: LogIdentity
    var directory: LogDirectory<Files>
    var replay: LogReplay
    var report = OpenReport()

    /// A segment file as found.
    struct Found {
        var id: UInt64
        var name: String
        /// Nil if it is damaged.
        var header: SegmentHeader?
        var whyNot = ""
    }

    /// The segments that are kept, oldest first.
    var segments: [Segment] = []
    /// The next batch's number.
    var nextBatch: UInt64 = 1
    /// Above every id ever seen here.
    var nextSegmentID: UInt64 = 1
    /// Where the log goes on: in the last of `segments`, behind `end`, unless a new segment must be begun.
    var lastBatchBegins = SegmentHeader.recordsBegin
    var end = SegmentHeader.recordsBegin
    var mustBeginSegment = true
    var isDamaged = false
    /// Whether the term that the log names is below one that is known to have been in force, and was raised.
    var hasRaisedTerm = false
    let mutations: StorageMutations

    init(_ directory: LogDirectory<Files>, mutations: StorageMutations) throws(LogError) {
        self.mutations = mutations
        guard let identity = directory.identity else { throw .directory(.notInitialised(path: directory.path)) }
        guard let configuration = directory.firstConfiguration else {
            throw .directory(.noConfiguration(path: directory.path))
        }
        self.directory = directory
        self.identity = identity
        files = directory.files
        path = directory.path
        replay = LogReplay(
            base: SnapshotMetadata(index: .zero, term: .zero, configuration: configuration, configurationIndex: .zero))
    }

    var genesis: SnapshotMetadata? {
        directory.firstConfiguration.map {
            SnapshotMetadata(index: .zero, term: .zero, configuration: $0, configurationIndex: .zero)
        }
    }

    mutating func readSegments() throws(LogError) {
        if let reason = directory.pendingRepair { report.findings.append(.repairPending(reason)) }
        let names = try step { () throws(FileSystemError) in try files.list(path) }
        let found = try readHeaders(names)
        try refuseForeignSnapshots(names)
        for name in names {
            let id = FileNames.segmentID(name) ?? FileNames.segmentID(name, damaged: true) ?? 0
            // A number that no segment can have was not given by us, and none is to be given behind it.
            if id < LogReplay.bound { nextSegmentID = max(nextSegmentID, id + 1) }
        }
        if found.isEmpty { try noteMissingSegments(names) }
        for position in found.indices {
            guard try !readSegment(found, position) else { continue }
            // The last one read is kept if something in it is good; those behind it are of no use without the way to
            // them.
            let isKept = segments.last?.id == found[position].id
            return try setAside(found[(isKept ? position + 1 : position)...].map(\.name))
        }
    }

    /// Reads one segment into `replay`.
    /// - Returns: whether the segment after it is to be read; if not, and this one is of no use either, it is not in
    ///   `segments`.
    private mutating func readSegment(_ found: [Found], _ position: Int) throws(LogError) -> Bool {
        let this = found[position]
        guard let header = this.header else {
            report.rows.append(.headerIsDamaged)
            try noteDamage(this.name, 0, this.whyNot)
            return false
        }
        if position == 0 { nextBatch = header.firstBatch }
        let successor = successor(of: this.id, in: found, position)
        let scan = try scan(this, header, successor)
        report.rows.append(OpeningDecision.row(scan, followedBy: successor))
        var decision = OpeningDecision.decide(scan, followedBy: successor)
        if case .damage = decision, mutations.contains(.damageIsCut) { decision = .cut }
        let isUseless = scan.end == SegmentHeader.recordsBegin
        if case .damage(let reason) = decision {
            if case .unreadable = successor, scan.nonsense == nil {
                try noteDamage(found[position + 1].name, 0, found[position + 1].whyNot)
            } else {
                try noteDamage(this.name, scan.end, reason)
            }
            // With nothing good in it, it is set aside like those behind it.
            if isUseless { return false }
        }
        report.batches &+= scan.nextBatch &- header.firstBatch
        report.segments += 1
        segments.append(Segment(id: this.id, lastIndex: replay.entries.last?.index ?? .zero, hasBatches: !isUseless))
        nextBatch = scan.nextBatch
        lastBatchBegins = scan.lastBatchBegins
        end = scan.end
        let goesOn = decision == .goOnHere || decision == .cut && mutations.contains(.tornSegmentReused)
        mustBeginSegment = !goesOn
        if decision == .cut { report.findings.append(.tornTail(file: join(path, this.name), offset: scan.end)) }
        return decision == .complete
    }

    private mutating func scan(
        _ this: Found, _ header: SegmentHeader, _ successor: OpeningDecision.Successor
    ) throws(LogError) -> SegmentScan {
        let (bytes, unreadable) = try step { () throws(FileSystemError) in
            try files.readableContents(of: join(path, this.name))
        }
        var limit: Int?
        if case .segment(let end, _) = successor { limit = Int(clamping: end) }
        let salt = SegmentHeader.salt(identity, id: this.id)
        var scan = bytes.withUnsafeBytes { raw in
            var scanner = SegmentScanner(
                raw, salt: salt, firstBatch: header.firstBatch, mutations: mutations)
            return scanner.scan(limit: limit, into: &replay)
        }
        if let unreadable, unreadable < limit ?? .max, scan.nonsense == nil {
            scan.nonsense = "the disk cannot read it at offset \(unreadable)"
        }
        return scan
    }

    private func successor(of id: UInt64, in found: [Found], _ position: Int) -> OpeningDecision.Successor {
        guard position + 1 < found.count else { return .none }
        guard let next = found[position + 1].header else { return .unreadable }
        guard next.previousID == id else { return .stranger(previousID: next.previousID) }
        return .segment(end: next.previousEnd, firstBatch: next.firstBatch)
    }

    private func readHeaders(_ names: [String]) throws(LogError) -> [Found] {
        var found: [Found] = []
        for name in names {
            guard let id = FileNames.segmentID(name) else { continue }
            let file = join(path, name)
            let bytes = try readHeader(of: file)
            var this = Found(id: id, name: name)
            switch bytes.withUnsafeBytes({ FileHeader.read($0, expecting: .segment) }) {
            case .newer(let version):
                throw .directory(.newerVersion(file: file, found: version, supported: FileHeader.supportedVersion))
            case .damaged(let reason):
                this.whyNot = reason
            case .valid(let header):
                do throws(LogDirectoryError) {
                    try LogDirectory<Files>.check(header, in: file, against: identity)
                } catch {
                    throw .directory(error)
                }
                let segment = SegmentHeader(header)
                if segment.id != id {
                    this.whyNot = "it is segment \(hexadecimal(segment.id))"
                } else if !segment.isPossible {
                    this.whyNot = "segment \(hexadecimal(id)) or its first batch is beyond all bounds"
                } else {
                    this.header = segment
                }
            }
            found.append(this)
        }
        return found
    }

    /// A snapshot of a newer program is not taken for a damaged one, nor one of another cluster for ours.
    private func refuseForeignSnapshots(_ names: [String]) throws(LogError) {
        for name in names where FileNames.snapshotPlace(name) != nil {
            let file = join(path, name)
            let bytes = try readHeader(of: file)
            switch bytes.withUnsafeBytes({ FileHeader.read($0, expecting: .snapshot) }) {
            case .newer(let version):
                throw .directory(.newerVersion(file: file, found: version, supported: FileHeader.supportedVersion))
            case .valid(let header) where header.cluster != identity.cluster:
                throw .directory(.otherCluster(path: file, found: header.cluster, expected: identity.cluster))
            case .valid, .damaged: continue
            }
        }
    }

    /// Empty, which is a damaged header, if the disk cannot read it any more.
    private func readHeader(of file: String) throws(LogError) -> [UInt8] {
        try step { () throws(FileSystemError) in
            let open = try files.open(file, .read)
            defer { open.close() }
            do throws(FileSystemError) {
                return try open.readRange(0, count: FileHeader.byteCount)
            } catch {
                guard error.code == .inputOutput else { throw error }
                return []
            }
        }
    }

    // MARK: - Damage

    /// A directory without any segment is new; if it has a snapshot, or segments that were set aside, its log is lost.
    private mutating func noteMissingSegments(_ names: [String]) throws(LogError) {
        let witness = names.first {
            FileNames.snapshotPlace($0) != nil || FileNames.segmentID($0, damaged: true) != nil
        }
        guard let witness else { return }
        try noteDamage(FileNames.segment(1), 0, "there is no segment, and there is \(witness)")
    }

    /// The marker is durable before anything is renamed, so that a crash in between finds it.
    mutating func noteDamage(_ name: String, _ offset: Int, _ reason: String) throws(LogError) {
        isDamaged = true
        let finding = OpenReport.Finding.damage(file: join(path, name), offset: offset, reason: reason)
        report.findings.append(finding)
        try demandRepair(finding.description)
    }

    /// Makes the demand durable together with the highest term that can still be read anywhere in the log.
    mutating func demandRepair(_ reason: String) throws(LogError) {
        let term = mutations.contains(.termOfDamageForgotten) ? .zero : try highestTermOnDisk()
        do throws(LogDirectoryError) {
            try directory.demandRepair(reason, term: term)
        } catch {
            throw .directory(error)
        }
    }

    /// The server may have voted, and acknowledged entries, in terms that stand only behind the damage: as long as it
    /// is not repaired, it starts in a term that is not below any of them. Only a leader of a later term can repair it.
    mutating func raiseTerm() {
        guard directory.pendingRepair != nil, directory.pendingRepairTerm > replay.hardState.term else { return }
        replay.raise(to: directory.pendingRepairTerm)
        hasRaisedTerm = true
    }

    /// Of every record whose header is sound, wherever it stands.
    private func highestTermOnDisk() throws(LogError) -> Term {
        let certain = replay.hardState.term.rawValue
        var highest = certain
        for name in try step({ () throws(FileSystemError) in try files.list(path) }) {
            guard let id = FileNames.segmentID(name) ?? FileNames.segmentID(name, damaged: true) else { continue }
            let (bytes, _) = try step { () throws(FileSystemError) in
                try files.readableContents(of: join(path, name))
            }
            let salt = SegmentHeader.salt(identity, id: id)
            let found = bytes.withUnsafeBytes { SegmentScanner.highestTerm(in: $0, salt: salt, certain: certain) }
            highest = max(highest, found)
        }
        return Term(highest)
    }

    mutating func setAside(_ names: [String]) throws(LogError) {
        guard !names.isEmpty else { return }
        for name in names {
            let aside = name + FileNames.damagedSuffix
            try step { () throws(FileSystemError) in try files.rename(join(path, name), to: join(path, aside)) }
            report.findings.append(.setAside(file: join(path, aside)))
        }
        try step { () throws(FileSystemError) in try files.syncDirectory(path) }
    }

    /// Gives up the whole log, keeping its files under other names: no snapshot fits it.
    mutating func startFromNothing() throws(LogError) {
        guard let genesis else { return }
        try setAside(segments.map { FileNames.segment($0.id) })
        segments = []
        mustBeginSegment = true
        isDamaged = true
        replay.dropEverything(base: genesis)
    }

    func step<Result>(_ body: () throws(FileSystemError) -> Result) throws(LogError) -> Result {
        do throws(FileSystemError) {
            return try body()
        } catch {
            throw .failed(error)
        }
    }
}
