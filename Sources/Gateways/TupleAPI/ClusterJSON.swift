/// The cluster's status for programs.
enum ClusterJSON {
    static func json(_ status: ClusterStatus) -> JSON {
        .object([
            .init("cluster_id", .string(status.clusterID)),
            .init("server", .string(status.server)),
            .init("leader", status.leader.map { .string($0) } ?? .null),
            .init("members", .array(status.members.map(json))),
            .init("joining", .array(status.joining.map(record))),
            .init("operators", .array(status.operators.map { .string($0) })),
            .init("commit_latency_ms", json(status.commitLatency)),
            .init("durable_latency_ms", json(status.durableLatency)),
            .init("tuples", .int(Int64(status.tuples))),
            .init("waiters", .int(Int64(status.waiters))),
            .init("sessions", .int(Int64(status.sessions))),
            .init(
                "events",
                .array(
                    status.events.map {
                        .object([
                            .init("time", .string(Timestamp.iso8601(milliseconds: $0.millisecondsSince1970))),
                            .init("text", .string($0.text)),
                        ])
                    })),
        ])
    }

    /// What a server is, whatever it does at the moment.
    private static func fields(_ member: ClusterStatus.Member) -> [JSON.Member] {
        [
            .init("id", .string(String(member.id))),
            .init("name", .string(member.name)),
            .init("peer", .string(member.peerAddress)),
            .init("client", .string(member.clientAddress)),
            .init("http", .string(member.httpAddress)),
            .init("public_key", .string(member.publicKey)),
        ]
    }

    private static func record(_ member: ClusterStatus.Member) -> JSON { .object(fields(member)) }

    private static func json(_ member: ClusterStatus.Member) -> JSON {
        .object(
            fields(member) + [
                .init("next_public_key", member.nextPublicKey.map { .string($0) } ?? .null),
                .init("voter", .bool(member.isVoter)),
                .init("promoted_when_caught_up", .bool(member.isPromoted)),
                .init("version", member.version.map { .string($0) } ?? .null),
                .init("role", .string(member.role.rawValue)),
                .init("reachable", .bool(member.isReachable)),
                .init("term", number(member.term)),
                .init("commit_index", number(member.commitIndex)),
                .init("applied_index", number(member.appliedIndex)),
                .init("last_index", number(member.lastIndex)),
                .init("match_index", number(member.matchIndex)),
                .init("trails_by", number(member.trailsBy)),
                .init("round_trip_ms", member.roundTripMilliseconds.map(number) ?? .null),
            ])
    }

    /// An object of `p50`, `p99` and so on.
    private static func json(_ percentiles: [ClusterStatus.Percentile]) -> JSON {
        .object(percentiles.map { .init("p\($0.shortName)", number($0.milliseconds)) })
    }

    private static func number(_ value: UInt64?) -> JSON { value.map { .int(Int64(clamping: $0)) } ?? .null }
    private static func number(_ value: Double) -> JSON { value.isFinite ? .double(value) : .null }
}

extension ClusterStatus.Percentile {
    /// `50`, `99`, `99.9`.
    var shortName: String { Int(exactly: percent).map { String($0) } ?? percent.description }
}
