import Foundation

/// What `GET /v1/cluster` and the native protocol say of the cluster, as far as this program shows it.
struct ClusterReport: Decodable {
    struct Member: Decodable {
        var name: String
        var http: String
        var role: String
        var reachable: Bool
        var term: UInt64?
        var commit_index: UInt64?
        var applied_index: UInt64?
        var last_index: UInt64?
        var trails_by: UInt64?
        var round_trip_ms: Double?
    }

    struct Event: Decodable {
        var time: String
        var text: String
    }

    var cluster_id: String
    var server: String
    var leader: String?
    var members: [Member]
    var commit_latency_ms: [String: Double]
    var durable_latency_ms: [String: Double]
    var tuples: Int
    var waiters: Int
    var sessions: Int
    var events: [Event]

    init(json: [UInt8]) throws(Complaint) {
        do {
            self = try JSONDecoder().decode(ClusterReport.self, from: Data(json))
        } catch {
            throw Complaint(.failed, "the server's status cannot be read: \(error)")
        }
    }

    /// The member that said all this.
    var own: Member? { members.first { $0.name == server } }

    /// `leader` with a mark, so that it is found at a glance.
    static func mark(_ member: Member) -> String {
        if !member.reachable { return "✗" }
        switch member.role {
        case "leader": return "★"
        case "follower": return "●"
        case "learner": return "◌"
        default: return "○"
        }
    }

    var lines: [String] {
        var table = Table(
            ("", .left), ("SERVER", .left), ("ROLE", .left), ("TERM", .right), ("COMMIT", .right), ("APPLIED", .right),
            ("TRAILS BY", .right), ("ROUND TRIP", .right), ("PAGE", .left))
        for member in members {
            table.add(
                Self.mark(member), member.name, member.reachable ? member.role : "unreachable", Self.text(member.term),
                Self.text(member.commit_index), Self.text(member.applied_index), Self.text(member.trails_by),
                member.round_trip_ms.map { "\(Figures.decimal($0, 2)) ms" } ?? "-", "http://\(member.http)/")
        }
        return table.lines
    }

    private static func text(_ number: UInt64?) -> String { number.map { Figures.grouped(Int(clamping: $0)) } ?? "-" }
}
