import Raft

/// What this server remembers of each other one: its last status, when it was last heard, and the round trip to it.
struct PeerTable: Sendable {
    private struct Peer: Sendable {
        var status: PeerStatus?
        var statusAt = MonotonicTime.zero
        var heardAt = MonotonicTime.zero
        var roundTrip: UInt64 = 0
        /// The highest that it supports; nil if it has not told yet.
        var featureLevel: UInt32?
    }

    private var peers: [NodeID: Peer] = [:]

    mutating func heard(_ id: NodeID, at now: MonotonicTime) {
        peers[id, default: Peer()].heardAt = now
    }

    mutating func supports(_ level: UInt32, _ id: NodeID) {
        // Nearly always it said so before: this is asked of every message of consensus.
        if peers[id]?.featureLevel != level { peers[id, default: Peer()].featureLevel = level }
    }

    func featureLevel(of id: NodeID) -> UInt32? { peers[id]?.featureLevel }

    /// Whoever is no longer to be reached is forgotten.
    mutating func keep(_ ids: [NodeID]) {
        peers = peers.filter { ids.contains($0.key) }
    }

    mutating func received(_ status: PeerStatus, from id: NodeID, at now: MonotonicTime) {
        var peer = peers[id, default: Peer()]
        peer.status = status
        peer.statusAt = now
        if status.echo != 0 {
            let elapsed = now.nanoseconds &- status.echo
            if elapsed < 60_000_000_000, elapsed >= status.echoHeld {
                let sample = elapsed - status.echoHeld
                peer.roundTrip = peer.roundTrip == 0 ? sample : (peer.roundTrip * 7 + sample) / 8
            }
        }
        peers[id] = peer
    }

    /// What to echo to a peer: its clock in its last status, and how long ago that came.
    func echo(to id: NodeID, at now: MonotonicTime) -> (clock: UInt64, held: UInt64) {
        guard let peer = peers[id], let status = peer.status else { return (0, 0) }
        return (status.sentAt, now.since(peer.statusAt))
    }

    func all(at now: MonotonicTime) -> [(
        id: NodeID, status: PeerStatus, silentMilliseconds: UInt64, roundTripNanoseconds: UInt64
    )] {
        peers.keys.sorted().compactMap { id in
            guard let peer = peers[id], let status = peer.status else { return nil }
            return (id, status, now.since(peer.heardAt) / 1_000_000, peer.roundTrip)
        }
    }
}
