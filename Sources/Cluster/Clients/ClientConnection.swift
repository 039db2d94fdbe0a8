import ClientProtocol
import Raft
import Replica
import TupleSpace
import ZeroMQ

/// One client as the endpoint knows it: by the routing id that the ROUTER gave it. Belongs to the replica thread.
final class ClientConnection {
    let identity: [UInt8]
    /// Of the replies that libzmq holds for it.
    let budget = ByteBudget(limit: ClientEndpoint.queuedBytesPerConnection)
    var hasGreeted = false
    /// By what it is known who is at the other end.
    var credential = Credential.anonymous
    var heardAt: MonotonicTime
    /// Requests under way, by the client's id.
    var requests: [UInt64: RequestToken] = [:]
    /// Replies of this pass.
    var writer = ClientFrameWriter()
    var isDirty = false
    /// A reply could not be delivered: nothing more goes there, and it is about to be forgotten.
    var isLost = false

    init(identity: [UInt8], at now: MonotonicTime) {
        self.identity = identity
        heardAt = now
    }
}
