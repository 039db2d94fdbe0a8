import Raft

/// Both ends of sending a snapshot file to a server that is too far behind: one piece under way at a time, asked for by the offset that
/// the receiver has safely, so that a broken stream resumes where it was.
struct SnapshotExchange: Sendable {
    struct Outgoing: Sendable {
        var index: LogIndex
        var term: Term
        var offset: UInt64
        /// When the receiver last got further, and when a piece was last asked of the shell.
        var progressAt: MonotonicTime
        var askedAt: MonotonicTime
        /// What the receiver said last, if it had less than it had before.
        var fallsBackTo: UInt64?
    }

    private(set) var outgoing: [NodeID: Outgoing] = [:]

    func isSending(to peer: NodeID) -> Bool { outgoing[peer] != nil }

    mutating func begin(to peer: NodeID, snapshot: SnapshotMetadata, now: MonotonicTime) -> ReplicaEffects.SnapshotRead?
    {
        guard outgoing[peer] == nil else { return nil }
        outgoing[peer] = Outgoing(
            index: snapshot.index, term: snapshot.term, offset: 0, progressAt: now, askedAt: now)
        return ReplicaEffects.SnapshotRead(peer: peer, index: snapshot.index, offset: 0, maximumBytes: 0)
    }

    enum Progress {
        case ignored
        case next(ReplicaEffects.SnapshotRead)
        case complete(LogIndex)
    }

    mutating func progressed(
        _ peer: NodeID, index: LogIndex, nextOffset: UInt64, complete: Bool, now: MonotonicTime
    ) -> Progress {
        guard var stream = outgoing[peer], stream.index == index else { return .ignored }
        if complete {
            outgoing[peer] = nil
            return .complete(index)
        }
        guard nextOffset > stream.offset else {
            // A repeated answer, or a receiver that has begun anew. The next piece is asked for by the clock: at once, every message that
            // the network doubles would double all that follow.
            stream.fallsBackTo = nextOffset
            outgoing[peer] = stream
            return .ignored
        }
        stream.progressAt = now
        stream.offset = nextOffset
        stream.fallsBackTo = nil
        stream.askedAt = now
        outgoing[peer] = stream
        return .next(.init(peer: peer, index: index, offset: nextOffset, maximumBytes: 0))
    }

    mutating func end(_ peer: NodeID) -> Outgoing? {
        outgoing.removeValue(forKey: peer)
    }

    mutating func endAll() -> [NodeID] {
        let peers = outgoing.keys.sorted()
        outgoing.removeAll()
        return peers
    }

    /// Streams that got no further for `patience` are given up; those whose last piece seems lost ask for it again.
    mutating func tick(
        _ now: MonotonicTime, patienceMilliseconds: UInt64
    ) -> (givenUp: [NodeID], again: [ReplicaEffects.SnapshotRead]) {
        var givenUp: [NodeID] = []
        var again: [ReplicaEffects.SnapshotRead] = []
        for peer in outgoing.keys.sorted() {
            guard var stream = outgoing[peer] else { continue }
            if now.since(stream.progressAt) > patienceMilliseconds * 1_000_000 {
                outgoing[peer] = nil
                givenUp.append(peer)
            } else if now.since(stream.askedAt) > patienceMilliseconds * 1_000_000 / 5 {
                stream.askedAt = now
                stream.offset = stream.fallsBackTo ?? stream.offset
                stream.fallsBackTo = nil
                outgoing[peer] = stream
                again.append(.init(peer: peer, index: stream.index, offset: stream.offset, maximumBytes: 0))
            }
        }
        return (givenUp, again)
    }
}
