import Raft
import TupleSpace

/// Reads on their way: gathered until the end of a pass, confirmed by the leader as one round (ReadIndex, dissertation 6.4), and then
/// waiting until this server has applied what the round says.
struct Reads: Sendable {
    struct Read: Sendable {
        var token: RequestToken
        /// An encoded `Query`.
        var query: [UInt8]
        /// Whose it is.
        var credential: Credential
        /// How long a read that finds nothing waits for a tuple.
        var timeout: Timeout
        /// It fails if it could not be confirmed by then.
        var deadline: MonotonicTime
    }

    private var gathered: [Read] = []
    private var rounds: [UInt64: [Read]] = [:]
    private var nextRound: UInt64 = 1
    /// Confirmed, and what must be applied first. Not in order of index.
    private var waiting: [(index: LogIndex, read: Read)] = []
    /// No read waits for an earlier index.
    private var lowestAwaited = LogIndex(.max)
    /// Of the reads that may wait for a tuple, those that somebody still wants. The others are answered soon, to whomever.
    private var wanted: Set<RequestToken> = []
    /// Some gathered reads have been through a round before, and may be late.
    private var mayBeOverdue = false
    private(set) var count = 0

    var hasGathered: Bool { !gathered.isEmpty }

    mutating func gather(_ read: Read) {
        note(read)
        gathered.append(read)
    }

    mutating func wait(_ read: Read, for index: LogIndex) {
        note(read)
        enqueue(read, for: index)
    }

    private mutating func note(_ read: Read) {
        count += 1
        if read.timeout != .none { wanted.insert(read.token) }
    }

    private mutating func enqueue(_ read: Read, for index: LogIndex) {
        lowestAwaited = min(lowestAwaited, index)
        waiting.append((index, read))
    }

    /// All that have gathered become one round.
    mutating func beginRound() -> UInt64 {
        let round = nextRound
        nextRound += 1
        rounds[round] = gathered
        gathered.removeAll()
        return round
    }

    mutating func confirmed(_ confirmed: [(context: UInt64, index: LogIndex)]) {
        for (context, index) in confirmed {
            for read in rounds.removeValue(forKey: context) ?? [] { enqueue(read, for: index) }
        }
    }

    /// Rounds that could not be confirmed gather again.
    mutating func failed(_ contexts: [UInt64]) {
        for context in contexts { gathered += rounds.removeValue(forKey: context) ?? [] }
        mayBeOverdue = !gathered.isEmpty
    }

    /// Reads that may be served at this applied index, in order of arrival.
    mutating func ready(at applied: LogIndex) -> [Read] {
        guard lowestAwaited <= applied else { return [] }
        var ready: [Read] = []
        var rest: [(index: LogIndex, read: Read)] = []
        lowestAwaited = LogIndex(.max)
        for item in waiting {
            if item.index <= applied {
                ready.append(item.read)
            } else {
                lowestAwaited = min(lowestAwaited, item.index)
                rest.append(item)
            }
        }
        waiting = rest
        return over(ready)
    }

    mutating func overdue(at now: MonotonicTime) -> [Read] {
        var late = gathered.filter { $0.deadline <= now } + waiting.filter { $0.read.deadline <= now }.map(\.read)
        // A leader that can commit nothing confirms no round, and ends none.
        for round in rounds.keys.sorted() {
            guard let reads = rounds[round], let first = reads.first, first.deadline <= now else { continue }
            late += reads.filter { $0.deadline <= now }
            rounds[round]?.removeAll { $0.deadline <= now }
        }
        guard !late.isEmpty else { return [] }
        gathered.removeAll { $0.deadline <= now }
        waiting.removeAll { $0.read.deadline <= now }
        return over(late)
    }

    /// Before another round: a leader that confirms nothing must not keep them for ever.
    mutating func overdueAfterFailedRounds(at now: MonotonicTime) -> [Read] {
        guard mayBeOverdue else { return [] }
        mayBeOverdue = false
        return overdue(at: now)
    }

    /// Those of them that somebody still wants.
    private mutating func over(_ reads: [Read]) -> [Read] {
        count -= reads.count
        guard !wanted.isEmpty else { return reads.filter { $0.timeout == .none } }
        return reads.filter { $0.timeout == .none || wanted.remove($0.token) != nil }
    }

    /// A read that could wait must not begin to wait for somebody who has gone.
    mutating func forget(_ token: RequestToken) {
        wanted.remove(token)
    }
}
