import Raft
import WriteAheadLog

/// For scripts: what an operator does when a majority is lost for good.
extension SimulatedCluster {
    /// The machines of all other servers are lost with their disks, and this server's data directory is made a cluster of
    /// its own while it is down. Then it is started.
    package func loseAllBut(_ survivor: Int) throws {
        for server in servers where !server.isRetired {
            crash(server, .nothing)
            server.isRetired = server.number != survivor
        }
        let server = servers[survivor]
        trace.fault(now, "all but \(name(server)) are lost for good, and it is recovered offline")
        clusterID = ClusterID(random.next() | 1)
        let recovery = try OfflineRecovery(
            SimulatedCluster.dataDirectory, files: server.files, holder: "the operator", options: logOptions)
        _ = try recovery.perform(newCluster: clusterID)
        recovery.close()
        // What its disk has from now on is the operator's doing: it is not compared with what it wrote itself.
        server.hasStarted = false
        start(server)
    }
}
