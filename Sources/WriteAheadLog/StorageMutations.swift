/// Deliberate faults of storage, for tests only: each switches off one defence, and a test must then find what that
/// lets through. The numbers are those of the scenarios in the documentation of consensus.
public struct StorageMutations: OptionSet, Hashable, Sendable {
    public let rawValue: UInt32

    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// 2: a snapshot gets its name, and is marked in the log, before its contents are durable.
    public static let snapshotNotSynced = StorageMutations(rawValue: 1 << 0)
    /// 3: a new segment's name is not durable before an entry in it counts.
    public static let directoryNotSynced = StorageMutations(rawValue: 1 << 1)
    /// 16, 23: batches and segments do not say what term and vote were in force before them.
    public static let hardStateNotRestated = StorageMutations(rawValue: 1 << 2)
    /// 26: a sync that failed is tried again, and its success believed.
    public static let syncRetried = StorageMutations(rawValue: 1 << 3)
    /// 26: opening believes what the page cache shows of the last batch.
    public static let lastBatchNotRewritten = StorageMutations(rawValue: 1 << 4)
    /// 27: no space is reserved for running on when the disk is full.
    public static let nothingReserved = StorageMutations(rawValue: 1 << 5)
    /// 28: the records of a batch that was never finished count.
    public static let tornTailIncluded = StorageMutations(rawValue: 1 << 6)
    /// 28: a segment whose tail was cut is written again.
    public static let tornSegmentReused = StorageMutations(rawValue: 1 << 7)
    /// 29: a snapshot is taken into use although entries between it and the log are missing.
    public static let gapAccepted = StorageMutations(rawValue: 1 << 8)
    /// Damage in the middle of the log is cut like a torn tail.
    public static let damageIsCut = StorageMutations(rawValue: 1 << 9)
    /// After damage, the terms that stand behind it on the disk are forgotten.
    public static let termOfDamageForgotten = StorageMutations(rawValue: 1 << 10)
    /// 22: what is left of a snapshot received in part is believed without being checked.
    public static let partialSnapshotBelieved = StorageMutations(rawValue: 1 << 11)
}
