import Raft
import ZeroMQ

func agreeOnFirstConfiguration(
    _ plan: ServerPlan, node: NodeID, _ transport: ZeroMQPeerTransport, _ log: @escaping @Sendable (String) -> Void
) throws(StartFailure) -> Configuration {
    throw StartFailure("to do")
}
