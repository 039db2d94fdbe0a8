import Raft

/// Every reason why the cluster was not changed, as a code for programs and a sentence for people that says what, where and the limit.
struct ClusterRefusal: Error, Equatable, Sendable {
    var code: String
    var sentence: String

    init(_ code: String, _ sentence: String) {
        self.code = code
        self.sentence = sentence
    }

    var outcome: ClusterOutcome { .refused(code: code, sentence: sentence) }

    // MARK: Of the replica itself

    static func tooManyRequests(_ limit: Int, at server: String) -> ClusterRefusal {
        ClusterRefusal(
            "busy", "\(server) has \(limit) unanswered requests to the cluster, which is its limit; try again")
    }

    static func tooManyChanges(_ count: Int) -> ClusterRefusal {
        ClusterRefusal(
            "too-many-changes",
            "\(count) changes of members were asked for at once; the limit is \(ClusterRequest.maximumChanges)")
    }

    static func noLeader(afterMilliseconds milliseconds: UInt64) -> ClusterRefusal {
        ClusterRefusal(
            "no-leader",
            "no leader was known for \(milliseconds) ms: a majority of voters is needed; nothing was done")
    }

    static func notMember(_ id: NodeID) -> ClusterRefusal {
        ClusterRefusal(
            "not-a-member", "server \(id) is not a member of this cluster, and only a member may ask for a change of it"
        )
    }

    static func leaderTooOld(_ leader: String, level: UInt32, needed: UInt32) -> ClusterRefusal {
        ClusterRefusal(
            "unsupported",
            "the leader, \(leader), supports feature level \(level), and members can be changed from level \(needed) on:"
                + " upgrade it first")
    }

    static func transferFailed(_ target: String, leader: String) -> ClusterRefusal {
        ClusterRefusal(
            "transfer-failed",
            "\(target) did not take over leadership within an election timeout; \(leader) leads on")
    }

    static func otherLeader(_ leader: String, _ term: Term, insteadOf target: String) -> ClusterRefusal {
        ClusterRefusal("other-leader", "\(leader) took over leadership in term \(term) instead of \(target)")
    }
}

/// Names members as people know them.
struct MemberNames {
    var configuration: Configuration

    func callAsFunction(_ id: NodeID) -> String {
        configuration[id].map { "\($0.name) (\(id))" } ?? "server \(id)"
    }

    func callAsFunction(_ id: NodeID?) -> String { id.map { self($0) } ?? "nobody" }
}

extension ChangeRefused {
    func refusal(_ name: MemberNames) -> ClusterRefusal {
        switch self {
        case .notLeader(let known):
            ClusterRefusal("not-leader", "this server does not lead; the leader it knows is \(name(known))")
        case .notReady:
            ClusterRefusal(
                "not-ready", "the leader has just been elected and has committed nothing in its term yet; try again")
        case .underWay(let index):
            ClusterRefusal(
                "change-under-way",
                "the change of members at log index \(index) is not complete, and one is made at a time; try again"
                    + " when it is")
        case .transferring(let target):
            ClusterRefusal(
                "transferring", "leadership is being handed to \(name(target)); try again in a moment")
        case .noChanges: ClusterRefusal("no-changes", "no change of members was asked for")
        case .nothingToDo: ClusterRefusal("nothing-to-do", "the members are as asked for already")
        case .unknownMember(let id):
            ClusterRefusal("unknown-member", "\(id) is the id of no member of this cluster")
        case .alreadyMember(let id):
            ClusterRefusal(
                "already-member", "\(name(id)) is a member already, with another record than the one to be added")
        case .repeated(let id):
            ClusterRefusal("contradiction", "two of the changes contradict one another about \(name(id))")
        case .nameTaken(let text):
            ClusterRefusal("name-taken", "another member is called \(text) already; names are unique in a cluster")
        case .addressTaken(let text):
            ClusterRefusal(
                "address-taken", "another member has the address \(text) already; addresses are unique in a cluster")
        case .invalid(let id, let sentence):
            ClusterRefusal("invalid-member", "the record of \(name(id)) cannot be used: \(sentence)")
        case .noVoterLeft:
            ClusterRefusal(
                "no-voter-left", "the change would leave the cluster without a voter; it needs at least 1")
        case .noMajority(let ids):
            ClusterRefusal(
                "no-majority",
                "the change needs a majority of the voters there would be, and \(ids.map { name($0) }.joined(separator: ", "))"
                    + " \(ids.count == 1 ? "has" : "have") not been heard lately: bring them back, or remove them first"
            )
        case .tooMany(let count, let limit):
            ClusterRefusal(
                "too-many-members", "the change would give the cluster \(count); the limit is \(limit)")
        case .unsupported(let ids):
            ClusterRefusal(
                "unsupported",
                "\(ids.map { name($0) }.joined(separator: ", ")) \(ids.count == 1 ? "runs" : "run")"
                    + " a version that does not understand this change, or has not been heard yet; upgrade first")
        }
    }
}

extension TransferRefused {
    func refusal(_ name: MemberNames) -> ClusterRefusal {
        switch self {
        case .notLeader(let known):
            ClusterRefusal("not-leader", "this server does not lead; the leader it knows is \(name(known))")
        case .unknownMember(let id):
            ClusterRefusal("unknown-member", "\(id) is the id of no member of this cluster")
        case .notVoter(let id):
            ClusterRefusal("not-a-voter", "\(name(id)) is not a voter, and only a voter can lead")
        case .nobodyElse:
            ClusterRefusal("nobody-else", "no other voter has been heard lately that could take over")
        case .underWay(let target):
            ClusterRefusal("transferring", "leadership is being handed to \(name(target)) already")
        case .unsupported(let id):
            ClusterRefusal(
                "unsupported", "\(name(id)) runs a version that leadership cannot be handed to; upgrade it first")
        }
    }
}
