import Raft

/// Segments: beginning them, preparing them, removing them, and what to do when there is no room for one.
extension LogCore {
    // MARK: - Opening

    /// Makes the log ready to be written, once its segments have been read.
    mutating func start(
        _ opening: LogOpening<Files>, marking: Bool, report: inout OpenReport
    ) throws(LogError) {
        try collectPrepared()
        try makeReserves()
        if opening.mustBeginSegment {
            try beginSegment(for: 0, previousEnd: UInt64(opening.end), mayUseReserve: true)
        } else {
            try goOnInNewest(opening)
        }
        if marking { try writeMark(keepsTail: !opening.replay.entries.isEmpty) }
        if opening.hasRaisedTerm, !marking {
            try append(CollectionOfOne(StorageWrite(sequence: .zero, hardState: hardState)))
        }
        if isFull { report.findings.append(.diskFull(needed: options.usableSegmentBytes)) }
    }

    /// Continues behind the last batch of the newest segment.
    ///
    /// That batch is written and synced once more: if an earlier process's sync failed, the page cache may show what
    /// the disk does not have, and a sync alone would do nothing about pages that count as clean. All batches before it
    /// were synced before it was begun.
    private mutating func goOnInNewest(_ opening: LogOpening<Files>) throws(LogError) {
        guard let newest = segments.last else { return }
        do throws(FileSystemError) {
            let file = try files.open(join(path, FileNames.segment(newest.id)), .update)
            if !options.mutations.contains(.lastBatchNotRewritten) {
                let begins = UInt64(opening.lastBatchBegins)
                let batch = try file.readRange(begins, count: opening.end - opening.lastBatchBegins)
                try file.write(batch, at: begins)
                try file.syncData()
            }
            length = try file.size()
            self.file = file
        } catch {
            throw .failed(error)
        }
        offset = UInt64(opening.end)
        salt = SegmentHeader.salt(identity, id: newest.id)
    }

    /// Prepared files of an earlier run are as good as new if they hold nothing but zeros; temporary ones go.
    private mutating func collectPrepared() throws(LogError) {
        do throws(FileSystemError) {
            for name in try files.list(path) {
                if name.hasSuffix(FileNames.temporarySuffix), !name.hasPrefix("snapshot-"),
                    !name.hasPrefix("receiving-")
                {
                    try files.remove(join(path, name))
                } else if FileNames.isReserve(name) {
                    let isGood = try isZero(name, length: options.usableReserveBytes)
                    if isGood { reserves.append(name) } else { try files.remove(join(path, name)) }
                } else if let number = FileNames.preparedNumber(name) {
                    nextPreparation = max(nextPreparation, number &+ 1)
                    if try isZero(name, length: options.usableSegmentBytes) {
                        prepared.append(
                            PreparedSegment(name: name, length: options.usableSegmentBytes, number: number))
                    } else {
                        try files.remove(join(path, name))
                    }
                }
            }
        } catch {
            throw .failed(error)
        }
    }

    private func isZero(_ name: String, length: UInt64) throws(FileSystemError) -> Bool {
        let (bytes, unreadable) = try files.readableContents(of: join(path, name))
        return unreadable == nil && UInt64(bytes.count) == length
            && bytes.withUnsafeBytes { firstNonZero(in: $0, from: 0) } == nil
    }

    /// Makes the reserve files that are missing, as far as there is room. They may use the last free bytes: that is
    /// what they are for.
    private mutating func makeReserves() throws(LogError) {
        let preparer = SegmentPreparation(
            files: files, directory: path, number: 0, length: options.usableReserveBytes, freeBytesKept: 0)
        do throws(LogError) {
            for number in 0..<options.reserveFiles {
                let name = FileNames.reserve(number)
                guard !reserves.contains(name) else { continue }
                try preparer.make(name, options.usableReserveBytes)
                reserves.append(name)
            }
        } catch .diskFull {
            isFull = true
        }
    }

    // MARK: - The next segment

    /// Gives a prepared file an identity and a name, both durable, and goes on in it. This costs two syncs, once per
    /// segment.
    ///
    /// - Parameters:
    ///   - previousEnd: where the segment before it ends; nil for where this log has written to.
    ///   - mayUseReserve: what is to be written is needed for running on.
    mutating func beginSegment(
        for batchBytes: Int, previousEnd: UInt64? = nil, mayUseReserve: Bool
    ) throws(LogError) {
        // What the segment restates is as long as the newest mark, which the batch may hold already; a page is ample
        // besides.
        let needed = UInt64(SegmentHeader.recordsBegin + batchBytes + restatedBytes)
        let source = try takeFile(needed, mayUseReserve: mayUseReserve)
        let header = SegmentHeader(
            id: nextSegmentID, firstBatch: nextBatch, previousID: segments.last?.id ?? 0,
            previousEnd: segments.isEmpty ? 0 : previousEnd ?? offset)
        let file = try makeSegment(source, header, length: needed)
        do throws(FileSystemError) {
            try files.rename(join(path, source.name), to: join(path, FileNames.segment(header.id)))
            // Before any entry in it counts (scenario 3).
            if !options.mutations.contains(.directoryNotSynced) { try files.syncDirectory(path) }
        } catch {
            // From the new name on the old segment may have been ended: whatever failed, nothing more is written there.
            throw poisoned(by: error)
        }
        self.file?.close()
        self.file = file
        nextSegmentID &+= 1
        length = max(needed, source.length)
        offset = UInt64(SegmentHeader.recordsBegin)
        salt = SegmentHeader.salt(identity, id: header.id)
        segments.append(Segment(id: header.id, lastIndex: .zero, hasBatches: false))
    }

    /// Gives a prepared file its header, durably. It has no name yet by which it counts.
    private mutating func makeSegment(
        _ source: PreparedSegment, _ header: SegmentHeader, length needed: UInt64
    ) throws(LogError) -> Files.File {
        do throws(FileSystemError) {
            let file = try files.open(join(path, source.name), .update)
            if needed > source.length { try file.allocate(needed) }
            try file.write(header.fileHeader(identity).encoded(), at: 0)
            try file.syncData()
            return file
        } catch {
            guard error.isNoSpace, !FileNames.isReserve(source.name) else { throw poisoned(by: error) }
            // Only growing the file for a batch of unusual size can say so, and nothing of the log is in it yet.
            try? files.remove(join(path, source.name))
            isFull = true
            lengthRefused = needed
            throw .diskFull(path: path, needed: needed)
        }
    }

    /// A zero-filled file: one prepared, or one made now, or the reserve.
    private mutating func takeFile(_ needed: UInt64, mayUseReserve: Bool) throws(LogError) -> PreparedSegment {
        if !prepared.isEmpty { return prepared.removeFirst() }
        let number = nextPreparation
        nextPreparation &+= 1
        do throws(LogError) {
            let length = options.usableSegmentBytes
            let name = FileNames.prepared(number)
            try preparer(number).make(name, length)
            return PreparedSegment(name: name, length: length, number: number)
        } catch .diskFull {
            isFull = true
            guard mayUseReserve, !reserves.isEmpty, needed <= options.usableReserveBytes,
                !options.mutations.contains(.nothingReserved)
            else {
                throw .diskFull(path: path, needed: max(needed, options.usableSegmentBytes))
            }
            return PreparedSegment(name: reserves.removeLast(), length: options.usableReserveBytes, number: 0)
        } catch .failed(let error) {
            throw poisoned(by: error)
        }
    }

    /// More than what a segment restates takes.
    private var restatedBytes: Int {
        let names = snapshot.configuration.members.reduce(0) { sum, member in
            sum + 256 + member.name.utf8.count + member.peerAddress.utf8.count + member.clientAddress.utf8.count
                + member.httpAddress.utf8.count
        }
        return 4 * RecordHeader.byteCount + 64 + names
    }

    private func preparer(_ number: UInt64) -> SegmentPreparation<Files> {
        SegmentPreparation(
            files: files, directory: path, number: number, length: options.usableSegmentBytes,
            freeBytesKept: options.freeBytesKept)
    }

    mutating func preparation() -> SegmentPreparation<Files>? {
        guard poison == nil, !isFull, !isPreparing, prepared.count < options.preparedSegments else { return nil }
        isPreparing = true
        defer { nextPreparation &+= 1 }
        return preparer(nextPreparation)
    }

    mutating func finish(_ outcome: SegmentPreparation<Files>.Outcome) throws(LogError) {
        isPreparing = false
        prepared.append(try outcome.get())
    }

    // MARK: - Room

    mutating func checkRoom() throws(LogError) -> Bool {
        try refuseIfPoisoned()
        guard isFull else { return true }
        isFull = false
        try makeReserves()
        if !isFull, prepared.isEmpty {
            let number = nextPreparation
            nextPreparation &+= 1
            let name = FileNames.prepared(number)
            // Room for a segment is not enough for a batch that needs a longer one: it would be refused again at once.
            let length = max(options.usableSegmentBytes, lengthRefused)
            do throws(LogError) {
                try preparer(number).make(name, length)
                prepared.append(PreparedSegment(name: name, length: length, number: number))
            } catch .diskFull {
                isFull = true
            }
        }
        if !isFull { lengthRefused = 0 }
        return !isFull
    }

    mutating func compact(before index: LogIndex) throws(LogError) -> Int {
        try refuseIfPoisoned()
        let bound = min(index, snapshot.index.next)
        // The newest segment restates what the older ones say only once a batch is in it.
        guard let newest = segments.last, newest.hasBatches else { return 0 }
        var count = 0
        do throws(FileSystemError) {
            for segment in segments.dropLast() {
                guard segment.lastIndex < bound else { break }
                try files.remove(join(path, FileNames.segment(segment.id)))
                // Each by itself: names that are not synced go in any order, and a log with a hole in it is damaged.
                try files.syncDirectory(path)
                count += 1
            }
        } catch {
            throw poisoned(by: error)
        }
        segments.removeFirst(count)
        return count
    }
}
