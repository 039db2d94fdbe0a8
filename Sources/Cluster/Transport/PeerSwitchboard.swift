import Raft
import ZeroMQ

/// What every transport does in the same way, whatever carries its frames: it makes envelopes, checks arriving ones, and
/// keeps requests and counters. Holds no socket and no clock.
struct PeerSwitchboard {
    private(set) var roster: PeerRoster
    private(set) var requests: RequestTable
    private(set) var statistics = TransportStatistics()
    private let log: (String) -> Void
    /// Per reason: when the log was last told, and how many drops it was not told of.
    private var lastLogged: [MonotonicTime?]
    private var unlogged: [Int]

    /// - Parameter log: told of dropped frames, at most once a second for each reason.
    init(
        cluster: ClusterID, own: NodeID, outstandingRequestsPerPeer: Int, firstRequest: UInt64,
        log: @escaping (String) -> Void
    ) {
        roster = PeerRoster(cluster: cluster, own: own)
        requests = RequestTable(limitPerPeer: outstandingRequestsPerPeer, first: firstRequest)
        self.log = log
        lastLogged = Array(repeating: nil, count: DropReason.allCases.count)
        unlogged = Array(repeating: 0, count: DropReason.allCases.count)
    }

    // MARK: Members

    mutating func update(members: [Member]) {
        roster.update(members: members)
        let known = statistics.peers
        statistics.peers = roster.peers.map { peer in known.first { $0.id == peer.id } ?? .init(id: peer.id) }
    }

    mutating func update(plannedPeers: [PlannedPeer]) { roster.update(plannedPeers: plannedPeers) }

    // MARK: Sending

    func envelope(_ kind: PeerEnvelope.Kind, to: NodeID, request: RequestID = RequestID(0)) -> PeerEnvelope {
        PeerEnvelope(kind: kind, cluster: roster.cluster, from: roster.own, to: to, request: request)
    }

    mutating func beginRequest(to peer: NodeID, deadline: MonotonicTime) -> RequestID? {
        requests.begin(to: peer, deadline: deadline)
    }

    /// Takes back a request that could not be sent.
    mutating func cancelRequest(_ id: RequestID, to peer: NodeID) { _ = requests.end(id, from: peer) }

    mutating func count(_ outcome: SendOutcome, bytes: Int, toPosition position: Int) {
        statistics.peers[position].count(outcome, bytes: bytes)
    }

    mutating func setConnected(_ isConnected: Bool, queuedBytes: Int, atPosition position: Int) {
        statistics.peers[position].isConnected = isConnected
        statistics.peers[position].queuedBytes = queuedBytes
        statistics.peers[position].outstandingRequests = requests.count(to: statistics.peers[position].id)
    }

    // MARK: Receiving

    /// Judges a frame.
    /// - Returns: nil when the frame was dropped and counted.
    mutating func accept(
        _ frame: UnsafeRawBufferPointer, proof: PeerProof, now: MonotonicTime
    ) -> PeerEvent? {
        do throws(DropReason) {
            let (envelope, payload) = try PeerEnvelope.read(frame)
            if envelope.kind == .introduction {
                return .introduction(from: try roster.verifyIntroduction(envelope, proof: proof), payload)
            }
            let position = try roster.verify(envelope, proof: proof)
            statistics.peers[position].receivedMessages += 1
            statistics.peers[position].receivedBytes += frame.count
            switch envelope.kind {
            case .message, .introduction:
                return .message(from: envelope.from, payload)
            case .request:
                return .request(IncomingRequest(from: envelope.from, id: envelope.request), payload)
            case .response:
                guard requests.end(envelope.request, from: envelope.from) else { throw .unexpectedResponse }
                return .response(to: envelope.request, from: envelope.from, payload)
            }
        } catch {
            drop(error, now: now)
            return nil
        }
    }

    mutating func drop(_ reason: DropReason, now: MonotonicTime) {
        statistics.countDrop(reason)
        let index = reason.rawValue
        unlogged[index] += 1
        if let last = lastLogged[index], now.since(last) < 1_000_000_000 { return }
        log("dropped \(unlogged[index]) frame(s) from peers: \(reason)")
        lastLogged[index] = now
        unlogged[index] = 0
    }

    /// Requests that have failed by now.
    mutating func failedRequests(now: MonotonicTime) -> [PeerEvent] {
        guard requests.count > 0 else { return [] }
        let roster = roster
        return requests.fail(now: now) { roster.position(of: $0) != nil }.map { id, peer, failure in
            if failure == .timedOut, let position = roster.position(of: peer) {
                statistics.peers[position].timedOutRequests += 1
            }
            return .failed(id, to: peer, failure)
        }
    }
}
