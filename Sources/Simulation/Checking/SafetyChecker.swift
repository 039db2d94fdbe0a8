import ByteCoding
import Raft
import Replica
import TupleSpace

/// What must never happen in consensus, checked after every pass of every server from the outside: from what the
/// servers write, send and say of themselves, not from what they keep inside.
struct SafetyChecker {
    struct Violation: Equatable {
        var invariant: String
        var details: String
    }

    private struct Place: Hashable {
        var term: UInt64
        var index: UInt64
    }

    /// The first thing that was found wrong.
    private(set) var violation: Violation?
    /// Every entry that any server is known to have committed, from index 1.
    private(set) var committed: [StampedEntry] = []
    /// The term of the server that was the first to know it, of each of them.
    private var committedIn: [Term] = []
    /// Replays the committed log, for digests and replies.
    private(set) var reference: ReferenceState
    private var written: [Place: (hash: UInt64, previousTerm: Term)] = [:]
    private var leaders: [Term: NodeID] = [:]
    private var votes: [Place: NodeID] = [:]
    /// The first one, and every committed one behind it.
    private(set) var configurations: [PlacedConfiguration]

    init(_ first: Configuration, _ mutations: TupleMutations = []) {
        reference = ReferenceState(mutations)
        configurations = [PlacedConfiguration(index: .zero, configuration: first)]
    }

    var commit: LogIndex { LogIndex(UInt64(committed.count)) }
    var elections: Int { leaders.count }
    func leader(in term: Term) -> NodeID? { leaders[term] }
    /// The latest committed one.
    var configuration: Configuration { configurations[configurations.count - 1].configuration }

    mutating func report(_ invariant: String, _ details: String) {
        if violation == nil { violation = Violation(invariant: invariant, details: details) }
    }

    // MARK: - What is written

    /// A server hands a write to its storage.
    /// - log: its log before that write; it is brought up to date.
    mutating func wrote(_ write: StorageWrite, by id: NodeID, leads: Term?, log: inout LogImage) {
        if let hardState = write.hardState, hardState.term < log.hardState.term {
            report("terms never go back", "\(id) writes term \(hardState.term) after \(log.hardState.term)")
        }
        if let from = write.truncateFrom {
            if let leads { report("leader append-only", "\(id) leads term \(leads) and drops entries from \(from)") }
            if from <= commit, from <= log.last, committed[Int(from.rawValue) - 1] == log.stamped(from) {
                report("committed entries stay", "\(id) drops the committed entry \(from)")
            }
        }
        if let snapshot = write.snapshot { checkSnapshot(snapshot, by: id) }
        var stamps: [StampedEntry] = []
        stamps.reserveCapacity(write.entries.count)
        var previousTerm = write.entries.first.flatMap { self.previousTerm(of: $0, write, log) }
        for entry in write.entries {
            let stamped = StampedEntry(entry)
            stamps.append(stamped)
            if let previousTerm { checkMatching(stamped, behind: previousTerm, by: id) }
            previousTerm = entry.term
        }
        log.apply(write, stamps)
        if let last = write.entries.last, log.last != last.index {
            report("a log has no holes", "\(id) writes entry \(last.index), and its log then ends at \(log.last)")
        }
    }

    private func previousTerm(of first: Entry, _ write: StorageWrite, _ log: LogImage) -> Term? {
        let before = first.index.previous
        if let snapshot = write.snapshot, snapshot.index == before { return snapshot.term }
        return log.term(at: before)
    }

    /// Raft paper, figure 3, log matching: by induction over the index it is enough that equal index and term mean
    /// equal contents and equal terms before.
    private mutating func checkMatching(_ stamped: StampedEntry, behind previousTerm: Term, by id: NodeID) {
        let place = Place(term: stamped.entry.term.rawValue, index: stamped.entry.index.rawValue)
        guard let known = written[place] else {
            written[place] = (stamped.hash, previousTerm)
            return
        }
        if known.hash != stamped.hash || known.previousTerm != previousTerm {
            report(
                "log matching",
                "\(id) has at index \(place.index), term \(place.term) other contents than another server, "
                    + "or another term before it"
            )
        }
    }

    private mutating func checkSnapshot(_ metadata: SnapshotMetadata, by id: NodeID) {
        guard metadata.index > .zero else { return }
        guard metadata.index <= commit else {
            return report(
                "a snapshot holds committed entries", "\(id) has one at \(metadata.index); committed is \(commit)")
        }
        let entry = committed[Int(metadata.index.rawValue) - 1].entry
        if entry.term != metadata.term {
            report(
                "a snapshot holds committed entries",
                "\(id) has one at \(metadata.index) of term \(metadata.term); "
                    + "the committed entry has term \(entry.term)"
            )
        }
        guard let placed = configurations.last(where: { $0.index <= metadata.index }) else { return }
        if metadata.configurationIndex != placed.index || metadata.configuration != placed.configuration {
            report(
                "a snapshot holds the configuration of its index",
                "\(id) has one at \(metadata.index) with \(metadata.configuration.voterNames) of "
                    + "\(metadata.configurationIndex); committed is \(placed.configuration.voterNames) at \(placed.index)"
            )
        }
    }

    // MARK: - Who leads

    /// - Parameters:
    ///   - log: of the new leader.
    ///   - before: the configuration that was in force before the pass in which it was elected.
    ///   - ownVote: whether its disk has its vote for itself.
    mutating func leads(_ id: NodeID, in term: Term, log: LogImage, before: Configuration?, ownVote: Bool) {
        if let other = leaders[term] {
            if other != id { report("election safety", "\(other) and \(id) both lead in term \(term)") }
            return
        }
        leaders[term] = id
        let electorates = [before, log.configuration?.configuration].compactMap { $0 }
        let isElected = electorates.contains { electorate in
            electorate.isMajority { voter in
                voter == id ? ownVote : votes[Place(term: term.rawValue, index: voter.rawValue)] == id
            }
        }
        if !isElected {
            report("a leader has the votes of every majority", "\(id) leads term \(term) without them")
        }
        // A leader that was elected late, when later terms had their leaders already, need not have what those
        // committed.
        guard let place = committedIn.lastIndex(where: { $0 < term }) else { return }
        let last = committed[place]
        guard !log.holds(last.entry.index, last.entry.term) else { return }
        report(
            "leader completeness",
            "\(id) leads term \(term) without the entry \(last.entry.index) of term "
                + "\(last.entry.term), which is committed"
        )
    }

    // MARK: - What is committed and applied

    /// A server's commit index has risen to `index`.
    /// - Parameters:
    ///   - configurations: what was in force during the pass.
    ///   - holds: whether a server's disk has the entry of that term there.
    mutating func advanced(
        _ id: NodeID, in term: Term, from old: LogIndex, to index: LogIndex, log: LogImage,
        configurations: [Configuration], holds: (NodeID, LogIndex, Term) -> Bool
    ) {
        let knownBefore = commit
        var next = old.next
        while next <= index, violation == nil {
            if next <= commit {
                if let own = log.stamped(next), own != committed[Int(next.rawValue) - 1] {
                    report("state machine safety", "\(id) commits another entry at \(next) than another server")
                }
            } else if let own = log.stamped(next) {
                commit(own, by: id, in: term, holds)
            } else {
                report("only what is in the log is committed", "\(id) commits \(next), which its log does not have")
            }
            next = next.next
        }
        // Majorities are counted where it matters: for what was not known to be committed before.
        guard let last = committed.last, index == last.entry.index, knownBefore < index else { return }
        let isDurable = configurations.contains { $0.isMajority { holds($0, index, last.entry.term) } }
        if !isDurable {
            report(
                "committed means durable at every majority",
                "\(id) commits \(index) of term \(last.entry.term); the disks that have it are no majority of "
                    + configurations.map(\.voterNames).joined(separator: ", nor of "))
        }
    }

    private mutating func commit(
        _ own: StampedEntry, by id: NodeID, in term: Term, _ holds: (NodeID, LogIndex, Term) -> Bool
    ) {
        committed.append(own)
        committedIn.append(max(term, committedIn.last ?? .zero))
        reference.apply(own.entry, level: self.configuration.featureLevel)
        if let difference = reference.difference() {
            report("the state is that of the one order", "after entry \(own.entry.index) it has \(difference)")
        }
        guard let configuration = Configuration(own.entry) else { return }
        configurations.append(PlacedConfiguration(index: own.entry.index, configuration: configuration))
        // It has been in force since it was appended, and none may follow before it is committed.
        if !configuration.isMajority({ holds($0, own.entry.index, own.entry.term) }) {
            report(
                "a configuration is committed by its own majorities",
                "\(id) commits the configuration at \(own.entry.index); the disks that have it are no majority of "
                    + configuration.voterNames)
        }
    }

    mutating func applied(_ id: NodeID, _ index: LogIndex, digest: UInt64) {
        guard index <= commit else {
            return report("applied <= committed", "\(id) applied \(index), committed is \(commit)")
        }
        let expected = reference.digest(at: index)
        if expected != digest {
            report(
                "same state at the same index", "\(id) at \(index): digest \(digest), and the replay has \(expected)")
        }
    }

    /// A leader's commit index has risen to `index`, by counting who has it.
    mutating func counted(_ id: NodeID, in term: Term, to index: LogIndex, log: LogImage) {
        guard let found = log.term(at: index), found != term else { return }
        // Raft paper, figure 8: an entry of an older term can still be overwritten although a majority has it.
        report(
            "only entries of the leader's own term are committed by counting",
            "\(id) leads term \(term) and commits up to \(index), which is of term \(found)")
    }

    // MARK: - What is told

    /// A message leaves a server: what it promises must be on that server's disk.
    /// - Parameters:
    ///   - leaderLog: of the server that the message goes to, if it leads in the message's term.
    ///   - candidateLog: likewise, if it stands in the message's term.
    ///   - isDamaged: it has found that part of its log is lost.
    mutating func sends(
        _ message: Message, from id: NodeID, durable: LogImage, isDamaged: Bool, leaderLog: LogImage?,
        candidateLog: LogImage?
    ) {
        if isDamaged { checkDamaged(message, id) }
        let told = durable.hardState
        func complain(_ what: String) -> String { "\(id) tells \(message.to) \(what); its disk has \(told)" }
        switch message.body {
        case .preVoteRequest, .preVoteResponse:
            if message.term.rawValue > told.term.rawValue + 1 {
                report("a term is durable before it is told", complain("pre-vote term \(message.term)"))
            }
        case .voteRequest:
            if told.term < message.term || (told.term == message.term && told.vote != id) {
                report("a vote is durable before it is told", complain("that it stands in term \(message.term)"))
            }
        case .voteResponse(let response) where response.granted:
            if told.term < message.term || (told.term == message.term && told.vote != message.to) {
                report("a vote is durable before it is told", complain("its vote in term \(message.term)"))
            }
            let place = Place(term: message.term.rawValue, index: id.rawValue)
            if let other = votes[place], other != message.to {
                report("one vote a term", "\(id) votes for \(other) and \(message.to) in term \(message.term)")
            }
            votes[place] = message.to
            // Raft paper, 5.4.1. While it stands, a candidate's log does not change. The voter's may, until its vote is told: by what
            // another, who was elected in this very term, has sent it.
            let own = durable.end(before: message.term)
            if let candidateLog, (candidateLog.lastTerm, candidateLog.last) < own {
                report(
                    "votes go to logs that are at least as up to date",
                    "\(id) votes for \(message.to) in term \(message.term): its own log ends at "
                        + "\(own.last) in term "
                        + "\(own.term), the candidate's at "
                        + "\(candidateLog.last) in term \(candidateLog.lastTerm)"
                )
            }
        default:
            if told.term < message.term {
                report("a term is durable before it is told", complain("term \(message.term)"))
            }
            if case .appendResponse(let response) = message.body, case .accepted(let match) = response.result {
                checkAcknowledged(match, message, durable, leaderLog)
            }
        }
    }

    /// Part of what it once acknowledged may be lost, and so may a vote.
    private mutating func checkDamaged(_ message: Message, _ id: NodeID) {
        let votesOrLeads =
            switch message.body {
            case .voteRequest, .appendRequest: true
            case .voteResponse(let response): response.granted
            default: false
            }
        if votesOrLeads {
            report("a damaged server neither votes nor leads", "\(id) sends \(message.body) in term \(message.term)")
        }
    }

    private mutating func checkAcknowledged(
        _ match: LogIndex, _ message: Message, _ durable: LogImage, _ leaderLog: LogImage?
    ) {
        if match > durable.last {
            report(
                "an entry is durable before it is acknowledged",
                "\(message.from) acknowledges \(match) to \(message.to), and its disk has \(durable.last)")
        }
        guard let leaderLog, let term = leaderLog.term(at: match), !durable.holds(match, term) else { return }
        report(
            "an entry is durable before it is acknowledged",
            "\(message.from) acknowledges \(match) to \(message.to), and "
                + "its disk has another entry there than the leader"
        )
    }
}
