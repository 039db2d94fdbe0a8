/// What a server knows of the others, whatever its role and theirs: what they understand, and how far away they are.
///
/// A plain array, searched from its beginning: clusters are small, and it is asked for every message that goes out.
struct KnownPeers: Sendable {
    struct Peer: Sendable {
        let id: NodeID
        /// Of the last message that came from it.
        var featureLevel: UInt32
        /// Smoothed round trip and its mean deviation in nanoseconds, as RFC 6298 computes them; 0 before the first
        /// one.
        var roundTrip: UInt64 = 0
        var variation: UInt64 = 0
    }

    /// Members are far fewer. Strangers with keys that the cluster accepts must not fill the memory, nor keep a member
    /// from being known.
    static let limit = 64
    /// No round trip is taken for longer than this.
    static let longestRoundTrip: UInt64 = 60_000_000_000

    private(set) var all: [Peer] = []

    subscript(id: NodeID) -> Peer? {
        for peer in all where peer.id == id { return peer }
        return nil
    }

    /// - Returns: false if there is no room for one that was not known.
    @discardableResult
    mutating func heard(_ id: NodeID, featureLevel: UInt32) -> Bool {
        for i in all.indices where all[i].id == id {
            all[i].featureLevel = featureLevel
            return true
        }
        guard all.count < KnownPeers.limit else { return false }
        all.append(Peer(id: id, featureLevel: featureLevel))
        return true
    }

    /// Makes room by whoever is no member and has been known longest.
    mutating func forgetStranger(besides members: Configuration) {
        if let longest = all.firstIndex(where: { members[$0.id] == nil }) { all.remove(at: longest) }
    }

    mutating func measured(_ id: NodeID, roundTrip sample: UInt64) {
        let sample = min(max(sample, 1), KnownPeers.longestRoundTrip)
        for i in all.indices where all[i].id == id {
            guard all[i].roundTrip > 0 else {
                all[i].roundTrip = sample
                all[i].variation = sample / 2
                return
            }
            let known = all[i].roundTrip
            let deviation = known > sample ? known - sample : sample - known
            all[i].variation = (all[i].variation * 3 + deviation) / 4
            all[i].roundTrip = (known * 7 + sample) / 8
            return
        }
    }
}

/// The timeouts that are in use, in milliseconds. The leader computes the least election timeout from round trips and
/// tells everyone; dissertation 9.4 and 10.1 say why it should be some ten times the time that a broadcast takes.
struct Timing: Sendable {
    /// As the present or the last leader computed or told it; nil: the one that is set.
    var told: UInt64?
    /// The least election timeout that the followers know for certain: heartbeats keep pace with it. At most `told`.
    var pace: UInt64 = 0
    /// The followers are being told a longer one, and know it from this time on.
    var slowing: (pace: UInt64, at: MonotonicTime)?
    /// A connection to a follower broke: until then heartbeats hurry, so that whoever comes back hears one at once.
    var hastyUntil = MonotonicTime.zero

    /// Heartbeats in one least election timeout. That many in a row must be lost before anyone doubts the leader.
    static let heartbeatsInTimeout: UInt64 = 6
    /// The least election timeout in round trips, each taken with four times its mean deviation.
    static let roundTripsInTimeout: UInt64 = 10
    /// A disk may stall for as long without harm, however near the servers are to each other.
    static let leastDiskPatience: UInt64 = 600
}

extension Node {
    /// The least time without a leader after which anyone may stand: within it a leader that was heard counts as
    /// alive.
    public var leastElectionTimeout: UInt64 { timing.told ?? settings.electionTimeoutMilliseconds.lowerBound }

    /// The same in nanoseconds.
    var minimumElectionTimeout: UInt64 { leastElectionTimeout * 1_000_000 }

    /// The time after which any server doubts a leader that it does not hear.
    var longestElectionTimeout: UInt64 {
        timing.told.map { $0 * 2 } ?? settings.electionTimeoutMilliseconds.upperBound
    }

    /// The range in which this server's own timeouts lie. Whoever stands must not start over before the answers can
    /// be there, whatever it was told: on a slow link nobody would ever be elected.
    private var electionTimeouts: Range<UInt64> {
        let usual = leastElectionTimeout..<max(longestElectionTimeout, leastElectionTimeout + 1)
        guard let bounds = settings.adaptiveTimeoutMilliseconds else { return usual }
        let patience = min(3 * slowestRoundTrip / 1_000_000, bounds.upperBound)
        return patience > usual.lowerBound ? patience..<patience * 2 : usual
    }

    private var slowestRoundTrip: UInt64 {
        var slowest: UInt64 = 0
        for peer in known.all where voters.contains(peer.id) { slowest = max(slowest, peer.roundTrip) }
        return slowest
    }

    /// Randomised, so that votes are seldom split (dissertation 3.4).
    mutating func resetElectionDeadline() {
        electionDeadline = now.advanced(byMilliseconds: random.next(in: electionTimeouts))
    }

    /// A server alone need not wait for anyone. In a new cluster there can be no leader yet whom waiting would spare,
    /// so the first election comes early; if several stand at once, the usual timeouts part them.
    mutating func firstElectionTimeout() -> UInt64 {
        if voters.isOnly(id) { return 0 }
        let usual = settings.electionTimeoutMilliseconds
        guard term == .zero, log.last == .zero else { return random.next(in: usual) }
        return random.next(in: usual.lowerBound / 10..<max(usual.lowerBound / 2, usual.lowerBound / 10))
    }

    /// A server whose disk hangs could not make its vote durable, nor lead. A busy disk stalls for a while now and
    /// then, however near the other servers are.
    var diskHangs: Bool {
        durability.oldestAge(at: now) >= max(leastElectionTimeout, Timing.leastDiskPatience) * 1_000_000
    }

    // MARK: Round trips

    /// An answer to something that this server sent at `sentAt`, in this life.
    mutating func measure(_ peer: NodeID, sentAt: UInt64) {
        guard sentAt >= startedAt.nanoseconds, sentAt <= now.nanoseconds, sentAt > 0 else { return }
        known.measured(peer, roundTrip: now.nanoseconds - sentAt)
    }

    /// What the leader says is taken, within the bounds that are set here; a leader of an older program says nothing.
    mutating func learnTimeout(_ milliseconds: UInt32) {
        guard let bounds = settings.adaptiveTimeoutMilliseconds else { return }
        timing.told =
            milliseconds == 0 ? nil : min(max(UInt64(milliseconds), bounds.lowerBound), bounds.upperBound)
    }

    // MARK: The leader's side

    /// What every server shall take for the least election timeout; 0 if it is fixed.
    var timeoutToTell: UInt32 {
        settings.adaptiveTimeoutMilliseconds == nil ? 0 : UInt32(clamping: leastElectionTimeout)
    }

    var heartbeatInterval: UInt64 {
        var interval = timing.told == nil ? settings.heartbeatMilliseconds : timing.pace / Timing.heartbeatsInTimeout
        // A lease is to last from one heartbeat to the next.
        if settings.leaseReads { interval = min(interval, settings.leaseMilliseconds / 3) }
        if now < timing.hastyUntil { interval = min(interval, settings.leaseVoteMilliseconds / 6) }
        return max(interval, 1)
    }

    /// A new leader does not know what the others were told, so it begins as fast as anyone can expect.
    mutating func beginTiming() {
        timing.pace = min(leastElectionTimeout, settings.electionTimeoutMilliseconds.lowerBound)
        timing.slowing = nil
        adaptTiming()
    }

    /// With every heartbeat. It is raised at once, by a quarter more than is needed, and lowered only when much less
    /// is needed, so that it seldom changes.
    mutating func adaptTiming() {
        guard let bounds = settings.adaptiveTimeoutMilliseconds else { return }
        let present = leastElectionTimeout
        if let needed = measuredTimeout(bounds) {
            if needed > present {
                timing.told = min(needed * 5 / 4, bounds.upperBound)
            } else if timing.told == nil || needed < present * 3 / 4 {
                timing.told = needed
            }
        }
        keepPace()
    }

    /// Heartbeats become rarer only when the followers know that they are to wait longer: when they have been told as
    /// often as they may miss a heartbeat. They become more frequent at once.
    private mutating func keepPace() {
        let told = leastElectionTimeout
        if told <= timing.pace || settings.mutations.contains(.paceGrowsAtOnce) {
            timing.pace = told
            timing.slowing = nil
            return
        }
        if let slowing = timing.slowing, now >= slowing.at {
            timing.pace = min(slowing.pace, told)
            timing.slowing = nil
        }
        if timing.slowing == nil, told > timing.pace {
            timing.slowing = (told, now.advanced(byMilliseconds: max(timing.pace, heartbeatInterval * 6)))
        }
    }

    /// From the voters heard lately: one that is gone must not make everyone slow. Nil if none was measured.
    private func measuredTimeout(_ bounds: ClosedRange<UInt64>) -> UInt64? {
        var slowest: UInt64 = 0
        for peer in progress where voters.contains(peer.id) {
            guard now.since(peer.contact) < 2 * bounds.upperBound * 1_000_000, let known = known[peer.id] else {
                continue
            }
            if known.roundTrip > 0 { slowest = max(slowest, known.roundTrip + 4 * known.variation) }
        }
        guard slowest > 0 else { return nil }
        let milliseconds = slowest * Timing.roundTripsInTimeout / 1_000_000
        return min(max(milliseconds, bounds.lowerBound), bounds.upperBound)
    }
}
