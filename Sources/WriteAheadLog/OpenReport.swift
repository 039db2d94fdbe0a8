import Raft

/// What opening the log found and did, for the operator. Empty findings are the normal case.
public struct OpenReport: Sendable, Equatable {
    public enum Finding: Sendable, Equatable, CustomStringConvertible {
        /// A write that was under way when the machine stopped; nobody was told that it was durable.
        case tornTail(file: String, offset: Int)
        /// Something that was durable once is so no more. The server must not vote until it is repaired.
        case damage(file: String, offset: Int, reason: String)
        /// Renamed, not deleted, and not used again.
        case setAside(file: String)
        case snapshotDamaged(file: String, reason: String)
        /// Another snapshot than the log names takes its place.
        case snapshotReplaced(wanted: LogIndex, used: LogIndex)
        /// No snapshot fits the log: this server starts from nothing and must be repaired by its peers.
        case snapshotMissing(wanted: LogIndex)
        /// Repair was demanded by an earlier opening, for this reason, and is not done yet.
        case repairPending(String)
        /// There is no room for a segment or for the reserve.
        case diskFull(needed: UInt64)

        public var description: String {
            switch self {
            case .tornTail(let file, let offset):
                "\(file): an unfinished write at offset \(offset) was cut"
            case .damage(let file, let offset, let reason):
                "\(file): damaged at offset \(offset): \(reason); "
                    + "this server will not vote until its peers have repaired it"
            case .setAside(let file):
                "\(file) was set aside; remove it when nobody needs it for an inquiry"
            case .snapshotDamaged(let file, let reason):
                "\(file): \(reason)"
            case .snapshotReplaced(let wanted, let used):
                "the snapshot at \(wanted) cannot be used; that at \(used) takes its place"
            case .snapshotMissing(let wanted):
                "the snapshot at \(wanted) cannot be used and no other fits the log: this server starts from nothing, "
                    + "and will not vote until its peers have repaired it"
            case .repairPending(let reason):
                "repair is not done yet; it was demanded because \(reason)"
            case .diskFull(let needed):
                "the disk is full: the log needs \(needed) more bytes; entries are refused until there is room"
            }
        }
    }

    public var findings: [Finding] = []
    public var segments = 0
    public var batches: UInt64 = 0
    /// Of the decision table, for each segment that was read.
    var rows: [OpeningDecision.Row] = []

    public init() {}
}
