import Raft
import TupleSpace
import WriteAheadLog

/// Builds the state from the snapshot that opening the log reads to check it: a large one is read once.
struct StateLoading {
    private var place: SnapshotPlace?
    private var restorer = StateMachine.Restorer()
    private var failure: (any Error)?
    private var began = MonotonicTime.zero
    private var ended = MonotonicTime.zero

    mutating func visit(_ place: SnapshotPlace, _ chunk: [UInt8]?) {
        defer { ended = .current }
        guard let chunk else {
            self = StateLoading()
            self.place = place
            began = .current
            return
        }
        guard failure == nil else { return }
        do {
            try chunk.withUnsafeBytes { (bytes) throws in try restorer.consume(bytes) }
        } catch {
            failure = error
        }
    }

    /// How long it took, reading included.
    var nanoseconds: UInt64 { ended.since(began) }

    /// - Returns: the state of the snapshot, if that was the last one read.
    consuming func finish(_ metadata: SnapshotMetadata) throws -> StateMachine? {
        guard place == SnapshotPlace(index: metadata.index, term: metadata.term) else { return nil }
        if let failure { throw failure }
        return try restorer.finish()
    }
}
