import Raft
import Synchronization
import TupleSpace
import WriteAheadLog
import ZeroMQ

/// Builds the state from the snapshot that opening the log reads to check it: a large one is read once, and indexed by another thread
/// meanwhile.
struct StateLoading {
    private var place: SnapshotPlace?
    private var restorer = StateMachine.Restorer(indexesApart: true)
    private var indexing: IndexingThread?
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
            guard let tuples = restorer.takeUnindexed() else { return }
            if indexing == nil { indexing = try IndexingThread(expecting: restorer.expectedTuples) }
            indexing?.add(tuples)
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
        return try restorer.finish(indexing?.finish() ?? StateMachine.IndexBuild(expecting: 0))
    }
}

/// Indexes tuples on a thread of its own, which ends when nobody can bring more. What waits for it is bounded by the snapshot: some 60
/// bytes a tuple.
private final class IndexingThread: Sendable {
    private final class Work: Sendable {
        let queue = WorkQueue<UnindexedTuples>()
        let ended = WorkQueue<Void>()
        /// Built in place: a second reference would make the first change of the state copy the whole index.
        let index = Mutex(StateMachine.IndexBuild(expecting: 0))

        func run(expecting expected: Int) {
            index.withLock { $0 = StateMachine.IndexBuild(expecting: expected) }
            while let batches = queue.takeAll() {
                index.withLock { index in
                    for batch in batches { index.add(batch) }
                }
            }
            ended.close()
        }
    }

    private let work = Work()

    init(expecting expected: Int) throws(ZeroMQError) {
        try startThread(named: "indexing") { [work] in work.run(expecting: expected) }
    }

    deinit { work.queue.close() }

    func add(_ tuples: UnindexedTuples) { work.queue.add(tuples) }

    /// Waits until everything is indexed.
    func finish() -> StateMachine.IndexBuild {
        work.queue.close()
        work.ended.waitUntilClosed()
        var index = StateMachine.IndexBuild(expecting: 0)
        work.index.withLock { swap(&$0, &index) }
        return index
    }
}
