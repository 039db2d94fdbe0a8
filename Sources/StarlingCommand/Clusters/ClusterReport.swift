import Foundation

/// What `GET /v1/cluster` and the native protocol say of the cluster, as far as this program shows it.
struct ClusterReport: Decodable {
    struct Member: Decodable {
        /// A decimal number.
        var id: String
        var name: String
        var peer: String
        var client: String
        var http: String
        /// Z85; empty without encryption.
        var publicKey: String
        var nextPublicKey: String?
        var voter: Bool
        var promotedWhenCaughtUp: Bool
        var version: String?
        var role: String
        var reachable: Bool
        var term: UInt64?
        var commitIndex: UInt64?
        var appliedIndex: UInt64?
        var lastIndex: UInt64?
        var trailsBy: UInt64?
        var roundTripMs: Double?
    }

    /// A server that asked to be added.
    struct Joiner: Decodable {
        var id: String
        var name: String
        var peer: String
        var client: String
        var http: String
        var publicKey: String
    }

    struct Event: Decodable {
        var time: String
        var text: String
    }

    var clusterId: String
    var server: String
    var leader: String?
    var members: [Member]
    var joining: [Joiner]
    /// Z85.
    var operators: [String]
    var commitLatencyMs: [String: Double]
    var durableLatencyMs: [String: Double]
    var tuples: Int
    var waiters: Int
    var sessions: Int
    var events: [Event]

    init(json: [UInt8]) throws(Complaint) {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        do {
            self = try decoder.decode(ClusterReport.self, from: Data(json))
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
                Self.text(member.commitIndex), Self.text(member.appliedIndex), Self.text(member.trailsBy),
                member.roundTripMs.map { "\(Figures.decimal($0, 2)) ms" } ?? "-", "http://\(member.http)/")
        }
        return table.lines
    }

    static func text(_ number: UInt64?) -> String { number.map { Figures.grouped(Int(clamping: $0)) } ?? "-" }
}
