/// Log compaction (dissertation 5). Raft says who needs a snapshot and where the log begins behind it; making,
/// streaming and loading the file is the shell's.
extension Node {
    /// The state up to `metadata.index` is durable in a file of this server.
    mutating func snapshotTaken(_ metadata: SnapshotMetadata, keepFrom: LogIndex, into effects: inout Effects) {
        guard metadata.index > snapshotIndex, metadata.index <= handedOut,
            log.term(at: metadata.index) == metadata.term
        else { return }
        snapshotIndex = metadata.index
        openWrite(into: &effects)
        effects.write?.entries.removeAll { $0.index <= metadata.index }
        effects.write?.snapshot = metadata
        effects.write?.keepsTail = true
        // A window of entries may stay, so that a slow follower need not be sent a snapshot.
        let old = log.latestConfiguration
        log.compact(
            through: min(keepFrom.previous, metadata.index),
            losesConfiguration: settings.mutations.contains(.compactionLosesMembers))
        if log.latestConfiguration.index != old.index { configurationChanged(from: old, into: &effects) }
    }

    /// A stream from a leader has arrived: durable in a file of this server, not yet in its log.
    mutating func snapshotReceived(_ metadata: SnapshotMetadata, into effects: inout Effects) {
        // What it holds is committed, whoever sent it and whenever; so it is of use unless we have as much
        // (dissertation 5.2; scenario 30: a snapshot that is no news must not undo anything).
        let isNews = metadata.index > commit || settings.mutations.contains(.oldSnapshotInstalled)
        guard role != .leader, isNews, metadata.index.rawValue < Message.limit,
            metadata.term.rawValue < Message.limit, metadata.configurationIndex <= metadata.index,
            metadata.configuration.isSound
        else { return }
        if metadata.term > term { becomeFollower(of: metadata.term, leader: nil, into: &effects) }
        // The tail stays only if the logs agree at the snapshot's last entry; otherwise it conflicts, and kept it would
        // be asked for and rejected for ever (dissertation 5.2, scenario 21).
        let agrees = log.term(at: metadata.index) == metadata.term
        let keepsTail = agrees || settings.mutations.contains(.keepConflictingTailAfterSnapshot)
        openWrite(into: &effects)
        effects.write?.entries.removeAll { !keepsTail || $0.index <= metadata.index }
        effects.write?.snapshot = metadata
        effects.write?.keepsTail = keepsTail
        // Of an earlier step whose effects are gathered in the same value: what conflicts behind the snapshot is cut all the same.
        let cut = keepsTail ? effects.write?.truncateFrom : nil
        effects.write?.truncateFrom = cut.map { max($0, metadata.index.next) }
        // Of the old log only what was committed says the same as the snapshot.
        if !keepsTail { durability.truncate(from: commit.next) }
        install(metadata, keepsTail: keepsTail, into: &effects)
        durability.extend(through: log.last)
        effects.snapshotToInstall = metadata
        effects.committed.removeAll { $0.index <= metadata.index }
        considerMended()
        guard let leader else { return }
        // Any leader's log has all that is committed (dissertation 3.6.3), so this is true whoever sent the snapshot.
        let response = AppendResponse(result: .accepted(match: metadata.index), readRound: 0, sentAt: 0)
        send(.appendResponse(response), to: leader, after: durability.issued, into: &effects)
    }

    private mutating func install(_ metadata: SnapshotMetadata, keepsTail: Bool, into effects: inout Effects) {
        let old = log.latestConfiguration
        log.restart(at: metadata, keepsTail: keepsTail)
        if settings.mutations.contains(.staleConfigurationFromSnapshot) { log.preferBaseConfiguration() }
        snapshotIndex = metadata.index
        commit = metadata.index
        handedOut = metadata.index
        if log.latestConfiguration != old { configurationChanged(from: old, into: &effects) }
        configurationCommitted(into: &effects)
    }

    /// The stream to `peer` ended.
    mutating func snapshotSent(to peer: NodeID, index: LogIndex?, into effects: inout Effects) {
        guard role == .leader, let i = progress.firstIndex(where: { $0.id == peer }), progress[i].state == .snapshot
        else { return }
        if index == nil {
            progress[i].loseTrack()
        } else {
            // Its acknowledgement says when it may go on; should that be lost, heartbeats find out.
            let patience = longestElectionTimeout
            progress[i].snapshotArrived(awaitUntil: now.advanced(byMilliseconds: patience))
            lead(into: &effects)
        }
    }
}
