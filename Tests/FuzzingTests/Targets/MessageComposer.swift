import Raft
import TupleSpace

/// Makes messages that could come from a peer that is honest, confused or hostile: mostly near what the receiver has,
/// so that they get beyond the first check.
struct MessageComposer {
    var id: NodeID
    var term: Term
    var last: LogIndex
    var lastTerm: Term
    var commit: LogIndex

    func message(_ script: inout Script) -> Message {
        let from = script.below(6)
        let term = Term(script.near(term.rawValue))
        let body = body(&script, term)
        return Message(
            cluster: Samples.cluster, from: NodeID(from == 5 ? 77 : UInt64(from) + 1), to: id, term: term,
            featureLevel: UInt32(script.below(4)), body: body)
    }

    private func body(_ script: inout Script, _ term: Term) -> Message.Body {
        switch script.below(9) {
        case 0: .preVoteRequest(vote(&script))
        case 1: .preVoteResponse(answer(&script))
        case 2: .voteRequest(vote(&script))
        case 3: .voteResponse(answer(&script))
        case 4: .appendRequest(append(&script, term))
        case 5: .appendResponse(response(&script))
        case 6: .readIndexRequest(context: script.near(3))
        case 7: .readIndexResponse(context: script.near(3), index: script.below(3) == 0 ? nil : index(&script))
        default: .timeoutNow
        }
    }

    private func index(_ script: inout Script) -> LogIndex { LogIndex(script.near(last.rawValue)) }

    private func vote(_ script: inout Script) -> VoteRequest {
        VoteRequest(
            lastIndex: index(&script), lastTerm: Term(script.near(lastTerm.rawValue)),
            isTransfer: script.below(2) == 1, configurationIndex: index(&script), sentAt: script.near(1))
    }

    private func answer(_ script: inout Script) -> VoteResponse {
        let granted = script.below(4) != 0
        let placed =
            script.below(4) == 3
            ? PlacedConfiguration(index: index(&script), configuration: Self.configuration(&script)) : nil
        return VoteResponse(granted: granted, sentAt: script.near(1), newerConfiguration: placed)
    }

    private func append(_ script: inout Script, _ term: Term) -> AppendRequest {
        let isNext = script.below(3) != 0
        let previous = isNext ? last : index(&script)
        var entryTerm = isNext ? lastTerm : Term(script.near(lastTerm.rawValue))
        var request = AppendRequest(
            previousIndex: previous, previousTerm: entryTerm, commit: LogIndex(script.near(commit.rawValue)),
            entries: [], readRound: script.near(1), sentAt: script.near(1),
            electionTimeoutMilliseconds: UInt32(truncatingIfNeeded: script.near(300)))
        var index = previous
        for _ in 0..<script.below(5) {
            guard index.rawValue < .max else { break }
            index = index.next
            entryTerm = script.below(4) == 0 ? term : max(entryTerm, Term(1))
            request.entries.append(Self.entry(&script, index, entryTerm))
        }
        return request
    }

    static func entry(_ script: inout Script, _ index: LogIndex, _ term: Term) -> Entry {
        switch script.below(8) {
        case 0: Entry(index: index, term: term, kind: .noop, payload: [])
        case 1:
            Entry(index: index, term: term, kind: .configuration, payload: Samples.encoded(configuration(&script)))
        case 2: Entry(index: index, term: term, kind: .configuration, payload: [UInt8](script.part(atMost: 512)))
        case 3: Entry(index: index, term: term, kind: .command, payload: Samples.batch([.acknowledge]))
        default: Entry(index: index, term: term, kind: .command, payload: [UInt8](script.part(atMost: 4_096)))
        }
    }

    /// Any members among eight, in any roles, joint or not.
    static func configuration(_ script: inout Script) -> Configuration {
        let present = script.byte()
        let voting = script.byte()
        let old = script.byte()
        var members: [Member] = []
        for bit in 0..<8 as Range<UInt8> where present & (1 << bit) != 0 {
            let role: Member.Role = voting & (1 << bit) != 0 ? .voter : old & (1 << bit) != 0 ? .leaving : .learner
            members.append(Samples.member(UInt64(bit) + 1, role, promote: role == .learner && bit % 2 == 1))
        }
        // The old voters: every second time there are none, and then the configuration is not joint.
        let outgoing = script.below(2) == 0 ? [] : (0..<8 as Range<UInt8>).filter { old & (1 << $0) != 0 }
        return Configuration(members: members, outgoingVoters: outgoing.map { NodeID(UInt64($0) + 1) })
    }

    private func response(_ script: inout Script) -> AppendResponse {
        let result: AppendResponse.Result =
            switch script.below(4) {
            case 0, 1: .accepted(match: index(&script))
            case 2:
                .rejected(
                    previousIndex: index(&script), hintIndex: index(&script), hintTerm: Term(script.near(term.rawValue))
                )
            default: .alive
            }
        return AppendResponse(
            result: result, readRound: script.near(1), sentAt: script.near(1), waitedForDisk: script.below(2) == 1)
    }
}
