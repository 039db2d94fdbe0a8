import Raft

/// What a script prints of the effects of each step.
final class Trace {
    var lines: [String] = []
    /// Only what people would notice: no messages, no writes.
    var isQuiet = false
    /// What each server reckoned with when it was last told of.
    private var reckonings: [NodeID: String] = [:]

    func record(_ node: Node, _ effects: Effects) {
        let name = node.id.letter
        if let write = effects.write, !isQuiet { lines.append("\(name) writes \(write.inWords)") }
        if effects.roleChanged { lines.append("\(name) \(node.roleInWords)") }
        if let snapshot = effects.snapshotToInstall {
            lines.append("\(name) installs the snapshot of \(snapshot.index)")
        }
        if effects.membersChanged {
            let reckoning = node.membersInWords
            if reckonings.updateValue(reckoning, forKey: node.id) != reckoning { lines.append("\(name) \(reckoning)") }
        }
        if let first = effects.committed.first, let last = effects.committed.last {
            lines.append("\(name) commits \(range(first.index, last.index))")
        }
        for read in effects.confirmedReads { lines.append("\(name) confirms read \(read.context) at \(read.index)") }
        if let target = effects.transferFailed { lines.append("\(name) gives up the transfer to \(target.letter)") }
        for context in effects.failedReads { lines.append("\(name) fails read \(context)") }
        for peer in effects.snapshotsToSend { lines.append("\(name) wants to send a snapshot to \(peer.letter)") }
        guard !isQuiet else { return }
        for message in effects.messages { lines.append("  " + message.inWords) }
    }
}

func range(_ first: LogIndex, _ last: LogIndex) -> String {
    first == last ? "\(first)" : "\(first) to \(last)"
}

extension Node {
    var roleInWords: String {
        switch role {
        case .follower: leader.map { "follows \($0.letter) in term \(term)" } ?? "knows no leader in term \(term)"
        case .preCandidate: "asks whether it would be elected in term \(term.next)"
        case .candidate: "stands for election in term \(term)"
        case .leader: "leads term \(term)"
        }
    }
}

extension Node {
    var membersInWords: String {
        if isRemoved { return "knows that it was removed" }
        func letters(_ ids: some Sequence<NodeID>) -> String { ids.map(\.letter).joined(separator: " ") }
        guard !configuration.members.isEmpty else { return "knows no members" }
        var words = "needs a majority of \(letters(configuration.voters))"
        if configuration.isJoint {
            words =
                "needs a majority of \(letters(configuration.outgoingVoters)) and one of "
                + letters(configuration.voters)
        }
        let learners = configuration.members.filter { $0.role == .learner }
        if !learners.isEmpty { words += "; \(letters(learners.map(\.id))) only learns" }
        let others = reachableMembers.map(\.id).filter { configuration[$0] == nil }
        if !others.isEmpty { words += "; \(letters(others)) is not forgotten yet" }
        return words
    }
}

extension NodeID {
    var letter: String { String(UnicodeScalar(UInt8(ascii: "a") &+ UInt8(truncatingIfNeeded: rawValue &- 1))) }
}

extension ProposalRefused {
    var inWords: String {
        switch self {
        case .notLeader(let known): "not leader; the leader is \(known?.letter ?? "unknown")"
        case .busy: "busy"
        case .transferring(let target): "leadership goes to \(target.letter)"
        }
    }
}

extension TransferRefused {
    var inWords: String {
        switch self {
        case .notLeader(let known): "not leader; the leader is \(known?.letter ?? "unknown")"
        case .unknownMember(let id): "\(id.letter) is no member"
        case .notVoter(let id): "\(id.letter) is no voter"
        case .nobodyElse: "there is nobody else"
        case .underWay(let target): "leadership goes to \(target.letter) already"
        case .unsupported(let id): "\(id.letter) runs a version that cannot take over"
        }
    }
}

extension ChangeRefused {
    var inWords: String {
        switch self {
        case .notLeader(let known): "not leader; the leader is \(known?.letter ?? "unknown")"
        case .notReady: "in a moment: nothing of this term is committed yet"
        case .underWay(let index): "the change at \(index) is under way"
        case .transferring(let target): "leadership goes to \(target.letter)"
        case .noChanges: "no changes"
        case .nothingToDo: "all is so already"
        case .unknownMember(let id): "\(id.letter) is no member"
        case .alreadyMember(let id): "\(id.letter) is a member already"
        case .repeated(let id): "\(id.letter) is changed twice"
        case .nameTaken(let name): "the name \(name) is taken"
        case .addressTaken(let address): "the address \(address) is taken"
        case .invalid(let id, let reason): "\(id.letter): \(reason)"
        case .noVoterLeft: "no voter would be left"
        case .noMajority(let ids): "no majority: \(ids.map(\.letter).joined(separator: ", ")) not heard"
        case .tooMany(let count, let limit): "\(count) are too many, the limit is \(limit)"
        case .unsupported(let ids): "\(ids.map(\.letter).joined(separator: " ")) cannot do it"
        }
    }
}

extension StorageWrite {
    var inWords: String {
        var parts: [String] = []
        if let hardState { parts.append("term \(hardState.term), vote \(hardState.vote?.letter ?? "none")") }
        if let snapshot { parts.append("snapshot \(snapshot.index), \(keepsTail ? "keeps" : "drops") the tail") }
        if let truncateFrom { parts.append("cuts from \(truncateFrom)") }
        if let first = entries.first, let last = entries.last {
            parts.append("entries \(range(first.index, last.index)) of term \(last.term)")
        }
        return parts.joined(separator: "; ")
    }
}

extension Message {
    var inWords: String { "\(from.letter) -> \(to.letter)  term \(term): \(body.inWords)" }
}

extension Message.Body {
    var inWords: String {
        switch self {
        case .preVoteRequest(let request): "would you vote for me? \(request.inWords)"
        case .preVoteResponse(let response):
            (response.granted ? "I would" : "I would not")
                + (response.newerConfiguration.map { "; there are other members since \($0.index)" } ?? "")
        case .voteRequest(let request): "vote for me; \(request.inWords)"
        case .voteResponse(let response): response.granted ? "you have my vote" : "no vote"
        case .appendRequest(let request): request.inWords
        case .appendResponse(let response): response.inWords
        case .readIndexRequest: "where must a read stand?"
        case .readIndexResponse(_, let index): index.map { "a read must stand at \($0)" } ?? "I cannot say"
        case .timeoutNow: "stand for election now"
        }
    }
}

extension VoteRequest {
    var inWords: String {
        "my log ends at \(lastIndex) of term \(lastTerm)" + (isTransfer ? "; the leader wishes it" : "")
    }
}

extension AppendRequest {
    var inWords: String {
        let round = readRound > 0 ? ", round \(readRound)" : ""
        let behind = "behind \(previousIndex) of term \(previousTerm), commit \(commit)\(round)"
        guard let first = entries.first, let last = entries.last else { return "heartbeat \(behind)" }
        return "append \(range(first.index, last.index)) of term \(last.term) \(behind)"
    }
}

extension AppendResponse {
    var inWords: String {
        let round = readRound > 0 ? ", round \(readRound)" : ""
        switch result {
        case .accepted(let match): return "accepted to \(match)\(round)"
        case .rejected(let previous, let hint, let term):
            return "not \(previous); perhaps \(hint) of term \(term)\(round)"
        case .alive: return "alive\(round)"
        }
    }
}

extension TestServer {
    var inWords: String {
        guard isUp else { return "\(id.letter) is down" }
        let status = node.status
        let log = node.entries(from: status.first, through: status.last, maximumBytes: .max).map(\.term.description)
        let start = status.first.rawValue == 1 ? "" : "\(status.first): "
        return "\(id.letter) \(status.role.rawValue) of \(status.leader?.letter ?? "none"), term \(status.term), "
            + "log [\(start)\(log.joined(separator: " "))], commit \(status.commit), durable \(status.durable)"
    }
}
