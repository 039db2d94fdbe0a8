import Raft
import TupleSpace
import WriteAheadLog

/// What a server finds on its own disk: the log, the snapshots, and the state that the newest snapshot holds. What the log has beyond the
/// snapshot is applied again once a leader says that it is committed.
struct Recovery {
    let log: WriteAheadLog<PosixFileSystem>
    let snapshots: SnapshotStore<PosixFileSystem>
    let recovered: RecoveredLog
    let machine: StateMachine
    /// Size of the snapshot's file; 0 without one.
    let snapshotBytes: Int

    init(
        _ directory: LogDirectory<PosixFileSystem>, options: LogOptions, _ tell: (String) -> Void
    ) throws(StartFailure) {
        let began = MonotonicTime.current
        var loading = StateLoading()
        do throws(SnapshotError) {
            snapshots = try SnapshotStore(directory)
        } catch {
            throw StartFailure(error.description)
        }
        do throws(LogError) {
            let report: OpenReport
            (log, recovered, report) = try WriteAheadLog.open(directory, snapshots: snapshots, options: options) {
                loading.visit($0, $1)
            }
            for finding in report.findings { tell(finding.description) }
        } catch {
            throw StartFailure(error.description)
        }
        let opening = MonotonicTime.current.since(began)
        tell("opened the log in \((opening - loading.nanoseconds) / 1_000_000) ms: \(recovered.entries.count) entries")
        guard recovered.snapshot.index > .zero else {
            machine = StateMachine()
            snapshotBytes = 0
            return
        }
        (machine, snapshotBytes) = try Self.load(recovered.snapshot, loading, from: snapshots, of: directory, tell)
    }

    /// The state, and the size of the file it was in.
    private static func load(
        _ metadata: SnapshotMetadata, _ loading: consuming StateLoading, from snapshots: SnapshotStore<PosixFileSystem>,
        of directory: LogDirectory<PosixFileSystem>, _ tell: (String) -> Void
    ) throws(StartFailure) -> (StateMachine, Int) {
        do {
            let (began, reading) = (MonotonicTime.current, loading.nanoseconds)
            let machine = try loading.finish(metadata) ?? StateMachine(restoring: metadata, from: snapshots)
            let bytes = Int(
                clamping: try snapshots.size(SnapshotPlace(index: metadata.index, term: metadata.term)))
            let milliseconds = (reading + MonotonicTime.current.since(began)) / 1_000_000
            tell(
                "loaded the snapshot at log index \(metadata.index) in \(milliseconds) ms: \(machine.tupleCount) tuples, "
                    + "\(bytes) bytes")
            return (machine, bytes)
        } catch {
            throw StartFailure(
                "the snapshot at log index \(metadata.index) in \(directory.path) cannot be loaded: \(error)")
        }
    }
}
