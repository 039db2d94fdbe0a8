import ClientProtocol
import Glibc
import Raft
import Replica
import TupleSpace
import WriteAheadLog
import ZeroMQ

/// The thread that writes, reads, receives and loads snapshot files, so that neither the log nor the replica waits for them.
final class SnapshotThread<Files: FileSystem>: Sendable {
    enum Job: Sendable {
        case take(ReplicaEffects.SnapshotToTake)
        case read(ReplicaEffects.SnapshotRead, Term)
        case store(SnapshotChunk, from: NodeID)
        case load(SnapshotMetadata)
        /// For an operator: of the newest one if the request names none.
        case export(RequestToken, SnapshotPieceRequest)
        /// All but the newest two, and these: those that are being sent, and the one that the log names.
        case prune(needed: Set<LogIndex>)
    }

    private let queue = WorkQueue<Job>()
    private let store: SnapshotStore<Files>
    private let inbox: Inbox
    private let meters: Meters
    private let onNotice: @Sendable (String) -> Void
    private let ended = WorkQueue<Void>()

    init(
        store: SnapshotStore<Files>, inbox: Inbox, meters: Meters, onNotice: @escaping @Sendable (String) -> Void
    ) {
        self.store = store
        self.inbox = inbox
        self.meters = meters
        self.onNotice = onNotice
    }

    func start() throws(ZeroMQError) {
        try startThread(named: "snapshots") { self.run() }
    }

    func perform(_ job: Job) { queue.add(job) }

    /// Waits until what was begun is done. Again: nothing.
    func stop() {
        queue.close()
        ended.waitUntilClosed()
    }

    private func run() {
        defer { ended.close() }
        // Whoever writes waits for the replica's and the log's threads, and nobody for this one.
        setpriority(Int32(PRIO_PROCESS.rawValue), 0, SnapshotPace.niceness)
        var receiver: SnapshotReceiver<Files>?
        while let jobs = queue.takeAll() {
            for job in jobs { perform(job, &receiver) }
        }
        receiver?.suspend()
    }

    private func perform(_ job: Job, _ receiver: inout SnapshotReceiver<Files>?) {
        switch job {
        case .take(let snapshot): take(snapshot, &receiver)
        case .read(let read, let term): self.read(read, term)
        case .store(let chunk, let sender): self.receive(chunk, from: sender, into: &receiver)
        case .load(let metadata): load(metadata)
        case .export(let token, let request): export(request, for: token)
        case .prune(let needed): prune(needed)
        }
    }

    /// A snapshot that cannot be written is discarded and tried again later: the log still has everything.
    private func take(_ snapshot: ReplicaEffects.SnapshotToTake, _ receiver: inout SnapshotReceiver<Files>?) {
        let began = MonotonicTime.current
        do throws(SnapshotError) {
            var writer = try store.writer(snapshot.metadata)
            do throws(SnapshotError) {
                guard try write(snapshot.image, to: &writer, &receiver) else { return writer.discard() }
                try writer.finish()
            } catch {
                writer.discard()
                throw error
            }
            meters.savedSnapshot(
                nanoseconds: MonotonicTime.current.since(began), bytes: writer.payloadBytes)
            inbox.post(
                .snapshotTaken(
                    snapshot.metadata, bytes: Int(clamping: writer.payloadBytes), keepFrom: snapshot.keepFrom))
        } catch {
            meters.snapshotFailed()
            onNotice("no snapshot could be written (it will be tried again): \(error)")
            inbox.post(.snapshotNotTaken(keepFrom: snapshot.keepFrom))
        }
    }

    /// - Returns: false if this server stops before all is written.
    private func write(
        _ image: StateImage, to writer: inout SnapshotWriter<Files>, _ receiver: inout SnapshotReceiver<Files>?
    ) throws(SnapshotError) -> Bool {
        // `encode` rethrows untyped, so the error is carried past it.
        var failure: SnapshotError?
        var pace = SnapshotPace(at: .current)
        do {
            try image.encode { piece in
                do throws(SnapshotError) {
                    try writer.write(piece)
                } catch {
                    failure = error
                    throw error
                }
                try rest(until: pace.rest(at: .current), &receiver)
                pace.goesOn(at: .current)
            }
        } catch {
            if let failure { throw failure }
            return false
        }
        return true
    }

    private struct Stopping: Error {}

    /// Between two pieces of a snapshot. What else is asked does not wait: a peer may need a piece of an older snapshot.
    private func rest(until end: MonotonicTime, _ receiver: inout SnapshotReceiver<Files>?) throws(Stopping) {
        repeat {
            guard let jobs = queue.takeAll(until: end) else { throw Stopping() }
            for job in jobs { perform(job, &receiver) }
        } while MonotonicTime.current < end
    }

    private func read(_ read: ReplicaEffects.SnapshotRead, _ term: Term) {
        let place = SnapshotPlace(index: read.index, term: term)
        do throws(SnapshotError) {
            if read.verifiesWhole { try store.verify(place) }
            let total = try store.size(place)
            let count = Int(min(UInt64(read.maximumBytes), total - min(total, read.offset)))
            inbox.post(
                .snapshotRead(read, bytes: try store.range(place, offset: read.offset, count: count), total: total))
        } catch {
            onNotice("cannot send the snapshot at \(read.index): \(error)")
            inbox.post(.snapshotUnreadable(read))
        }
    }

    private func export(_ request: SnapshotPieceRequest, for token: RequestToken) {
        do {
            var place = SnapshotPlace(index: LogIndex(request.index), term: Term(request.term))
            if request.index == 0 {
                guard let newest = try store.places().first else {
                    return inbox.post(.pieceNotExported(token, reason: "there is no snapshot yet"))
                }
                place = newest
            }
            let total = try store.size(place)
            let count = Int(min(UInt64(request.count), total - min(total, request.offset)))
            let bytes = try store.range(place, offset: request.offset, count: count)
            inbox.post(
                .pieceExported(
                    token,
                    SnapshotPiece(
                        index: place.index.rawValue, term: place.term.rawValue, total: total, offset: request.offset,
                        bytes: bytes)))
        } catch {
            inbox.post(
                .pieceNotExported(token, reason: "that snapshot cannot be read here, or is there no more: \(error)"))
        }
    }

    private func receive(_ chunk: SnapshotChunk, from sender: NodeID, into receiver: inout SnapshotReceiver<Files>?) {
        let place = SnapshotPlace(index: chunk.index, term: chunk.term)
        do throws(SnapshotError) {
            if receiver?.place != place {
                receiver?.discard()
                receiver = nil
                receiver = try store.receiver(place)
            }
            guard var current = receiver else { return }
            if chunk.offset == current.offset {
                _ = try current.receive(chunk.bytes, at: chunk.offset)
            } else if chunk.offset > current.offset {
                // An earlier offset is a repeat, or the question where this server stands.
                inbox.post(
                    .pieceRefused(
                        from: sender,
                        "a piece of the snapshot at log index \(chunk.index), offset \(chunk.offset), does not continue the "
                            + "\(current.offset) bytes that are here"))
            }
            receiver = current
            var complete: SnapshotMetadata?
            if current.offset == chunk.total {
                complete = try current.finish()
                receiver = nil
            }
            inbox.post(
                .snapshotChunkStored(
                    from: sender, index: chunk.index, nextOffset: current.offset, complete: complete, refusal: nil))
        } catch {
            onNotice("the snapshot from \(sender) could not be stored: \(error)")
            receiver?.discard()
            receiver = nil
            inbox.post(
                .snapshotChunkStored(
                    from: sender, index: chunk.index, nextOffset: 0, complete: nil, refusal: error.description))
        }
    }

    private func prune(_ needed: Set<LogIndex>) {
        do throws(SnapshotError) {
            try store.prune(keeping: needed)
        } catch {
            onNotice("old snapshots could not be removed: \(error)")
        }
    }

    private func load(_ metadata: SnapshotMetadata) {
        do {
            inbox.post(.installed(try StateMachine(restoring: metadata, from: store), metadata))
        } catch {
            inbox.post(
                .notLoaded(metadata, reason: "the snapshot at \(metadata.index) cannot be loaded: \(error)"))
        }
    }
}

extension StateMachine {
    /// Rebuilds the state from a snapshot file.
    init<Files: FileSystem>(restoring metadata: SnapshotMetadata, from store: SnapshotStore<Files>) throws {
        var reader = try store.reader(SnapshotPlace(index: metadata.index, term: metadata.term))
        var restorer = Restorer()
        while let chunk = try reader.nextChunk() {
            try chunk.withUnsafeBytes { (bytes) throws in try restorer.consume(bytes) }
        }
        self = try restorer.finish()
    }
}
