import Raft
import TupleSpace

/// Reads on their way: gathered until the end of a pass, confirmed by the leader as one round (ReadIndex, dissertation 6.4), and then
/// waiting until this server has applied what the round says.
struct Reads: Sendable {
    struct Read: Sendable {
        var token: RequestToken
        /// An encoded `Query`.
        var query: [UInt8]
        /// How long a read that finds nothing waits for a tuple.
        var timeout: Timeout
        /// It fails if it could not be confirmed by then.
        var deadline: MonotonicTime
    }

    private(set) var gathered: [Read] = []
    private var rounds: [UInt64: [Read]] = [:]
    private var nextRound: UInt64 = 1
    /// Confirmed, and what must be applied first. Not in order of index.
    private var waiting: [(index: LogIndex, read: Read)] = []
    private(set) var count = 0

    var hasGathered: Bool { !gathered.isEmpty }

    mutating func gather(_ read: Read) {
        gathered.append(read)
        count += 1
    }

    mutating func wait(_ read: Read, for index: LogIndex) {
        waiting.append((index, read))
        count += 1
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
            for read in rounds.removeValue(forKey: context) ?? [] { waiting.append((index, read)) }
        }
    }

    /// Rounds that could not be confirmed gather again.
    mutating func failed(_ contexts: [UInt64]) {
        for context in contexts { gathered += rounds.removeValue(forKey: context) ?? [] }
    }

    /// Reads that may be served at this applied index, in order of arrival.
    mutating func ready(at applied: LogIndex) -> [Read] {
        guard !waiting.isEmpty else { return [] }
        var ready: [Read] = []
        var rest: [(index: LogIndex, read: Read)] = []
        for item in waiting {
            if item.index <= applied { ready.append(item.read) } else { rest.append(item) }
        }
        waiting = rest
        count -= ready.count
        return ready
    }

    mutating func overdue(at now: MonotonicTime) -> [Read] {
        let late = gathered.filter { $0.deadline <= now } + waiting.filter { $0.read.deadline <= now }.map(\.read)
        gathered.removeAll { $0.deadline <= now }
        waiting.removeAll { $0.read.deadline <= now }
        count -= late.count
        return late
    }

    mutating func forget(_ token: RequestToken) {
        let before = gathered.count + waiting.count
        gathered.removeAll { $0.token == token }
        waiting.removeAll { $0.read.token == token }
        count -= before - gathered.count - waiting.count
    }
}
