/// The cluster's status as its page shows it: every figure as text, a dash for what this server cannot know.
struct ClusterPageView: Sendable {
    struct Member: Sendable {
        var name: String
        var isHere: Bool
        var isReachable: Bool
        var role: String
        var roleClass: String
        var term: String
        var last: String
        var commit: String
        var applied: String
        var match: String
        var trailsBy: String
        /// In words, for the card.
        var trails: String?
        var roundTrip: String
        var httpAddress: String
        var url: String?
    }

    /// A server that asks to be added.
    struct Joiner: Sendable {
        var name: String
        var address: String
        var key: String
    }

    struct Event: Sendable {
        var text: String
        var iso: String
        var readable: String
        var relative: String
    }

    var frame: Frame
    var summary: String
    var members: [Member]
    var hasJoiners: Bool
    var joiners: [Joiner]
    var charts: [BarChart]
    var tuples: String
    var waiters: String
    var sessions: String
    var clusterID: String
    var events: [Event]

    init(_ status: ClusterStatus, now: UInt64) {
        frame = Frame(
            title: "Cluster", path: "/cluster", status: status, banner: status.leader == nil ? Frame.staleBanner : nil)
        frame.isCluster = true
        summary = Self.summary(status)
        members = status.members.map { Self.member($0, status: status) }
        joiners = status.joining.map { Joiner(name: $0.name, address: $0.peerAddress, key: $0.publicKey) }
        hasJoiners = !joiners.isEmpty
        charts = Self.charts(status)
        tuples = Figures.count(UInt64(status.tuples))
        waiters = Figures.count(UInt64(status.waiters))
        sessions = Figures.count(UInt64(status.sessions))
        clusterID = status.clusterID
        events = status.events.map {
            Event(
                text: $0.text, iso: Timestamp.iso8601(milliseconds: $0.millisecondsSince1970),
                readable: Timestamp.readable(milliseconds: $0.millisecondsSince1970),
                relative: Timestamp.relative(milliseconds: $0.millisecondsSince1970, now: now))
        }
    }

    private static func summary(_ status: ClusterStatus) -> String {
        let reachable = status.members.filter(\.isReachable).count
        let count = status.members.count
        let reach =
            reachable == count ? "All \(count) servers are well." : "\(reachable) of \(count) servers can be reached."
        guard let leader = status.leader else {
            return "Nobody leads: it takes \(count / 2 + 1) of \(count) servers to elect a leader. \(reach)"
        }
        let term = status.members.compactMap(\.term).max().map { " in term \(Figures.count($0))" } ?? ""
        return "\(leader) leads\(term). \(reach)"
    }

    private static func member(_ member: ClusterStatus.Member, status: ClusterStatus) -> Member {
        let role = member.isReachable ? member.role.rawValue : "not heard from"
        let trails: String? =
            switch member.trailsBy {
            case nil: nil
            case 0: member.role == .leader ? nil : "up to date"
            case 1: "1 entry behind"
            case let behind?: "\(Figures.count(behind)) entries behind"
            }
        return Member(
            name: member.name, isHere: member.name == status.server, isReachable: member.isReachable,
            role: role.prefix(1).uppercased() + role.dropFirst(), roleClass: member.role.rawValue,
            term: Figures.count(member.term), last: Figures.count(member.lastIndex),
            commit: Figures.count(member.commitIndex), applied: Figures.count(member.appliedIndex),
            match: Figures.count(member.matchIndex), trailsBy: Figures.count(member.trailsBy), trails: trails,
            roundTrip: member.roundTripMilliseconds.map { "\(Figures.milliseconds($0)) ms" } ?? Figures.unknown,
            httpAddress: member.httpAddress,
            url: member.httpAddress.isEmpty ? nil : "http://\(member.httpAddress)/cluster")
    }

    private static func charts(_ status: ClusterStatus) -> [BarChart] {
        let roundTrips = status.members.compactMap { member in
            member.roundTripMilliseconds.map { (member.name, $0) }
        }
        func percentiles(_ values: [ClusterStatus.Percentile]) -> [(String, Double)] {
            values.map { ("p\($0.shortName)", $0.milliseconds) }
        }
        return [
            BarChart("Round trips", firstColumn: "To", roundTrips),
            BarChart("Commit latency", firstColumn: "Percentile", percentiles(status.commitLatency)),
            BarChart("Time to durable", firstColumn: "Percentile", percentiles(status.durableLatency)),
        ].compactMap { $0 }
    }
}

/// Figures for people.
enum Figures {
    static let unknown = "–"

    static func count(_ value: UInt64?) -> String {
        guard let value else { return unknown }
        var text = ""
        for (place, digit) in String(value).reversed().enumerated() {
            if place > 0, place % 3 == 0 { text.append(",") }
            text.append(digit)
        }
        return String(text.reversed())
    }

    /// Two decimals below ten, one below a hundred, else none.
    static func milliseconds(_ value: Double) -> String {
        guard value.isFinite, value >= 0, value < 1e12 else { return unknown }
        let decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0
        let scale: UInt64 = decimals == 2 ? 100 : decimals == 1 ? 10 : 1
        let scaled = UInt64((value * Double(scale)).rounded())
        guard decimals > 0 else { return count(scaled) }
        let fraction = String(scaled % scale)
        return "\(scaled / scale).\(String(repeating: "0", count: decimals - fraction.count))\(fraction)"
    }
}
