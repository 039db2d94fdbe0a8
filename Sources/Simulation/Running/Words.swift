import Raft
import Replica
import TupleSpace

/// What happens in a run, in the words that people use who know Raft.

extension ClientOperation.Kind {
    var words: String {
        switch self {
        case .open: "open a session"
        case .command(let operation): operation.words
        case .query(let query, let consistency, let timeout): "\(query.words), \(consistency.words)\(timeout.words)"
        }
    }
}

extension TupleSpace.Operation {
    var words: String {
        switch self {
        case .openSession: "open a session"
        case .acknowledge: "acknowledge"
        case .endSession: "end the session"
        case .expireSessions(let sessions): "expire \(sessions.count) sessions"
        case .raiseLevel(let level): "raise the feature level to \(level)"
        case .write(let space, let tuple): "write \(tuple.words) to \(space)"
        case .writeLeased(let space, let tuple, let lease): "write \(tuple.words) to \(space) for \(lease) ms"
        case .renew(let space, let id, let lease): "renew \(id) in \(space)\(lease.words)"
        case .takeByID(let space, let id): "take \(id) from \(space)"
        case .takeAll(let space, let template, _): "take all \(template.words) from \(space)"
        case .replace(let space, let id, let tuple): "replace \(id) in \(space) with \(tuple.words)"
        case .statement(let statement): "a statement of \(statement.alternatives.count)\(statement.timeout.words)"
        case .take(let space, let template, let timeout, let holds):
            "\(holds ? "hold" : "take") \(template.words) from \(space)\(timeout.words)"
        case .reserve(let space, let template, let timeout, let reservation):
            "reserve \(template.words) from \(space) for \(reservation) ms\(timeout.words)"
        case .reservation(let id, let action): "\(action) reservation \(id)"
        case .leave(let tuples): "leave \(tuples.count) failure tuples"
        case .setPolicy(let space, let policy): "\(policy == nil ? "remove" : "set") the policy of \(space)"
        case .setToken(let token): "set a token of \(token.user)"
        case .removeToken: "remove a token"
        case .cancel(let sequence): "cancel \(sequence)"
        case .release(let sequence): "release \(sequence)"
        case .keyed(let key, _, let inner): "\(inner.words) under key \(key)"
        }
    }
}

extension Query {
    var words: String {
        switch self {
        case .read(let space, let template): "read \(template.words) in \(space)"
        case .count(let space, let template): "count \(template.words) in \(space)"
        case .spaces: "list spaces"
        case .policy(let space): "ask for the policy of \(space)"
        case .tokens: "list tokens"
        case .readAll(let space, let template, _): "read all \(template.words) in \(space)"
        }
    }
}

extension Consistency {
    fileprivate var words: String {
        switch self {
        case .local: "as here"
        case .sequential(let position): "not before \(position)"
        case .linearizable: "linearizable"
        }
    }
}

extension Timeout {
    fileprivate var words: String {
        switch self {
        case .none: ""
        case .milliseconds(let time): ", within \(time) ms"
        case .forever: ", for ever"
        }
    }
}

extension Reply {
    var words: String {
        switch self {
        case .done: "done"
        case .written(_, let position): "written at \(position)"
        case .found(let stored, _): "found \(stored.tuple.words)"
        case .noMatch: "no match"
        case .count(let count): "counted \(count)"
        case .statement(let alternative, _): "done by alternative \(alternative + 1)"
        case .tuples(let tuples, _): "\(tuples.count) tuples"
        case .reserved(let id, let stored, _): "reserved \(stored.tuple.words) as \(id)"
        case .spaces(let spaces, _): "\(spaces.count) spaces"
        case .policy(let policy): policy == nil ? "no policy" : "a policy"
        case .tokens(let tokens, _): "\(tokens.count) tokens"
        case .failed(let failure): "\(failure.code): \(failure.message)"
        }
    }
}

extension Tuple {
    fileprivate var words: String { "(" + fields.map(\.words).joined(separator: " ") + ")" }
}

extension Value {
    fileprivate var words: String {
        switch self {
        case .string(let text): text
        case .int(let number): "\(number)"
        default: "\(self)"
        }
    }
}

extension Template {
    fileprivate var words: String { "(" + fields.map(\.words).joined(separator: " ") + ")" }
}

extension TemplateField {
    fileprivate var words: String {
        switch self {
        case .any: "?"
        case .literal(let value): value.words
        case .prefix(let prefix): "\(prefix)*"
        case .regex(let pattern): "/\(pattern)/"
        case .range(let lower, let upper, _): "\(lower.words)...\(upper.words)"
        case .type(let type): "any \(type)"
        }
    }
}

extension Message.Body {
    var words: String {
        switch self {
        case .preVoteRequest(let request): "pre-vote? log ends at \(request.place)"
        case .preVoteResponse(let response): "pre-vote \(response.granted ? "yes" : "no")\(response.news)"
        case .voteRequest(let request):
            "vote? log ends at \(request.place)\(request.isTransfer ? ", asked by the leader" : "")"
        case .voteResponse(let response): "vote \(response.granted ? "yes" : "no")"
        case .appendRequest(let request): request.words
        case .appendResponse(let response):
            switch response.result {
            case .accepted(let match): "has entries to \(match)"
            case .rejected(let previous, let hint, let term): "no entry \(previous); try \(hint)/\(term)"
            case .alive: "alive"
            }
        case .readIndexRequest: "read index?"
        case .readIndexResponse(_, let index): "read index \(index.map(\.description) ?? "unknown")"
        case .timeoutNow: "stand for election now"
        }
    }
}

extension VoteRequest {
    fileprivate var place: String { "\(lastIndex)/\(lastTerm)" }
}

extension VoteResponse {
    fileprivate var news: String {
        newerConfiguration.map { ", newer members \($0.configuration.voterNames) at \($0.index)" } ?? ""
    }
}

extension AppendRequest {
    fileprivate var words: String {
        let what =
            if let first = entries.first, let last = entries.last {
                first.index == last.index
                    ? "append \(first.index)/\(first.term)"
                    : "append \(first.index)/\(first.term) to \(last.index)/\(last.term)"
            } else {
                "heartbeat"
            }
        return "\(what) behind \(previousIndex)/\(previousTerm), commit \(commit)"
    }
}

extension PeerMessage {
    /// Nil for what is of no interest.
    var words: String? {
        switch self {
        case .raft(let message): "term \(message.term): \(message.body.words)"
        case .status: nil
        case .forward(let commands): "\(commands.count) commands for the leader"
        case .refused(let keys): "\(keys.count) commands not taken"
        case .keepAlive(let sessions): "\(sessions.count) sessions live"
        case .snapshotChunk(let chunk), .snapshotPiece(let chunk):
            "snapshot \(chunk.index), bytes \(chunk.offset) to \(chunk.offset + UInt64(chunk.bytes.count)) of \(chunk.total)"
        case .snapshotProgress(let index, let next, let complete):
            complete ? "has snapshot \(index)" : "has snapshot \(index) to byte \(next)"
        case .snapshotRefused(let index, let reason): "has thrown snapshot \(index) away: \(reason)"
        case .clusterQuestion(let question): "request \(question.id) of an operator"
        case .clusterAnswer(let id, _): "outcome of request \(id) of an operator"
        }
    }
}
