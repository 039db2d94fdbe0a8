import Raft
import Synchronization

/// The durable log of one server: an ordered stream of term and vote, entries, truncations and snapshot marks.
///
/// `append` makes a group of writes durable by one write and one data sync, or says that it did not. The first failure
/// is the last: a sync that failed may have thrown data away, and that a later one succeeds proves nothing, so the log
/// is poisoned and the process must end.
///
/// One thread uses it, the storage thread; the lock inside is never contended and only makes that checkable. Preparing
/// the next segment's file is the one thing that other threads may do meanwhile: see `preparation`.
public final class WriteAheadLog<Files: FileSystem>: Sendable {
    private let core: Mutex<LogCore<Files>>

    private init(_ core: consuming sending LogCore<Files>) {
        self.core = Mutex(core)
    }

    /// Opens the log of a directory that has an identity and a first configuration, mending what a crash left behind.
    ///
    /// What is returned is durable, whatever the page cache held before: the last batch is written and synced again.
    /// - Parameter visit: for those who build a state from the snapshot while it is read to be checked, so that it is read once.
    public static func open(
        _ directory: LogDirectory<Files>, snapshots: SnapshotStore<Files>, options: LogOptions = LogOptions(),
        visit: SnapshotVisit = { _, _ in }
    ) throws(LogError) -> (log: WriteAheadLog, recovered: RecoveredLog, report: OpenReport) {
        var opening = try LogOpening(directory, mutations: options.mutations)
        try opening.readSegments()
        let mustMark = try opening.chooseSnapshot(snapshots, visit: visit)
        opening.raiseTerm()
        var core = LogCore(opening, options)
        let recovered = RecoveredLog(
            hardState: opening.replay.hardState, snapshot: opening.replay.snapshot, entries: opening.replay.entries,
            mayVote: opening.directory.pendingRepair == nil)
        try core.start(
            opening, marking: mustMark, report: &opening.report)
        return (WriteAheadLog(core), recovered, opening.report)
    }

    /// Makes all writes durable together, in their order; a crash leaves all of them or none.
    ///
    /// - Throws: `.failed` and from then on `.poisoned`; `.diskFull` and `.invalidWrite` when nothing was written and
    ///   the log is as good as before. After `.diskFull`, writes without entries are still taken; those with entries
    /// may be offered again when
    ///   `checkRoom` says so.
    public func append(_ writes: some Collection<StorageWrite> & Sendable) throws(LogError) {
        try core.withLock { (core) throws(LogError) in try core.append(writes) }
    }

    /// Removes whole segments in which every entry lies before `index` or has been dropped. Never removes what lies
    /// behind the newest snapshot mark, nor the newest segment.
    /// - Returns: how many segments were removed.
    @discardableResult
    public func compact(before index: LogIndex) throws(LogError) -> Int {
        try core.withLock { (core) throws(LogError) in try core.compact(before: index) }
    }

    // MARK: - Preparing segments

    /// The next segment to prepare, if fewer are ready than there should be and none is being prepared. Run it on any
    /// thread and hand the outcome to `finish`.
    public func preparation() -> SegmentPreparation<Files>? {
        core.withLock { $0.preparation() }
    }

    /// Takes over what a preparation came to.
    /// - Throws: the preparation's own error. `.diskFull` is no reason to stop; the next preparation may succeed.
    public func finish(_ outcome: SegmentPreparation<Files>.Outcome) throws(LogError) {
        try core.withLock { (core) throws(LogError) in try core.finish(outcome) }
    }

    /// Prepares a segment on this thread, if one is missing.
    public func prepareNextSegment() throws(LogError) {
        while let preparation = preparation() { try finish(preparation.run()) }
    }

    // MARK: - A full disk

    /// False once entries were refused for lack of space, until `checkRoom` finds some.
    public var hasRoom: Bool { core.withLock { !$0.isFull } }

    /// While entries are refused: looks whether the reserve and a segment can be made now, which takes a while if they
    /// can.
    /// - Returns: `hasRoom`.
    public func checkRoom() throws(LogError) -> Bool {
        try core.withLock { (core) throws(LogError) in try core.checkRoom() }
    }

    /// While entries are refused: makes the snapshot marks durable that are among the writes which wait, and takes them out of the writes.
    /// They have reserved room, and `compact` makes more room behind them. A mark stays, with all behind it, if it depends on what waits
    /// before it.
    /// - Returns: whether no mark is left.
    /// - Throws: as `append` does; `.diskFull` if even what is reserved is used up.
    public func markAhead(_ writes: inout [StorageWrite]) throws(LogError) -> Bool {
        var waiting = writes
        defer { writes = waiting }
        return try core.withLock { (core) throws(LogError) in try core.markAhead(&waiting) }
    }

    /// The index that the newest durable snapshot mark names: that snapshot's file is needed.
    public var markedIndex: LogIndex { core.withLock { $0.snapshot.index } }

    // MARK: - Repair

    /// True while this server must neither vote nor lead.
    public var isRepairPending: Bool { core.withLock { $0.directory.pendingRepair != nil } }

    /// Makes durable that the server has been repaired by its peers and votes again.
    public func markRepaired() throws(LogError) {
        try core.withLock { (core) throws(LogError) in try core.markRepaired() }
    }

    // MARK: - For operators

    /// Why the log was given up, if it was.
    public var poison: String? { core.withLock { $0.poison } }

    /// Ids of the segments in use, oldest first.
    public var segments: [UInt64] { core.withLock { $0.segments.map(\.id) } }

    /// Closes the files. Every later call throws `.poisoned`.
    public func close() {
        core.withLock { $0.close() }
    }
}
