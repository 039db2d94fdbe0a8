import Cluster
import Gateways
import Raft
import Replica
import ZeroMQ

/// Shows one server's status at its HTTP doors.
struct ClusterAdapter: ClusterView {
    let server: Server
    private let startedAt = ContinuousClock.now

    init(server: Server) {
        self.server = server
    }

    func snapshot() async -> ClusterStatus { Self.status(server.status) }

    func metrics() async -> [MetricFamily] { ServerMetrics.families(server.status) }

    func liveness() async -> HealthCheck {
        guard let nanoseconds = await server.probe() else {
            return HealthCheck(
                name: "replica-thread", isOK: false, detail: "the replica thread did not answer within 2 seconds")
        }
        return HealthCheck(
            name: "replica-thread", isOK: true,
            detail: "answered in \(Figures.decimal(Double(nanoseconds) / 1e6, 2)) ms")
    }

    /// Entries (batches of commands) that a server may trail by and still count as caught up.
    static let caughtUpWithin = 1_000

    func readiness() async -> [HealthCheck] { Self.readiness(server.status, uptime: ContinuousClock.now - startedAt) }

    /// So long a server that has just started waits to hear from every member. Who is not heard by then is taken for dead.
    static let hearsAllWithin = Duration.seconds(5)

    static func readiness(_ status: ServerStatus, uptime: Duration) -> [HealthCheck] {
        // Until the others have found their way back to it they cannot lead it: whoever stops the next server now takes the last one away
        // that could.
        let unheard = status.peers.filter { $0.member.id != status.node && $0.silentMilliseconds == nil }.map(
            \.member.name)
        let hasHeardAll = unheard.isEmpty || uptime > hearsAllWithin
        let leaderCommit = status.peers.first { $0.member.id == status.leader }?.commit ?? status.commit
        let behind = max(0, leaderCommit - status.applied)
        return [
            HealthCheck(
                name: "has-leader", isOK: status.leader != nil,
                detail: status.leader == nil ? "no leader is known in term \(status.term)" : ""),
            HealthCheck(
                name: "hears-all", isOK: hasHeardAll,
                detail: hasHeardAll ? "" : "not heard yet since this server's start: \(unheard.joined(separator: ", "))"
            ),
            HealthCheck(
                name: "disk-has-room", isOK: !status.isDiskFull,
                detail: status.isDiskFull ? "the disk is full: writes are refused until there is room" : ""),
            HealthCheck(
                name: "may-vote", isOK: status.mayVote,
                detail: status.mayVote
                    ? "" : "its log lost what it may have promised; it is being repaired by the leader"),
            HealthCheck(
                name: "caught-up", isOK: behind <= caughtUpWithin,
                detail: behind <= caughtUpWithin ? "" : "\(behind) entries behind the leader's commit \(leaderCommit)"),
        ]
    }

    static func status(_ status: ServerStatus) -> ClusterStatus {
        // What the others say is a quarter of a second old, the leader's word as well: that is what they are compared with.
        let leader = status.peers.first { $0.member.id == status.leader }
        let newest = leader?.last ?? status.peers.compactMap(\.last).max()
        return ClusterStatus(
            clusterID: status.cluster.description, server: status.name, leader: status.name(of: status.leader),
            members: status.peers.sorted { $0.member.name < $1.member.name }.map { member($0, status, newest: newest) },
            commitLatency: percentiles(status.commitLatency), durableLatency: percentiles(status.sync),
            events: status.events.map { ClusterEvent(millisecondsSince1970: $0.millisecondsSince1970, text: $0.text) },
            tuples: status.tuples, waiters: status.waiters, sessions: status.sessions,
            joining: status.joining.map { record($0) }, operators: status.operators.map(\.z85))
    }

    /// Silent for longer than any election time-out.
    private static let reachableWithinMilliseconds: UInt64 = 1_000

    private static func member(
        _ peer: ServerStatus.Peer, _ status: ServerStatus, newest: LogIndex?
    ) -> ClusterStatus.Member {
        let isSelf = peer.member.id == status.node
        let isReachable = isSelf || peer.silentMilliseconds.map { $0 < reachableWithinMilliseconds } ?? false
        // A leader knows what is durable elsewhere; the others, what each says of itself.
        // One that has just been elected knows of nobody yet.
        let known = peer.match.flatMap { $0 > .zero ? $0 : nil } ?? peer.last
        var member = record(peer.member)
        member.role = isReachable ? role(peer) : .unknown
        member.isReachable = isReachable
        member.version = peer.version
        member.term = peer.term?.rawValue
        member.commitIndex = peer.commit?.rawValue
        member.appliedIndex = peer.applied?.rawValue
        member.lastIndex = peer.last?.rawValue
        member.matchIndex = peer.match?.rawValue
        member.trailsBy = newest.flatMap { newest in known.map { UInt64(max(0, newest - $0)) } }
        member.roundTripMilliseconds = peer.roundTripNanoseconds > 0 ? Double(peer.roundTripNanoseconds) / 1e6 : nil
        return member
    }

    private static func record(_ member: Raft.Member) -> ClusterStatus.Member {
        func text(_ key: [UInt8]) -> String { CurvePublicKey(bytes: key)?.z85 ?? "" }
        return ClusterStatus.Member(
            id: member.id.rawValue, name: member.name, peerAddress: member.peerAddress,
            clientAddress: member.clientAddress, httpAddress: member.httpAddress, isVoter: member.role == .voter,
            isPromoted: member.promoteWhenCaughtUp, publicKey: text(member.publicKey),
            nextPublicKey: member.nextPublicKey.map(text))
    }

    private static func role(_ peer: ServerStatus.Peer) -> ClusterStatus.Role {
        if peer.member.role == .learner { return .learner }
        return switch peer.role {
        case .leader: .leader
        case .follower: .follower
        case .candidate, .preCandidate: .candidate
        case nil: .unknown
        }
    }

    private static func percentiles(_ histogram: Histogram) -> [ClusterStatus.Percentile] {
        [50.0, 99.0].compactMap { percent in
            histogram.quantile(percent / 100).map { .init(percent: percent, milliseconds: Double($0) / 1e6) }
        }
    }
}
