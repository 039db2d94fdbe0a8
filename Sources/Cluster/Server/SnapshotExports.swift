import ClientProtocol
import Raft
import Replica

/// Who waits for a snapshot that has all that was applied when it was asked for. A pure value.
struct SnapshotExports {
    static let patienceMilliseconds: UInt64 = 300_000
    /// After a snapshot that could not be written: the disk may be full for a while.
    static let retryMilliseconds: UInt64 = 5_000

    private struct Waiting {
        var token: RequestToken
        var request: SnapshotPieceRequest
        var index: LogIndex
        var deadline: MonotonicTime
    }

    private var waiting: [Waiting] = []
    /// Somebody wants one, and no bytes of it.
    private var wished: LogIndex?
    private var notBefore = MonotonicTime.zero

    var isIdle: Bool { waiting.isEmpty && wished == nil }

    mutating func wish(_ index: LogIndex) { wished = max(wished ?? .zero, index) }

    mutating func wait(
        _ token: RequestToken, _ request: SnapshotPieceRequest, for index: LogIndex, at now: MonotonicTime
    ) {
        let deadline = now.advanced(byMilliseconds: SnapshotExports.patienceMilliseconds)
        waiting.append(Waiting(token: token, request: request, index: index, deadline: deadline))
    }

    /// Takes those that the newest snapshot is good enough for.
    mutating func ready(_ newest: LogIndex) -> [(RequestToken, SnapshotPieceRequest)] {
        if let index = wished, newest >= index { wished = nil }
        defer { waiting.removeAll { newest >= $0.index } }
        return waiting.filter { newest >= $0.index }.map { ($0.token, $0.request) }
    }

    /// Takes those that have waited too long.
    mutating func late(_ now: MonotonicTime) -> [RequestToken] {
        defer { waiting.removeAll { $0.deadline <= now } }
        return waiting.filter { $0.deadline <= now }.map(\.token)
    }

    /// The one that was begun could not be written.
    mutating func failed(at now: MonotonicTime) {
        notBefore = now.advanced(byMilliseconds: SnapshotExports.retryMilliseconds)
    }

    /// Whether a snapshot is to be begun now.
    func wantsNewer(than newest: LogIndex, at now: MonotonicTime) -> Bool {
        guard now >= notBefore else { return false }
        return waiting.contains { $0.index > newest } || wished.map { $0 > newest } ?? false
    }
}
