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
        do throws(SnapshotError) {
            snapshots = try SnapshotStore(directory)
        } catch {
            throw StartFailure(error.description)
        }
        do throws(LogError) {
            let report: OpenReport
            (log, recovered, report) = try WriteAheadLog.open(directory, snapshots: snapshots, options: options)
            for finding in report.findings { tell(finding.description) }
        } catch {
            throw StartFailure(error.description)
        }
        guard recovered.snapshot.index > .zero else {
            machine = StateMachine()
            snapshotBytes = 0
            return
        }
        do {
            machine = try StateMachine(restoring: recovered.snapshot, from: snapshots)
            snapshotBytes = Int(
                clamping: try snapshots.size(
                    SnapshotPlace(index: recovered.snapshot.index, term: recovered.snapshot.term)))
        } catch {
            throw StartFailure(
                "the snapshot at log index \(recovered.snapshot.index) in \(directory.path) cannot be loaded: \(error)")
        }
    }
}
