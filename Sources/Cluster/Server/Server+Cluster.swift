import ByteCoding
import Raft
import Replica
import WriteAheadLog

extension Server {
    /// Asks the cluster for a change of its members, or of its leader, from this server, whether it leads or not. Ends within
    /// `ReplicaSettings.clusterPatienceMilliseconds` and a moment.
    public func request(_ request: ClusterRequest) async -> ClusterOutcome {
        await door.cluster(request)
    }
}

extension Entry {
    fileprivate var configuration: Configuration? {
        payload.withUnsafeBytes { bytes in
            var reader = ByteReader(bytes)
            return try? Configuration(from: &reader)
        }
    }
}

extension RecoveredLog {
    /// Why this program must not run on this log: the cluster does what it does not understand. Nil: it may.
    func reasonNotToStart(supportedFeatureLevel supported: UInt32) -> String? {
        var newest = (level: snapshot.configuration.featureLevel, index: snapshot.configurationIndex)
        for entry in entries where entry.kind == .configuration {
            // One that does not decode is consensus's to judge.
            guard let configuration = entry.configuration else { continue }
            if configuration.featureLevel > newest.level { newest = (configuration.featureLevel, entry.index) }
        }
        guard newest.level > supported else { return nil }
        return
            "the cluster uses feature level \(newest.level), by the configuration at log index \(newest.index), and this program"
            + " supports levels up to \(supported): start this server with a newer program"
    }
}
