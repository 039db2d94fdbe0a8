extension Node {
    /// A message from a peer whose connection the shell has authenticated as `from`. Within the cluster it is taken
    /// whether or not the sender is in the configuration known here (dissertation 4.1). Absurd ones change nothing.
    mutating func receive(_ message: Message, into effects: inout Effects) {
        guard message.from != id, message.isPlausible else { return }
        let isForUs = message.cluster == cluster && message.to == id
        guard isForUs || settings.mutations.contains(.foreignMessagesTaken) else { return }
        if !known.heard(message.from, featureLevel: message.featureLevel) {
            known.forgetStranger(besides: configuration)
            known.heard(message.from, featureLevel: message.featureLevel)
        }
        noteSignOfLife(from: message.from, in: message.term)
        switch message.body {
        case .preVoteRequest(let request):
            // It asks about a term that nobody is in yet: this changes no term (dissertation 9.6).
            answerPreVote(message, request, into: &effects)
            return
        case .preVoteResponse(let response):
            if let newer = response.newerConfiguration { learn(newer, into: &effects) }
            measure(message.from, sentAt: response.sentAt)
            // A refusal may come from a later term; without taking it over here, a candidate with the longer log and
            // a voter of the later term would refuse each other for ever (scenario 13).
            if message.term > term, !settings.mutations.contains(.preVoteTeachesNoTerm) {
                becomeFollower(of: message.term, leader: nil, into: &effects)
            } else {
                heedPreVote(response, from: message.from, into: &effects)
            }
            return
        case .voteRequest(let request):
            // Also in the present term: it may be known from elsewhere (the answer to a pre-vote), and the vote in it free.
            if message.term >= term, ignores(request) { return }
        default: break
        }
        // Terms are exchanged with every message; the later one wins (dissertation 3.3).
        if message.term > term { becomeFollower(of: message.term, leader: nil, into: &effects) }
        if message.term < term {
            answerStale(message, into: &effects)
        } else {
            receiveInTerm(message, into: &effects)
        }
    }

    private mutating func receiveInTerm(_ message: Message, into effects: inout Effects) {
        switch message.body {
        case .preVoteRequest, .preVoteResponse: break  // handled before
        case .voteRequest(let request): answerVote(from: message.from, request, into: &effects)
        case .voteResponse(let response):
            measure(message.from, sentAt: response.sentAt)
            countVote(from: message.from, granted: response.granted, into: &effects)
        case .appendRequest(let request): follow(request, from: message.from, into: &effects)
        case .appendResponse(let response):
            heed(response, from: message.from, featureLevel: message.featureLevel, into: &effects)
        case .readIndexRequest(let context): readForPeer(message.from, context: context, into: &effects)
        case .readIndexResponse(let context, let index):
            finishForwardedReads(from: message.from, token: context, index: index, into: &effects)
        case .timeoutNow: beginTransferredElection(askedBy: message.from, into: &effects)
        }
    }

    /// A request of an older term is answered, so that its sender learns the term: a leader or candidate that was
    /// away steps down (dissertation 3.3). Answers of an older term are nothing to us.
    private mutating func answerStale(_ message: Message, into effects: inout Effects) {
        switch message.body {
        case .voteRequest(let request):
            send(
                .voteResponse(VoteResponse(granted: false, sentAt: request.sentAt)), to: message.from, into: &effects)
        case .appendRequest(let request):
            let response = AppendResponse(result: .alive, readRound: 0, sentAt: request.sentAt)
            send(.appendResponse(response), to: message.from, into: &effects)
        case .readIndexRequest(let context):
            send(.readIndexResponse(context: context, index: nil), to: message.from, into: &effects)
        case .preVoteRequest, .preVoteResponse, .voteResponse, .appendResponse, .readIndexResponse, .timeoutNow:
            break
        }
    }

    /// Sends a message once `write`, and the write of the present term and vote, are durable: at once if they are.
    mutating func send(
        _ body: Message.Body, to peer: NodeID, term: Term? = nil, after write: WriteSequence = .zero,
        format: UInt8? = nil, into effects: inout Effects
    ) {
        var message = Message(
            cluster: cluster, from: id, to: peer, term: term ?? self.term,
            featureLevel: settings.supportedFeatureLevel, formatVersion: format ?? formatVersion(for: peer),
            body: body)
        let needed = max(write, hardStateWrite)
        if needed <= durability.stored {
            effects.messages.append(message)
        } else {
            message.body.noteWait()
            durability.hold(message, until: needed)
        }
    }

    /// The second version of the format for whoever is known to understand it: from what it said itself, or, before
    /// it has said anything, from what all members are known to support.
    private func formatVersion(for peer: NodeID) -> UInt8 {
        guard settings.supportedFeatureLevel >= 2 else { return 1 }
        let level =
            known[peer]?.featureLevel
            ?? (configuration[peer] == nil ? 0 : log.latestConfiguration.configuration.featureLevel)
        return level >= 2 ? 2 : 1
    }
}

extension Message.Body {
    /// It leaves when the disk is done: its round trip measures the disk and not the network.
    fileprivate mutating func noteWait() {
        switch self {
        case .appendResponse(var response):
            response.waitedForDisk = true
            self = .appendResponse(response)
        case .voteResponse(var response):
            response.sentAt = 0
            self = .voteResponse(response)
        default: break
        }
    }
}

extension Message {
    /// Indices and terms beyond this are nonsense: nobody gets there, and below it no sum overflows.
    static let limit: UInt64 = 1 << 62

    /// Whether the numbers in it can be true. Nothing that passes can make the node trap.
    var isPlausible: Bool {
        guard from.rawValue != 0, term.rawValue < Message.limit else { return false }
        switch body {
        case .preVoteRequest(let request), .voteRequest(let request):
            return request.lastIndex.rawValue < Message.limit && request.lastTerm < term
                && request.configurationIndex.rawValue < Message.limit
        case .preVoteResponse(let response), .voteResponse(let response):
            return (response.newerConfiguration?.index ?? .zero).rawValue < Message.limit
        case .readIndexRequest, .timeoutNow: return true
        case .readIndexResponse(_, let index): return (index ?? .zero).rawValue < Message.limit
        case .appendRequest(let request): return request.isPlausible(in: term)
        case .appendResponse(let response): return response.isPlausible
        }
    }
}

extension AppendRequest {
    fileprivate func isPlausible(in leaderTerm: Term) -> Bool {
        guard previousIndex.rawValue < Message.limit, commit.rawValue < Message.limit, previousTerm <= leaderTerm,
            (previousIndex == .zero) == (previousTerm == .zero), leaderTerm > .zero
        else { return false }
        var index = previousIndex
        var term = previousTerm
        for entry in entries {
            guard entry.isSound(behind: index, term), entry.term <= leaderTerm else { return false }
            index = entry.index
            term = entry.term
        }
        return true
    }
}

extension Entry {
    /// Whether it can stand right behind `index`, which has `term`.
    func isSound(behind index: LogIndex, _ previousTerm: Term) -> Bool {
        guard self.index == index.next, term >= previousTerm, term > .zero else { return false }
        return kind != .configuration || (try? Configuration(decoding: payload))?.isSound == true
    }
}

extension AppendResponse {
    fileprivate var isPlausible: Bool {
        switch result {
        case .accepted(let match): match.rawValue < Message.limit
        case .rejected(let previous, let hint, let hintTerm):
            previous.rawValue < Message.limit && hint < previous && hintTerm.rawValue < Message.limit
        case .alive: true
        }
    }
}
