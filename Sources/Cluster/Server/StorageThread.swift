import Glibc
import Raft
import WriteAheadLog
import ZeroMQ

/// The thread that makes the log durable: one write and one `fdatasync` for whatever has gathered while the last one ran.
final class StorageThread<Files: FileSystem>: Sendable {
    enum Job: Sendable {
        case write(StorageWrite)
        /// Entries before this are no longer needed. Afterwards, the mark of the newest snapshot being durable, so are older snapshots.
        /// - then: told what snapshot the log names.
        case compact(before: LogIndex, then: @Sendable (_ marked: LogIndex) -> Void)
        case markRepaired
    }

    private let queue = WorkQueue<Job>()
    private let log: WriteAheadLog<Files>
    private let inbox: Inbox
    private let meters: Meters
    private let onFailure: @Sendable (String) -> Void
    private let onNotice: @Sendable (String) -> Void
    private let preparing = WorkQueue<SegmentPreparation<Files>>()
    private let ended = WorkQueue<Void>()
    private let preparingEnded = WorkQueue<Void>()

    init(
        log: WriteAheadLog<Files>, inbox: Inbox, meters: Meters, onNotice: @escaping @Sendable (String) -> Void,
        onFailure: @escaping @Sendable (String) -> Void
    ) {
        self.log = log
        self.inbox = inbox
        self.meters = meters
        self.onNotice = onNotice
        self.onFailure = onFailure
    }

    func start() throws(ZeroMQError) {
        try startThread(named: "storage") { self.run() }
        try startThread(named: "segments") { self.prepare() }
    }

    func perform(_ writes: [StorageWrite]) {
        queue.add(contentsOf: writes.map { .write($0) })
    }

    func perform(_ job: Job) { queue.add(job) }

    /// Everything handed over is written (unless the disk is full); then the threads end and the log is closed. Again: nothing.
    func stop() {
        queue.close()
        ended.waitUntilClosed()
        preparingEnded.waitUntilClosed()
    }

    private func run() {
        defer {
            preparing.close()
            log.close()
            ended.close()
        }
        do throws(LogError) {
            while let jobs = queue.takeAll() {
                guard try perform(jobs) else { return }
            }
        } catch {
            onFailure(error.description)
        }
    }

    /// - Returns: false if this server stops while the disk is full: what waits is lost, and nobody was told that it was made.
    private func perform(_ jobs: [Job]) throws(LogError) -> Bool {
        var jobs = jobs
        while !jobs.isEmpty {
            do throws(LogError) {
                try performNow(jobs)
                break
            } catch {
                guard case .diskFull = error else { throw error }
                try performWithoutEntries(&jobs)
                meters.setDiskFull(true)
                onNotice("\(error); writes are refused until there is room")
                inbox.post(.diskFull("\(error): this server takes no writes until there is room; nothing was done"))
                guard try waitForRoom(&jobs) else { return false }
                meters.setDiskFull(false)
                inbox.post(.diskFull(nil))
                onNotice("there is room on the disk again")
            }
        }
        if let preparation = log.preparation() { preparing.add(preparation) }
        return true
    }

    /// All writes together, then the rest.
    private func performNow(_ jobs: [Job]) throws(LogError) {
        let writes = jobs.compactMap(\.write)
        if let last = writes.last {
            let began = MonotonicTime.current
            try log.append(writes)
            meters.synced(nanoseconds: MonotonicTime.current.since(began), writes: writes.count)
            inbox.post(.stored(last.sequence))
        }
        for job in jobs { try finish(job) }
    }

    /// What is to be done once the writes before it are durable.
    private func finish(_ job: Job) throws(LogError) {
        switch job {
        case .write: break
        case .compact(let index, let then):
            try log.compact(before: index)
            then(log.markedIndex)
        case .markRepaired: try log.markRepaired()
        }
    }

    // MARK: - A full disk

    // It stalls this server's log until there is room. The replica is told, and refuses its clients' writes meanwhile; consensus treats it
    // as any stalled disk (a leader steps down, the others go on); local reads go on being served.

    /// What stands before the first entries needs no room of its own: a vote above all.
    private func performWithoutEntries(_ jobs: inout [Job]) throws(LogError) {
        let first = jobs.firstIndex { $0.write?.entries.isEmpty == false } ?? jobs.endIndex
        guard first > 0, first < jobs.endIndex else { return }
        do throws(LogError) {
            try performNow(Array(jobs[..<first]))
        } catch {
            // Even what is reserved is used up.
            guard case .diskFull = error else { throw error }
            return
        }
        jobs.removeFirst(first)
    }

    /// - Returns: false if this server is told to stop before there is room.
    private func waitForRoom(_ jobs: inout [Job]) throws(LogError) -> Bool {
        repeat {
            try makeRoom(&jobs)
            guard let more = queue.takeAll(until: MonotonicTime.current.advanced(byMilliseconds: 200)) else {
                return false
            }
            jobs += more
        } while try !log.checkRoom()
        return true
    }

    /// Snapshots that were finished before the disk was full, or since, make segments and older snapshots superfluous; their marks may wait
    /// behind entries that wait for that very room.
    private func makeRoom(_ jobs: inout [Job]) throws(LogError) {
        guard jobs.contains(where: { if case .compact = $0 { true } else { false } }) else { return }
        var writes = jobs.compactMap(\.write)
        do throws(LogError) {
            guard try log.markAhead(&writes) else { return }
        } catch {
            guard case .diskFull = error else { throw error }
            return
        }
        var rest: [Job] = []
        for job in jobs {
            switch job {
            case .write: rest.append(.write(writes.removeFirst()))
            case .compact: try finish(job)
            case .markRepaired: rest.append(job)
            }
        }
        jobs = rest
    }

    private func prepare() {
        defer { preparingEnded.close() }
        while let jobs = preparing.takeAll() {
            for job in jobs {
                do throws(LogError) {
                    try log.finish(job.run())
                } catch {
                    // A full disk is met, and told, where an append needs the room; anything else poisons the log there.
                    if case .diskFull = error { continue }
                    onNotice("cannot prepare a log segment: \(error)")
                }
            }
        }
    }
}

extension StorageThread.Job {
    fileprivate var write: StorageWrite? {
        if case .write(let write) = self { write } else { nil }
    }
}

extension MonotonicTime {
    /// The clock that no wall clock moves, of this machine.
    static var current: MonotonicTime {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return MonotonicTime(nanoseconds: UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec))
    }
}

/// Milliseconds since 1970 by this machine's wall clock.
func wallMilliseconds() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return UInt64(max(0, time.tv_sec)) * 1_000 + UInt64(time.tv_nsec) / 1_000_000
}
