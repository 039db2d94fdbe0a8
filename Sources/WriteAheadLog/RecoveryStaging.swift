import ByteCoding
import Raft

/// Writes everything that a recovered server begins with under names of its own, which count for nothing until the
/// decision is durable.
struct RecoveryStaging<Files: FileSystem> {
    let files: Files
    let path: String
    /// Of the new cluster.
    let identity: LogIdentity
    let former: LogIdentity
    let segmentID: UInt64
    let options: LogOptions

    /// Bytes of payload in one batch of the new segment.
    private static var batchBytes: Int { 1 << 20 }

    /// The log, as one segment, and its snapshot.
    func write(
        _ recovered: RecoveredLog, _ configuration: Configuration, lastIndex: LogIndex, lastTerm: Term,
        _ store: SnapshotStore<Files>
    ) throws(OfflineRecoveryError) {
        let term = max(recovered.hardState.term, lastTerm, recovered.snapshot.term).next
        var payload = ByteWriter()
        configuration.encode(into: &payload)
        let change = Entry(index: lastIndex.next, term: term, kind: .configuration, payload: payload.take())
        if recovered.snapshot.index > .zero { try copySnapshot(recovered.snapshot, store) }
        do throws(FileSystemError) {
            try writeSegment(
                HardState(term: term, vote: identity.node), recovered.snapshot, recovered.entries + [change])
        } catch {
            throw .log(.failed(error))
        }
    }

    func writeIdentity(_ firstConfiguration: Configuration) throws(OfflineRecoveryError) {
        var body = ByteWriter()
        firstConfiguration.encode(into: &body)
        let genesis = FileHeader(magic: .genesis, cluster: identity.cluster, node: identity.node)
        do throws(FileSystemError) {
            for kept in [FileNames.identity, FileNames.genesis] {
                let bytes = try files.contents(of: join(path, kept))
                try files.publish(bytes, as: FileNames.before(former.cluster, kept), in: path)
            }
            try files.publish(
                identity.fileHeader().encoded(body: Array(identity.name.utf8)),
                as: FileNames.staged(FileNames.identity), in: path)
            try files.publish(genesis.encoded(body: body.take()), as: FileNames.staged(FileNames.genesis), in: path)
        } catch {
            throw .directory(.file(error))
        }
    }

    /// From here on the new state is in force. Everything staged was durable before.
    func decide() throws(LogDirectoryError) {
        let marker = FileHeader(
            magic: .recovery, cluster: identity.cluster, node: identity.node,
            fields: (former.cluster.rawValue, 0, 0, 0))
        try attempt { () throws(FileSystemError) in
            try files.syncDirectory(path)
            try files.publish(marker.encoded(), as: FileNames.recovery, in: path)
        }
    }

    /// The same payload in a file of the new cluster.
    private func copySnapshot(
        _ metadata: SnapshotMetadata, _ store: SnapshotStore<Files>
    ) throws(OfflineRecoveryError) {
        do throws(SnapshotError) {
            var reader = try store.reader(SnapshotPlace(index: metadata.index, term: metadata.term))
            var writer = try SnapshotWriter(
                metadata, identity: identity, files: files, directory: path, prefix: FileNames.stagedPrefix)
            while let chunk = try reader.nextChunk() { try writer.write(chunk) }
            try writer.finish()
        } catch {
            throw .snapshot(error)
        }
    }

    private func writeSegment(
        _ hardState: HardState, _ snapshot: SnapshotMetadata, _ entries: [Entry]
    ) throws(FileSystemError) {
        let file = try files.open(join(path, FileNames.staged(FileNames.segment(segmentID))), .create)
        defer { file.close() }
        let header = SegmentHeader(id: segmentID, firstBatch: 1, previousID: 0, previousEnd: 0)
        try file.write(header.fileHeader(identity).encoded(), at: 0)
        var offset = UInt64(SegmentHeader.recordsBegin)
        var encoder = BatchEncoder()
        var batch: UInt64 = 1
        var rest = entries[...]
        while !rest.isEmpty {
            encoder.begin(batch: batch, salt: SegmentHeader.salt(identity, id: segmentID))
            encoder.add(hardState)
            if batch == 1 { encoder.add(snapshot, detail: SnapshotMark.restated | SnapshotMark.keepsTail) }
            encoder.add(StorageWrite(sequence: .zero, entries: RecoveryStaging.nextGroup(&rest)))
            encoder.commit()
            try file.write(encoder.bytes, at: offset)
            offset += UInt64(encoder.bytes.count)
            batch += 1
        }
        try file.allocate(max((offset + 4095) & ~4095, options.usableSegmentBytes))
        try file.syncData()
    }

    private static func nextGroup(_ rest: inout ArraySlice<Entry>) -> [Entry] {
        var group: [Entry] = []
        var bytes = 0
        while let entry = rest.first, group.isEmpty || bytes + entry.payload.count <= batchBytes {
            bytes += entry.payload.count
            group.append(rest.removeFirst())
        }
        return group
    }
}

/// Puts what was staged in the place of what was there, once it has been decided. Each step may be repeated after a
/// crash; opening a directory does so before anything else in it is read.
struct RecoveryCompletion<Files: FileSystem> {
    let files: Files
    let path: String

    /// Does nothing unless a recovery was decided; then, what was staged for one that was not is removed.
    func finish() throws(LogDirectoryError) {
        let names = try attempt { () throws(FileSystemError) in try files.list(path) }
        guard names.contains(FileNames.recovery) else {
            try attempt { () throws(FileSystemError) in
                for name in names where name.hasPrefix(FileNames.stagedPrefix) { try files.remove(join(path, name)) }
            }
            return
        }
        let (cluster, former) = try marker()
        try attempt { () throws(FileSystemError) in
            for name in names where FileNames.isReplacedByRecovery(name) {
                if try belongs(name, to: cluster) { continue }
                try files.rename(join(path, name), to: join(path, FileNames.before(former, name)))
            }
            // Before a staged file takes a name, whatever had that name is durably out of the way.
            try files.syncDirectory(path)
            for name in names where name.hasPrefix(FileNames.stagedPrefix) {
                let place = String(name.dropFirst(FileNames.stagedPrefix.count))
                try files.rename(join(path, name), to: join(path, place))
            }
            try files.syncDirectory(path)
            try files.remove(join(path, FileNames.recovery))
            try files.syncDirectory(path)
        }
    }

    private func marker() throws(LogDirectoryError) -> (cluster: ClusterID, former: ClusterID) {
        let file = join(path, FileNames.recovery)
        let bytes = try attempt { () throws(FileSystemError) in try files.contents(of: file) }
        let reading = bytes.withUnsafeBytes { FileHeader.read($0, expecting: .recovery) }
        let header = try LogDirectory<Files>.valid(reading, file)
        return (header.cluster, ClusterID(header.fields.0))
    }

    /// Whether an earlier attempt put this file here.
    private func belongs(_ name: String, to cluster: ClusterID) throws(FileSystemError) -> Bool {
        let file = try files.open(join(path, name), .read)
        defer { file.close() }
        let bytes = try file.readRange(0, count: FileHeader.byteCount)
        let magic: FileHeader.Magic = FileNames.snapshotPlace(name) == nil ? .segment : .snapshot
        guard case .valid(let header) = bytes.withUnsafeBytes({ FileHeader.read($0, expecting: magic) }) else {
            return false
        }
        return header.cluster == cluster
    }
}
