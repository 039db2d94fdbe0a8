import Raft

/// The sending end of snapshot files for servers that are too far behind the log. To each some pieces are under way at a time; all streams
/// share one budget of bytes a second. A stream goes on from what the receiver says it has safely, whatever broke in between.
struct SnapshotExchange: Sendable {
    struct Outgoing: Sendable {
        var index: LogIndex
        var term: Term
        /// The receiver has the file up to here.
        var acknowledged: UInt64 = 0
        /// Where the next piece begins; between the two is what is under way.
        var next: UInt64 = 0
        /// Length of the file, once a piece was read.
        var total: UInt64?
        /// One piece, until the receiver has said where it stands.
        var window = 1
        /// When the receiver last got further, or was last waited for in vain because of us.
        var progressAt: MonotonicTime
        /// When what is under way was last begun again.
        var begunAgainAt: MonotonicTime
        /// What the receiver said last, if it had less than it had before: it restarted, or the answer is old.
        var fallsBackTo: UInt64?
        /// The receiver says that it has nothing: it lost, or threw away, what it was sent. The file is checked before it gets more.
        var isDoubtful = false
        /// Answers that brought nothing new since the last that did: a piece before those that they answer was lost.
        var repeats = 0

        var hasUnderWay: Bool { next > acknowledged }

        mutating func beginAgain(at now: MonotonicTime) {
            if let less = fallsBackTo { acknowledged = less }
            // The last byte again, if only the receiver's last word is missing.
            next = min(acknowledged, (total ?? 1) - 1)
            window = 1
            fallsBackTo = nil
            begunAgainAt = now
        }
    }

    struct Pace {
        var pieceBytes: Int
        var bytesPerSecond: UInt64
        var window: Int
        var patienceMilliseconds: UInt64
    }

    private(set) var outgoing: [NodeID: Outgoing] = [:]
    /// What was being sent when a stream ended early: it goes on if it can be had still.
    private(set) var unfinished: [NodeID: SnapshotPlaceInLog] = [:]
    /// Of the shared budget; below 0 after a piece that was bigger than what was left.
    private var balance = 0.0
    private var refilledAt = MonotonicTime.zero
    private var servedLast = NodeID(0)

    func isSending(to peer: NodeID) -> Bool { outgoing[peer] != nil }

    /// - Returns: false if a stream to this peer is under way.
    mutating func begin(to peer: NodeID, _ place: SnapshotPlaceInLog, now: MonotonicTime) -> Bool {
        guard outgoing[peer] == nil else { return false }
        outgoing[peer] = Outgoing(index: place.index, term: place.term, progressAt: now, begunAgainAt: now)
        unfinished[peer] = nil
        return true
    }

    /// The shell has read a piece, perhaps a shorter one than was asked for.
    mutating func pieceRead(_ peer: NodeID, askedBytes: Int, bytes: Int, total: UInt64) {
        balance += Double(askedBytes - bytes)
        outgoing[peer]?.total = total
        if let next = outgoing[peer]?.next, next > total { outgoing[peer]?.next = total }
    }

    /// - Returns: the index of the snapshot if the receiver now has all of it.
    mutating func progressed(
        _ peer: NodeID, index: LogIndex, nextOffset: UInt64, complete: Bool, window: Int, now: MonotonicTime
    ) -> LogIndex? {
        guard var stream = outgoing[peer], stream.index == index else { return nil }
        defer { if outgoing[peer] != nil { outgoing[peer] = stream } }
        if complete {
            outgoing[peer] = nil
            return index
        }
        // Nobody can have more than there is.
        guard nextOffset <= stream.total ?? 0 else { return nil }
        if nextOffset == 0 { stream.isDoubtful = true }
        if nextOffset > stream.acknowledged {
            stream.acknowledged = nextOffset
            stream.next = max(stream.next, nextOffset)
            stream.window = window
            stream.progressAt = now
            stream.begunAgainAt = now
            stream.fallsBackTo = nil
            stream.repeats = 0
        } else if nextOffset < stream.acknowledged {
            // By the clock: it may be an old answer, and at once everything that the network doubles would double all that follows.
            stream.fallsBackTo = nextOffset
        } else {
            stream.repeats += 1
            // Once for each place.
            if stream.repeats == 2, stream.hasUnderWay { stream.beginAgain(at: now) }
        }
        return nil
    }

    /// The receiver has thrown away what it was sent.
    /// - Returns: false if that is not being sent.
    mutating func doubt(_ peer: NodeID, _ index: LogIndex) -> Bool {
        guard outgoing[peer]?.index == index else { return false }
        outgoing[peer]?.isDoubtful = true
        return true
    }

    /// Ends a stream that is not complete.
    mutating func end(_ peer: NodeID, canGoOn: Bool) {
        guard let stream = outgoing.removeValue(forKey: peer), canGoOn else { return }
        unfinished[peer] = SnapshotPlaceInLog(index: stream.index, term: stream.term)
    }

    mutating func endAll() -> [NodeID] {
        let peers = outgoing.keys.sorted()
        for peer in peers { end(peer, canGoOn: true) }
        return peers
    }

    /// Ends the streams of a snapshot that cannot be sent any more.
    mutating func endAll(of index: LogIndex) -> [NodeID] {
        let peers = outgoing.keys.sorted().filter { outgoing[$0]?.index == index }
        for peer in peers { end(peer, canGoOn: false) }
        unfinished = unfinished.filter { $0.value.index != index }
        return peers
    }

    mutating func keep(_ peers: [NodeID]) {
        unfinished = unfinished.filter { peers.contains($0.key) }
    }

    /// What is to be read now, and which streams got no further for so long that they are given up for now.
    mutating func pump(_ now: MonotonicTime, _ pace: Pace) -> (
        reads: [ReplicaEffects.SnapshotRead], givenUp: [NodeID]
    ) {
        refill(now, pace)
        guard !outgoing.isEmpty else { return ([], []) }
        var givenUp: [NodeID] = []
        let peers = outgoing.keys.sorted()
        for peer in peers where review(peer, now, pace) {
            end(peer, canGoOn: true)
            givenUp.append(peer)
        }
        return (takeTurns(peers, pace), givenUp)
    }

    private mutating func refill(_ now: MonotonicTime, _ pace: Pace) {
        let elapsed = min(now.since(refilledAt), 1_000_000_000)
        guard elapsed > 0 else { return }
        refilledAt = now
        // A twentieth of a second may be saved up: passes do not come at even times.
        let most = max(Double(pace.pieceBytes), Double(pace.bytesPerSecond) / 20)
        balance = min(most, balance + Double(pace.bytesPerSecond) * Double(elapsed) / 1_000_000_000)
    }

    /// - Returns: whether the stream is to be given up.
    private mutating func review(_ peer: NodeID, _ now: MonotonicTime, _ pace: Pace) -> Bool {
        guard var stream = outgoing[peer] else { return false }
        if !stream.hasUnderWay {
            // It waits for the budget, not for the receiver.
            if balance <= 0 { (stream.progressAt, stream.begunAgainAt) = (now, now) }
        }
        let patience = pace.patienceMilliseconds * 1_000_000
        if now.since(stream.begunAgainAt) > patience / 5 { stream.beginAgain(at: now) }
        outgoing[peer] = stream
        return now.since(stream.progressAt) > patience
    }

    /// One piece each, in turn, as long as the budget lasts.
    private mutating func takeTurns(_ peers: [NodeID], _ pace: Pace) -> [ReplicaEffects.SnapshotRead] {
        var reads: [ReplicaEffects.SnapshotRead] = []
        let order = peers.filter { $0 > servedLast } + peers.filter { $0 <= servedLast }
        var isOver = false
        while !isOver {
            isOver = true
            for peer in order where balance > 0 {
                guard var stream = outgoing[peer], stream.mayTakePiece(pace) else { continue }
                let verifies = stream.isDoubtful && stream.next == 0
                reads.append(
                    .init(
                        peer: peer, index: stream.index, offset: stream.next, maximumBytes: pace.pieceBytes,
                        verifiesWhole: verifies))
                if verifies { stream.isDoubtful = false }
                stream.next += UInt64(pace.pieceBytes)
                if let total = stream.total { stream.next = min(stream.next, total) }
                outgoing[peer] = stream
                balance -= Double(pace.pieceBytes)
                servedLast = peer
                isOver = false
            }
        }
        return reads
    }
}

/// Names a snapshot.
struct SnapshotPlaceInLog: Sendable, Equatable {
    var index: LogIndex
    var term: Term
}

extension SnapshotExchange.Outgoing {
    fileprivate func mayTakePiece(_ pace: SnapshotExchange.Pace) -> Bool {
        if let total, next >= total { return false }
        guard next >= acknowledged else { return true }
        return next - acknowledged < UInt64(window) * UInt64(pace.pieceBytes)
    }
}
