import Raft

/// Told of the snapshots that opening a log reads, one after the other: nil when one is begun, and then its payload in chunks. The last
/// one begun is the one that is chosen, if any is.
public typealias SnapshotVisit = (SnapshotPlace, [UInt8]?) -> Void

/// Which snapshot the log is opened with.
///
/// 1. The one that the log's last mark names, if its file is whole: entries as the mark says.
/// 2. Another whole one that the log agrees with (it holds its last entry in its term, or begins right behind it):
///    entries cover the way from it, and it takes the place of the marked one.
/// 3. Another whole one, later than the mark: like one received from a peer, since what it holds is committed. The
///    entries, which do not reach it or disagree with it, are dropped.
/// 4. None, if the log reaches back to the first entry: it is applied from there on.
/// 5. None of these: the log is set aside, and the server is repaired by its peers.
extension LogOpening {
    /// - Returns: whether the choice differs from what the log says and has to be written into it.
    mutating func chooseSnapshot(
        _ store: SnapshotStore<Files>, visit: SnapshotVisit
    ) throws(LogError) -> Bool {
        let marked = replay.snapshot
        if let missing = replay.gap, let first = segments.first, !mutations.contains(.gapAccepted) {
            // Scenario 29: what stood between the snapshot and the log is gone.
            let reason = "the entries from \(missing) to the first one in it are missing"
            try noteDamage(FileNames.segment(first.id), SegmentHeader.recordsBegin, reason)
        }
        // A log that names no snapshot needs none, unless it is empty because what it was has been set aside.
        let isBeginning = marked.index == .zero && (directory.pendingRepair == nil || !replay.entries.isEmpty)
        if !isDamaged, isBeginning || marked.index > .zero && usable(store, marked, visit) { return false }

        for place in try listed(store) {
            guard let metadata = verified(store, place, visit) else { continue }
            let agrees = replay.agrees(with: metadata) || mutations.contains(.gapAccepted)
            if agrees, !replay.entries.isEmpty || metadata.index >= marked.index {
                replace(marked, by: metadata, keepsTail: true)
                return metadata != marked
            }
            if metadata.index > marked.index {
                replace(marked, by: metadata, keepsTail: false)
                return true
            }
        }
        // After damage the log's beginning may still be good, and the first configuration is always there.
        if marked.index == .zero, replay.gap == nil { return false }
        if replay.entries.first?.index.rawValue == 1, let genesis {
            replace(marked, by: genesis, keepsTail: true)
            return true
        }
        report.findings.append(.snapshotMissing(wanted: marked.index))
        try demandRepair("no snapshot file fits the log, which wants the one at index \(marked.index)")
        try startFromNothing()
        return true
    }

    private mutating func replace(_ marked: SnapshotMetadata, by metadata: SnapshotMetadata, keepsTail: Bool) {
        if metadata != marked {
            report.findings.append(.snapshotReplaced(wanted: marked.index, used: metadata.index))
        }
        replay.mark(metadata, keepsTail: keepsTail)
    }

    private mutating func usable(
        _ store: SnapshotStore<Files>, _ marked: SnapshotMetadata, _ visit: SnapshotVisit
    ) -> Bool {
        verified(store, SnapshotPlace(index: marked.index, term: marked.term), visit) == marked
    }

    private func listed(_ store: SnapshotStore<Files>) throws(LogError) -> [SnapshotPlace] {
        try step { () throws(FileSystemError) in try store.places() }
    }

    private mutating func verified(
        _ store: SnapshotStore<Files>, _ place: SnapshotPlace, _ visit: SnapshotVisit
    ) -> SnapshotMetadata? {
        visit(place, nil)
        do throws(SnapshotError) {
            return try store.verify(place) { visit(place, $0) }
        } catch {
            let finding = OpenReport.Finding.snapshotDamaged(file: store.file(place), reason: error.description)
            if !report.findings.contains(finding) { report.findings.append(finding) }
            return nil
        }
    }
}
