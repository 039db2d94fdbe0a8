import Glibc
import Raft
import WriteAheadLog
import ZeroMQ

/// The thread that makes the log durable: one write and one `fdatasync` for whatever has gathered while the last one ran.
final class StorageThread<Files: FileSystem>: Sendable {
    enum Job: Sendable {
        case write(StorageWrite)
        /// Entries before this are no longer needed. Afterwards, the mark of the newest snapshot being durable, so are older snapshots.
        case compact(before: LogIndex, then: @Sendable () -> Void)
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
            while let jobs = queue.takeAll() { try perform(jobs) }
        } catch {
            onFailure(error.description)
        }
    }

    private func perform(_ jobs: [Job]) throws(LogError) {
        var writes: [StorageWrite] = []
        for job in jobs {
            if case .write(let write) = job { writes.append(write) }
        }
        if let last = writes.last {
            guard try append(writes) else { return }
            inbox.post(.stored(last.sequence))
        }
        for job in jobs {
            switch job {
            case .write: break
            case .compact(let index, let then):
                try log.compact(before: index)
                then()
            case .markRepaired: try log.markRepaired()
            }
        }
        if let preparation = log.preparation() { preparing.add(preparation) }
    }

    /// A full disk stalls this server's log until there is room. The replica is told, and refuses its clients' writes meanwhile; consensus
    /// treats it as any stalled disk (a leader steps down, the others go on); local reads go on being served.
    /// - Returns: false if this server stops before there is room: the writes are lost, and nobody was told that they were made.
    private func append(_ writes: [StorageWrite]) throws(LogError) -> Bool {
        while true {
            do throws(LogError) {
                let began = MonotonicTime.current
                try log.append(writes)
                meters.synced(nanoseconds: MonotonicTime.current.since(began), writes: writes.count)
                return true
            } catch {
                guard case .diskFull = error else { throw error }
                meters.setDiskFull(true)
                onNotice("\(error); writes are refused until there is room")
                inbox.post(.diskFull("\(error): this server takes no writes until there is room; nothing was done"))
                while try !log.checkRoom() {
                    if queue.hasBeenClosed { return false }
                    usleep(200_000)
                }
                meters.setDiskFull(false)
                inbox.post(.diskFull(nil))
                onNotice("there is room on the disk again")
            }
        }
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
