import DequeModule
import Raft

/// Requests to the cluster: those that came to this server and wait for their outcome, and those that this server, leading or having led,
/// carries out for whoever asked. Both are few and bounded.
struct ClusterDesk: Sendable {
    static let maximumAsked = 64
    static let maximumServed = 256

    struct Asked: Sendable {
        var token: RequestToken
        var question: ClusterQuestion
        var deadline: MonotonicTime
        var sentAt: MonotonicTime?
        var timesSent = 0
        /// To whom it was sent last; and whether it was sent to others before.
        var sentTo: NodeID?
        var hasMoved = false
    }

    struct Served: Sendable {
        enum State: Sendable, Equatable {
            /// Consensus cannot begin it at the moment, for this reason.
            case waiting(ClusterRefusal)
            /// Complete when the entry of this very term is committed here, and no joint configuration is in force then.
            case change(LogIndex, Term)
            /// Begun when this server led in this term.
            case transfer(to: NodeID, Term)
        }

        var asker: NodeID
        var question: ClusterQuestion
        var begunAt: MonotonicTime
        var deadline: MonotonicTime
        var state: State
    }

    /// In order of arrival.
    var asked: [Asked] = []
    var served: [Served] = []
    /// Lately answered for others, whose answers may have been lost: asked again they get the same ones.
    private var answered: Deque<(asker: NodeID, id: UInt64, outcome: ClusterOutcome)> = []
    private var lastID: UInt64

    /// - Parameter seed: differs from one life of the server to the next, so that no answer to an earlier life's request is taken.
    init(seed: UInt64) {
        lastID = seed
    }

    var isIdle: Bool { asked.isEmpty && served.isEmpty }

    mutating func nextID() -> UInt64 {
        lastID &+= 1
        return lastID
    }

    func isServing(_ asker: NodeID, _ id: UInt64) -> Bool {
        served.contains { $0.asker == asker && $0.question.id == id }
    }

    func answer(to asker: NodeID, _ id: UInt64) -> ClusterOutcome? {
        answered.first { $0.asker == asker && $0.id == id }?.outcome
    }

    mutating func remember(_ outcome: ClusterOutcome, to asker: NodeID, _ id: UInt64) {
        answered.append((asker, id, outcome))
        if answered.count > ClusterDesk.maximumServed { answered.removeFirst() }
    }

    /// There is another leader: everything is asked again, at once.
    mutating func askAgain() {
        for i in asked.indices { asked[i].sentAt = nil }
    }

    mutating func forget(_ token: RequestToken) {
        guard !asked.isEmpty else { return }
        asked.removeAll { $0.token == token }
    }
}
