import Raft
import Replica
import TupleSpace

/// Something planned for an instant of virtual time. What concerns a process names its life, and is void in another.
enum SimulationEvent {
    case tick(server: Int, life: Int)
    case pass(server: Int, life: Int)
    /// A message arrives.
    case deliver(to: Int, from: NodeID, bytes: [UInt8])
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

    case misfortune
    case end(Ending)

    enum Ending {
        case down(server: Int)
        case pause(server: Int, life: Int)
        case partition
        case fullDisk(server: Int)
    }
}
