import Glibc

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
        pthread_cond_init(condition, nil)
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
}
