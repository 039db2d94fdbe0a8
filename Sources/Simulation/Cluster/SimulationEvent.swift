import Raft
import Replica
import TupleSpace

/// Something planned for an instant of virtual time. What concerns a process names its life, and is void in another.
enum SimulationEvent {
    case tick(server: Int, life: Int)
    case pass(server: Int, life: Int)
    /// A message arrives.
    case deliver(to: NodeID, from: NodeID, bytes: [UInt8])
    /// The transport notices that the peer's process is gone.
    case connectionLost(server: Int, NodeID)
    /// The group commit under way is done.
    case writeDone(server: Int, life: Int)
    case snapshotWritten(server: Int, life: Int)
    case snapshotRead(server: Int, life: Int, ReplicaEffects.SnapshotRead)
    case chunkWritten(server: Int, life: Int, from: NodeID, SnapshotChunk)
    case snapshotLoaded(server: Int, life: Int, SnapshotMetadata)

    case request(server: Int, ClientRequest)
    case keepAlive(server: Int, SessionID)
    case reply(client: Int, operation: UInt64, attempt: UInt64, Reply)
    case clientWakes(Int)
    case attemptOverdue(client: Int, operation: UInt64, attempt: UInt64)
    case sessionPulse(client: Int, SessionID)
    case decideHeld(client: Int, sequence: UInt64, SessionID)

    case subscribe(server: Int, ClientSubscription)
    case events(client: Int, attempt: UInt64, number: Int, EventBatch)
    case subscriptionPulse(client: Int)

    case operatorAsks(server: Int, OperatorRequest)
    case operatorHears(id: UInt64, ClusterOutcome)
    /// The operator stops a node that was removed, for good.
    case retire(NodeID)
    /// A clean stop; it comes back later.
    case stop(server: Int, life: Int)
    /// It is restarted with the present program.
    case upgrade(server: Int)

    case misfortune
    case end(Ending)

    enum Ending {
        case down(server: Int)
        case pause(server: Int, life: Int)
        /// - crashes: the present leader dies with it and loses what is not synced (true), or not even that.
        case partition(crashes: Bool?)
        case fullDisk(server: Int)
    }
}
