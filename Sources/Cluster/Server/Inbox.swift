import ClientProtocol
import Raft
import Replica
import Synchronization
import TupleSpace
import ZeroMQ

/// What other threads tell the replica thread.
enum Inward: Sendable {
    case command(RequestToken, CommandHeader, operation: [UInt8])
    case query(RequestToken, [UInt8], Consistency, Timeout, Credential)
    case subscribe(RequestToken, space: String, Template?, after: Position?, Credential)
    case forget(RequestToken)
    case keepAlive(SessionID)
    case cluster(RequestToken, ClusterRequest)
    /// The disk is full, in a sentence; nil: it has room again.
    case diskFull(String?)
    case stored(WriteSequence)
    case snapshotTaken(SnapshotMetadata, bytes: Int, keepFrom: LogIndex)
    case snapshotNotTaken(keepFrom: LogIndex)
    case snapshotRead(ReplicaEffects.SnapshotRead, bytes: [UInt8], total: UInt64)
    case snapshotUnreadable(ReplicaEffects.SnapshotRead)
    case snapshotChunkStored(
        from: NodeID, index: LogIndex, nextOffset: UInt64, complete: SnapshotMetadata?, refusal: String?)
    /// It does not continue what is here of that snapshot: the reason.
    case pieceRefused(from: NodeID, String)
    case installed(StateMachine, SnapshotMetadata)
    case notLoaded(SnapshotMetadata, reason: String)
    case pieceExported(RequestToken, SnapshotPiece)
    case pieceNotExported(RequestToken, reason: String)
    /// As soon as it can be begun, one that has all that is applied now.
    case takeSnapshot
    /// Answered by running it on the replica thread: a probe that goes through it.
    case run(@Sendable (inout Replica) -> Void)
    case stop(handsOver: Bool)
}

/// A queue to the replica thread, which sleeps in `zmq_poll` on the waker.
final class Inbox: Sendable {
    /// From the gateways; more is answered `busy` by the door. What storage reports is never refused.
    static let limit = 100_000

    let waker: Waker
    private let items = Mutex<[Inward]>([])

    init() throws(ZeroMQError) {
        waker = try Waker()
    }

    func post(_ item: Inward) {
        let wasEmpty = items.withLock { items in
            defer { items.append(item) }
            return items.isEmpty
        }
        if wasEmpty { waker.wake() }
    }

    /// - Returns: false if the queue is full.
    func offer(_ item: Inward) -> Bool {
        let (accepted, wasEmpty) = items.withLock { items in
            guard items.count < Inbox.limit else { return (false, false) }
            defer { items.append(item) }
            return (true, items.isEmpty)
        }
        if wasEmpty { waker.wake() }
        return accepted
    }

    func takeAll(into taken: inout [Inward]) {
        taken.removeAll(keepingCapacity: true)
        items.withLock { swap(&$0, &taken) }
    }
}
