import Raft
import Testing

@testable import Cluster

@Suite("The thread of snapshots")
struct SnapshotPaceTests {
    private func time(_ milliseconds: UInt64) -> MonotonicTime {
        MonotonicTime.zero.advanced(byMilliseconds: milliseconds)
    }

    @Test("rests three times as long as a piece took, and never for long")
    func pace() {
        var pace = SnapshotPace(at: time(1_000))
        #expect(pace.rest(at: time(1_004)) == time(1_016))
        pace.goesOn(at: time(1_016))
        #expect(pace.rest(at: time(1_017)) == time(1_020))
        pace.goesOn(at: time(1_020))
        // The disk stalled for a second.
        #expect(pace.rest(at: time(2_020)) == time(2_120))
    }

    @Test("waits for work until a time, and no longer than until there is some")
    func waiting() {
        let queue = WorkQueue<Int>()
        #expect(queue.takeAll(until: .zero) == [])
        let began = MonotonicTime.current
        #expect(queue.takeAll(until: began.advanced(byMilliseconds: 5)) == [])
        #expect(MonotonicTime.current.since(began) >= 5_000_000)
        queue.add(contentsOf: [1, 2])
        #expect(queue.takeAll(until: .zero) == [1, 2])
        queue.add(3)
        queue.close()
        let distant = MonotonicTime.current.advanced(byMilliseconds: 3_600_000)
        #expect(queue.takeAll(until: distant) == [3])
        #expect(queue.takeAll(until: distant) == nil)
    }
}
