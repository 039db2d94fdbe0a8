import Raft

/// The state behind `WriteAheadLog`.
struct LogCore<Files: FileSystem>: Sendable {
    let files: Files
    let path: String
    let identity: LogIdentity
    let options: LogOptions
    var directory: LogDirectory<Files>

    /// The newest segment's file, and where in it the next batch goes.
    var file: Files.File?
    var offset: UInt64 = 0
    var length: UInt64 = 0
    var salt: UInt32 = 0

    /// Oldest first; the last is the one being written.
    var segments: [Segment]
    var nextBatch: UInt64
    var nextSegmentID: UInt64
    var prepared: [PreparedSegment] = []
    var nextPreparation: UInt64 = 1
    var isPreparing = false

    /// What a new segment restates.
    var hardState: HardState
    var snapshot: SnapshotMetadata
    /// The newest entry's index, or the snapshot's if there is none behind it.
    var last: LogIndex

    /// Names of the reserve files that are there.
    var reserves: [String] = []
    var isFull = false
    /// The length of a segment for which there was no room; 0 if there was.
    var lengthRefused: UInt64 = 0
    var poison: String?
    private var encoder = BatchEncoder()

    init(_ opening: LogOpening<Files>, _ options: LogOptions) {
        files = opening.files
        path = opening.path
        identity = opening.identity
        directory = opening.directory
        self.options = options
        segments = opening.segments
        nextBatch = opening.nextBatch
        nextSegmentID = opening.nextSegmentID
        hardState = opening.replay.hardState
        snapshot = opening.replay.snapshot
        last = max(opening.replay.entries.last?.index ?? .zero, opening.replay.snapshot.index)
    }

    // MARK: - Appending

    mutating func append(_ writes: some Collection<StorageWrite>) throws(LogError) {
        try refuseIfPoisoned()
        guard !writes.isEmpty else { return }
        let after = try check(writes)
        let hasEntries = writes.contains { !$0.entries.isEmpty }
        if isFull, hasEntries { throw .diskFull(path: path, needed: options.usableSegmentBytes) }

        encode(writes)
        if offset + UInt64(encoder.bytes.count) > length {
            // The encoded batch is bound to the segment it goes to, so it is encoded again for the next one.
            try beginSegment(for: encoder.bytes.count, mayUseReserve: !hasEntries)
            encode(writes)
        }
        try writeBatch()
        note(writes, last: after)
    }

    /// The batch, behind the term and vote in force, so that any later batch that can be read says how far terms had
    /// got if one before it is damaged; and, in a segment's first batch, the newest snapshot mark.
    private mutating func encode(_ writes: some Collection<StorageWrite>) {
        encoder.begin(batch: nextBatch, salt: salt)
        let isFirst = segments.last.map { !$0.hasBatches } ?? true
        if isFirst || writes.first?.hardState == nil, !options.mutations.contains(.hardStateNotRestated) {
            encoder.add(hardState)
        }
        if isFirst { encoder.add(snapshot, detail: SnapshotMark.restated | SnapshotMark.keepsTail) }
        for write in writes { encoder.add(write) }
        encoder.commit()
    }

    private mutating func writeBatch() throws(LogError) {
        guard let file, let active = segments.indices.last else { throw poisoned(by: "no segment is open") }
        do throws(FileSystemError) {
            try file.write(encoder.bytes, at: offset)
            try sync(file)
        } catch {
            throw poisoned(by: error)
        }
        offset += UInt64(encoder.bytes.count)
        nextBatch &+= 1
        segments[active].hasBatches = true
    }

    private func sync(_ file: Files.File) throws(FileSystemError) {
        do throws(FileSystemError) {
            try file.syncData()
        } catch {
            guard options.mutations.contains(.syncRetried) else { throw error }
            try file.syncData()
        }
    }

    /// Takes over what is durable now.
    private mutating func note(_ writes: some Collection<StorageWrite>, last: LogIndex) {
        self.last = last
        for write in writes {
            if let hardState = write.hardState { self.hardState = hardState }
            if let snapshot = write.snapshot {
                self.snapshot = snapshot
                if !write.keepsTail { limitSegments(to: .zero) }
            }
            if let index = write.truncateFrom { limitSegments(to: index.previous) }
            if let index = write.entries.last?.index, let active = segments.indices.last {
                segments[active].lastIndex = index
            }
        }
    }

    /// Entries behind `index` count no more, in whatever segment they are.
    private mutating func limitSegments(to index: LogIndex) {
        for position in segments.indices { segments[position].lastIndex = min(segments[position].lastIndex, index) }
    }

    /// Refuses, before anything is written, writes that would leave a hole in the log.
    /// - Returns: the newest index after them.
    private func check(_ writes: some Collection<StorageWrite>) throws(LogError) -> LogIndex {
        var last = self.last
        for write in writes {
            if let snapshot = write.snapshot {
                guard snapshot.isReadable else { throw .invalidWrite("a malformed configuration in a snapshot mark") }
                last = write.keepsTail ? max(last, snapshot.index) : snapshot.index
            }
            if let index = write.truncateFrom {
                guard index > .zero else { throw .invalidWrite("a truncation from index 0") }
                last = min(last, index.previous)
            }
            for entry in write.entries {
                guard entry.index == last.next else {
                    throw .invalidWrite("entry \(entry.index) does not follow entry \(last)")
                }
                guard entry.payload.count <= options.maximumPayload else {
                    throw .invalidWrite(
                        "entry \(entry.index) has \(entry.payload.count) bytes, more than \(options.maximumPayload)")
                }
                last = entry.index
            }
        }
        return last
    }

    /// A mark of its own, when opening chose another snapshot than the log named.
    mutating func writeMark(keepsTail: Bool) throws(LogError) {
        let write = StorageWrite(sequence: .zero, hardState: hardState, snapshot: snapshot, keepsTail: keepsTail)
        try append(CollectionOfOne(write))
    }

    /// While entries wait for room: makes the marks durable that are among writes which wait, as far as they do not depend on what waits
    /// before them, and takes them out of the writes. What they make superfluous can then be removed.
    /// - Returns: whether every mark has been made.
    mutating func markAhead(_ writes: inout [StorageWrite]) throws(LogError) -> Bool {
        var agreed = last
        for i in writes.indices {
            guard let mark = writes[i].snapshot else {
                agreed = min(agreed, writes[i].truncateFrom?.previous ?? agreed)
                continue
            }
            guard writes[i].keepsTail, mark.index <= agreed else { return false }
            writes[i].snapshot = nil
            agreed = min(agreed, writes[i].truncateFrom?.previous ?? agreed)
            guard mark.index > snapshot.index else { continue }
            try append(CollectionOfOne(StorageWrite(sequence: .zero, snapshot: mark, keepsTail: true)))
        }
        return true
    }

    // MARK: - Failure

    func refuseIfPoisoned() throws(LogError) {
        if let poison { throw .poisoned(poison) }
    }

    /// The first failure is the last (scenario 26): after it nobody knows what the disk holds.
    mutating func poisoned(by error: FileSystemError) -> LogError {
        poison = error.description
        return .failed(error)
    }

    mutating func poisoned(by reason: String) -> LogError {
        poison = reason
        return .poisoned(reason)
    }

    mutating func markRepaired() throws(LogError) {
        try refuseIfPoisoned()
        do throws(LogDirectoryError) {
            try directory.endRepair()
        } catch {
            poison = error.description
            throw .directory(error)
        }
    }

    mutating func close() {
        file?.close()
        file = nil
        if poison == nil { poison = "it was closed" }
    }
}
