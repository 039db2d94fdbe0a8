import DequeModule

/// What has been handed to storage and is not known to be on the disk yet, and the messages that wait for it.
///
/// Durability is counted by writes, not by index and term: after a truncation an index may be reused, and the
/// completion of the older write must say nothing about the newer entry there (scenario 7, ABA).
struct DurableQueue: Sendable {
    private struct Write {
        var sequence: WriteSequence
        /// When this write is done the log is durable to here. Ascending along the queue, lowered by truncation.
        var through: LogIndex
        var since: MonotonicTime
    }

    private struct Held {
        var until: WriteSequence
        var message: Message
    }

    private var writes: Deque<Write> = []
    private var held: [Held] = []
    /// The last write that was handed out, and the last that is done.
    private(set) var issued = WriteSequence.zero
    private(set) var stored = WriteSequence.zero
    /// The log is on this disk up to here.
    private(set) var durable: LogIndex

    init(durable: LogIndex) {
        self.durable = durable
    }

    /// Opens the next write.
    mutating func issue(through last: LogIndex, now: MonotonicTime) {
        issued = issued.next
        writes.append(Write(sequence: issued, through: last, since: now))
    }

    /// The open write, which has not been handed out yet, now makes the log durable to here.
    mutating func extend(through last: LogIndex) {
        guard !writes.isEmpty else { return }
        writes[writes.count - 1].through = last
    }

    /// The log is cut: what older writes put at `from` and behind does not count any more.
    mutating func truncate(from: LogIndex) {
        durable = min(durable, from.previous)
        for i in writes.indices where writes[i].through >= from { writes[i].through = from.previous }
    }

    /// The write that makes the log durable to `index`; nil if it is durable already.
    func write(making index: LogIndex) -> WriteSequence? {
        guard index > durable else { return nil }
        return writes.first { $0.through >= index }?.sequence ?? issued
    }

    /// - Returns: false if nothing new is done.
    mutating func complete(through sequence: WriteSequence) -> Bool {
        guard sequence > stored, sequence <= issued else { return false }
        stored = sequence
        while let write = writes.first, write.sequence <= sequence {
            durable = max(durable, write.through)
            writes.removeFirst()
        }
        return true
    }

    /// How long the oldest write has been under way, in nanoseconds.
    func oldestAge(at now: MonotonicTime) -> UInt64 {
        writes.first.map { now.since($0.since) } ?? 0
    }

    /// Keeps a message until `sequence` is done. Of messages of one kind to one peer that wait for the same write the
    /// last is enough, so there are never more than writes under way times peers.
    mutating func hold(_ message: Message, until sequence: WriteSequence) {
        if let i = held.lastIndex(where: { $0.until == sequence && $0.message.supersededBy(message) }) {
            held[i].message = message
        } else {
            held.append(Held(until: sequence, message: message))
        }
    }

    mutating func release(into messages: inout [Message]) {
        guard !held.isEmpty else { return }
        for item in held where item.until <= stored { messages.append(item.message) }
        held.removeAll { $0.until <= stored }
    }

    /// What was promised in an older term is void.
    mutating func dropHeld() {
        held.removeAll(keepingCapacity: true)
    }

    mutating func dropHeldVoteRequests() {
        held.removeAll {
            if case .voteRequest = $0.message.body { true } else { false }
        }
    }

    var heldMessages: [Message] { held.map(\.message) }
    var writesUnderWay: Int { writes.count }
}

extension Message {
    /// Whether a later message of the same kind says all that this one says.
    fileprivate func supersededBy(_ later: Message) -> Bool {
        guard to == later.to, term == later.term, formatVersion == later.formatVersion else { return false }
        switch (body, later.body) {
        case (.appendResponse(let old), .appendResponse(let new)):
            guard new.readRound >= old.readRound else { return false }
            switch (old.result, new.result) {
            case (.accepted(let a), .accepted(let b)): return a <= b
            case (.alive, .alive), (.rejected, .rejected): return true
            default: return false
            }
        case (.voteResponse, .voteResponse), (.preVoteResponse, .preVoteResponse), (.voteRequest, .voteRequest),
            (.preVoteRequest, .preVoteRequest), (.readIndexRequest, .readIndexRequest):
            return true
        case (.readIndexResponse(let old, _), .readIndexResponse(let new, _)): return old == new
        default:
            return false
        }
    }
}
