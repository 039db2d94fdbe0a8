import Glibc
import Raft

/// What a worker thread does next: any thread adds, one takes all at once and sleeps while there is nothing.
///
/// `@unchecked Sendable`: every access to `items` and `isClosed` is made with `mutex` locked; the two C objects live at a fixed address
/// from `init` to `deinit`.
final class WorkQueue<Item: Sendable>: @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var items: [Item] = []
    private var isClosed = false

    init() {
        pthread_mutex_init(mutex, nil)
        // Waiting for some time goes by the clock that nobody sets.
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(condition, &attributes)
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    /// Wakes the worker only if it may be asleep: waking costs 30 µs.
    func add(_ item: Item) {
        pthread_mutex_lock(mutex)
        let wasEmpty = items.isEmpty
        items.append(item)
        pthread_mutex_unlock(mutex)
        if wasEmpty { pthread_cond_signal(condition) }
    }

    func add(contentsOf new: [Item]) {
        guard !new.isEmpty else { return }
        pthread_mutex_lock(mutex)
        let wasEmpty = items.isEmpty
        items += new
        pthread_mutex_unlock(mutex)
        if wasEmpty { pthread_cond_signal(condition) }
    }

    /// What is in the queue is still taken; then `takeAll` returns nil.
    func close() {
        pthread_mutex_lock(mutex)
        isClosed = true
        pthread_mutex_unlock(mutex)
        pthread_cond_broadcast(condition)
    }

    /// Nothing more will be added.
    var hasBeenClosed: Bool {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return isClosed
    }

    /// Waits until the queue is closed; whatever is in it stays.
    func waitUntilClosed() {
        pthread_mutex_lock(mutex)
        while !isClosed { pthread_cond_wait(condition, mutex) }
        pthread_mutex_unlock(mutex)
    }

    /// Waits for something, and takes everything there is, in order; nil when the queue is closed and empty.
    func takeAll() -> [Item]? {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while items.isEmpty {
            if isClosed { return nil }
            pthread_cond_wait(condition, mutex)
        }
        var taken: [Item] = []
        swap(&taken, &items)
        return taken
    }

    /// Like `takeAll`, but waits no longer than until then.
    /// - Returns: empty when the time is up; nil when the queue is closed and empty.
    func takeAll(until deadline: MonotonicTime) -> [Item]? {
        var time = timespec(
            tv_sec: Int(deadline.nanoseconds / 1_000_000_000), tv_nsec: Int(deadline.nanoseconds % 1_000_000_000))
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while items.isEmpty {
            if isClosed { return nil }
            if pthread_cond_timedwait(condition, mutex, &time) == ETIMEDOUT { break }
        }
        var taken: [Item] = []
        swap(&taken, &items)
        return taken
    }
}
