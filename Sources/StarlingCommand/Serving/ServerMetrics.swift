import Cluster
import Gateways
import Raft
import Replica

/// One server's status as Prometheus metrics, named after etcd's where there is a twin.
enum ServerMetrics {
    static func families(_ status: ServerStatus) -> [MetricFamily] {
        consensus(status) + members(status) + certificate(status) + log(status) + peers(status) + state(status)
            + clients(status)
    }

    private static func consensus(_ status: ServerStatus) -> [MetricFamily] {
        [
            .gauge("starling_server_has_leader", "1 if this server knows of a leader.", status.leader == nil ? 0 : 1),
            .gauge("starling_server_is_leader", "1 if this server leads.", status.isLeader ? 1 : 0),
            .counter(
                "starling_server_leader_changes_seen_total", "Leaders that this server has seen come.",
                Double(status.leaderChanges)),
            .gauge("starling_raft_term", "The term this server is in.", number(status.term.rawValue)),
            .counter(
                "starling_proposals_committed_total", "Log entries known to be committed.",
                number(status.commit.rawValue)),
            .counter("starling_proposals_applied_total", "Log entries applied.", number(status.applied.rawValue)),
            .gauge("starling_proposals_pending", "Commands waiting to be applied.", Double(status.pendingCommands)),
            .counter(
                "starling_proposals_failed_total", "Commands answered without having been applied.",
                number(status.proposalsFailed)),
            histogram(
                "starling_commit_duration_seconds", "From a proposal to its commit, measured while leading.",
                status.commitLatency),
            histogram(
                "starling_apply_duration_seconds", "A pass of the replica thread that applied entries.",
                status.applyLatency),
            .gauge(
                "starling_may_vote", "0 while this server repairs a damaged log and must not vote.",
                status.mayVote ? 1 : 0),
        ]
    }

    private static func members(_ status: ServerStatus) -> [MetricFamily] {
        [
            .gauge("starling_server_is_learner", "1 if this server is a learner.", status.isLearner ? 1 : 0),
            .gauge(
                "starling_server_members", "Members of the configuration in force here.", Double(status.peers.count)),
            .gauge(
                "starling_server_feature_level", "The feature level that all members are known to support.",
                Double(status.featureLevel)),
            .gauge(
                "starling_server_election_timeout_seconds", "The least election timeout in use.",
                Double(status.electionTimeoutMilliseconds) / 1_000),
            .counter(
                "starling_server_leader_transfers_total", "Transfers of leadership that this server began.",
                number(status.transfers)),
            .counter(
                "starling_server_leader_transfers_failed_total", "Those of them that did not come about.",
                number(status.transfersFailed)),
            .counter(
                "starling_peer_refused_messages_total", "Messages of members that were not used, for what they said.",
                number(status.refusedMessages)),
            MetricFamily(
                name: "starling_peer_dropped_frames_total", help: "Frames dropped at the peers' door, by reason.",
                kind: .counter,
                series: status.droppedFrames.map { reason, count in
                    .init(labels: [.init("reason", "\(reason)")], value: .number(Double(count)))
                }),
        ]
    }

    /// Of a server whose others know it by a certificate.
    private static func certificate(_ status: ServerStatus) -> [MetricFamily] {
        guard let expires = status.certificateExpires else { return [] }
        return [
            .gauge(
                "starling_peer_certificate_expires_timestamp_seconds",
                "When the certificate that this server shows the others expires, in seconds since 1970.",
                number(expires))
        ]
    }

    private static func log(_ status: ServerStatus) -> [MetricFamily] {
        [
            histogram(
                "starling_log_fsync_duration_seconds", "From handing bytes to the log until they are durable.",
                status.sync),
            .gauge("starling_log_first_index", "The oldest entry in the log.", number(status.first.rawValue)),
            .gauge("starling_log_last_index", "The newest entry in the log.", number(status.last.rawValue)),
            .gauge(
                "starling_log_durable_index",
                "The newest entry that is durable "
                    + "here.", number(status.durable.rawValue)),
            .gauge(
                "starling_disk_full",
                "1 while the disk has no room and writes are "
                    + "refused.", status.isDiskFull ? 1 : 0),
            .gauge(
                "starling_snapshot_index", "The log index of the newest snapshot.", number(status.snapshot.rawValue)),
            histogram("starling_snapshot_save_duration_seconds", "Time to write one snapshot.", status.snapshotSave),
            .counter(
                "starling_snapshot_sent_bytes_total", "Bytes of snapshots sent to members that were far behind.",
                number(status.snapshotBytesSent)),
            .counter(
                "starling_snapshot_failures_total", "Snapshots that could not be written.",
                number(status.snapshotFailures)),
        ]
    }

    private static func peers(_ status: ServerStatus) -> [MetricFamily] {
        let others = status.peers.filter { $0.member.id != status.node }
        func family(_ name: String, _ help: String, _ value: (ServerStatus.Peer) -> Double?) -> MetricFamily {
            MetricFamily(
                name: name, help: help, kind: .gauge,
                series: others.compactMap { peer in
                    value(peer).map { .init(labels: [.init("peer", peer.member.name)], value: .number($0)) }
                })
        }
        return [
            family("starling_peer_round_trip_seconds", "Smoothed time to a peer and back.") {
                $0.roundTripNanoseconds > 0 ? Double($0.roundTripNanoseconds) / 1e9 : nil
            },
            family(
                "starling_peer_match_index",
                "Where a peer's log is known to agree with the leader's; on the leader only."
            ) {
                $0.match.map { number($0.rawValue) }
            },
            family("starling_peer_silent_seconds", "Since a peer's last message.") {
                $0.silentMilliseconds.map { Double($0) / 1_000 }
            },
        ]
    }

    private static func state(_ status: ServerStatus) -> [MetricFamily] {
        [
            .gauge("starling_tuples", "Tuples in all spaces.", Double(status.tuples)),
            .gauge("starling_waiters", "Takes that wait for a tuple.", Double(status.waiters)),
            .gauge("starling_watches", "Reads that wait for a tuple at this server.", Double(status.watches)),
            .gauge("starling_subscriptions", "Subscribers at this server.", Double(status.subscriptions)),
            .gauge("starling_sessions", "Open sessions.", Double(status.sessions)),
            .gauge("starling_held_tuples", "Tuples taken and not yet acknowledged.", Double(status.held)),
        ]
    }

    private static func clients(_ status: ServerStatus) -> [MetricFamily] {
        [
            .gauge("starling_client_connections", "Native clients connected.", Double(status.clientConnections)),
            .counter("starling_client_requests_total", "Requests of native clients.", number(status.clientRequests)),
            .counter(
                "starling_client_malformed_frames_total", "Frames of clients and peers that could not be read.",
                number(status.malformedFrames)),
            .counter(
                "starling_client_dropped_replies_total", "Replies that a client did not take.",
                number(status.droppedReplies)),
            MetricFamily(
                name: "starling_server_info", help: "Which server this is.", kind: .gauge,
                series: [
                    .init(
                        labels: [
                            .init("server", status.name), .init("cluster", status.cluster.description),
                            .init("version", status.version),
                        ], value: .number(1))
                ]),
        ]
    }

    private static func number(_ value: UInt64) -> Double { Double(value) }

    private static func histogram(_ name: String, _ help: String, _ histogram: Histogram) -> MetricFamily {
        MetricFamily(
            name: name, help: help, kind: .histogram,
            series: [
                .init(
                    value: .histogram(
                        .init(
                            bounds: Histogram.bounds.map { Double($0) / 1e9 }, counts: histogram.counts,
                            sum: Double(histogram.sumNanoseconds) / 1e9)))
            ])
    }
}
