import ClientProtocol
import Raft
import Replica
import Testing

@testable import Cluster

@Suite("Who waits for a snapshot")
struct SnapshotExportsTests {
    @Test("A wish made while a snapshot is under way is fulfilled by the next one") func wishes() {
        var exports = SnapshotExports()
        #expect(exports.isIdle && !exports.wantsNewer(than: .zero, at: .zero))
        exports.wish(LogIndex(10))
        // The one under way lacks the last entries.
        #expect(exports.ready(LogIndex(8)).isEmpty && exports.wantsNewer(than: LogIndex(8), at: .zero))
        exports.wish(LogIndex(9))
        #expect(exports.wantsNewer(than: LogIndex(9), at: .zero), "the later wish counts")
        #expect(exports.ready(LogIndex(10)).isEmpty && exports.isIdle)
    }

    @Test("After one that could not be written there is a pause") func failing() {
        var exports = SnapshotExports()
        exports.wish(LogIndex(3))
        let now = MonotonicTime(nanoseconds: 1_000_000_000)
        exports.failed(at: now)
        #expect(!exports.wantsNewer(than: .zero, at: now) && !exports.isIdle)
        #expect(exports.wantsNewer(than: .zero, at: now.advanced(byMilliseconds: SnapshotExports.retryMilliseconds)))
    }

    @Test("Each gets its bytes from the first snapshot that is good enough, or hears that it took too long")
    func waiting() {
        var exports = SnapshotExports()
        exports.wait(RequestToken(1), SnapshotPieceRequest(), for: LogIndex(5), at: .zero)
        exports.wait(
            RequestToken(2), SnapshotPieceRequest(), for: LogIndex(7), at: MonotonicTime(nanoseconds: 1_000_000_000))
        #expect(exports.ready(LogIndex(6)).map(\.0) == [RequestToken(1)])
        #expect(exports.ready(LogIndex(6)).isEmpty)
        let patience = MonotonicTime(nanoseconds: SnapshotExports.patienceMilliseconds * 1_000_000)
        #expect(exports.late(patience).isEmpty)
        #expect(exports.late(patience.advanced(byMilliseconds: 1_000)) == [RequestToken(2)])
        #expect(exports.isIdle)
    }
}
