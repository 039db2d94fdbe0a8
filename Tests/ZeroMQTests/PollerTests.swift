import Synchronization
import Testing
import ZeroMQ

@Suite("Poller and waker")
struct PollerTests {
    let context: Context
    init() throws { context = try Context() }

    @Test("A waker wakes the poller, many wakes are one, and draining takes them back")
    func waker() throws {
        let waker = try Waker()
        let poller = Poller()
        let item = poller.add(fileDescriptor: waker.fileDescriptor)
        #expect(try poller.wait(milliseconds: 0) == 0)
        for _ in 0..<1000 { waker.wake() }
        #expect(try poller.wait(milliseconds: 0) == 1)
        #expect(poller.isReadable(item))
        waker.drain()
        #expect(try poller.wait(milliseconds: 0) == 0)
        waker.wake()
        #expect(try poller.wait(milliseconds: 0) == 1, "a wake after draining counts again")
    }

    @Test("A wake from another thread ends the wait")
    func wakeFromOtherThread() throws {
        let waker = try Waker()
        let poller = Poller()
        _ = poller.add(fileDescriptor: waker.fileDescriptor)
        try startThread(named: "waking") { waker.wake() }
        #expect(try poller.wait(milliseconds: 5000) == 1)
    }

    @Test("No wake is lost between a thread that adds work and one that drains")
    func noLostWake() throws {
        let waker = try Waker()
        let queue = WorkQueue()
        let total = 20_000
        try startThread(named: "producer") {
            for _ in 0..<total {
                queue.add()
                waker.wake()
            }
        }
        let poller = Poller()
        _ = poller.add(fileDescriptor: waker.fileDescriptor)
        var seen = 0
        while seen < total {
            guard try poller.wait(milliseconds: 5000) == 1 else { break }
            waker.drain()
            seen += queue.takeAll()
        }
        #expect(seen == total)
    }

    @Test("What was removed is no longer waited for, and its place is used again")
    func removal() throws {
        let (first, second) = (try Waker(), try Waker())
        let poller = Poller()
        let a = poller.add(fileDescriptor: first.fileDescriptor)
        let b = poller.add(fileDescriptor: second.fileDescriptor)
        first.wake()
        poller.remove(a)
        #expect(try poller.wait(milliseconds: 0) == 0)
        second.wake()
        #expect(try poller.wait(milliseconds: 0) == 1)
        #expect(poller.isReadable(b))
        let c = poller.add(fileDescriptor: first.fileDescriptor)
        #expect(try poller.wait(milliseconds: 0) == 2)
        #expect(poller.isReadable(c))
    }

    @Test("Interest in writing is told apart from interest in reading")
    func writing() throws {
        let (router, endpoint) = try boundRouter(context)
        let dealer = try Socket(.dealer, in: context)
        try dealer.connect(to: endpoint)
        let poller = Poller()
        let item = poller.add(dealer, for: .writable)
        #expect(try poller.wait(milliseconds: 1000) == 1)
        #expect(poller.isWritable(item) && !poller.isReadable(item))
        #expect(try dealer.readiness == .writable)
        poller.setInterest(.readable, of: item)
        #expect(try poller.wait(milliseconds: 0) == 0)
        router.close()
    }
}

private final class WorkQueue: Sendable {
    private let count = Mutex(0)
    func add() { count.withLock { $0 += 1 } }
    func takeAll() -> Int {
        count.withLock { count in
            defer { count = 0 }
            return count
        }
    }
}
