import ByteCoding
import Raft
import TupleSpace

@testable import Replica

/// What clients do, and what tests ask.
extension World {
    /// A client's command at server `i`, in its session.
    @discardableResult
    mutating func command(
        _ i: Int, _ operation: Operation, session: UInt64 = 1, _ sequence: UInt64, acknowledged: UInt64 = 0,
        caller: String = ""
    ) -> RequestToken {
        let token = token()
        var writer = ByteWriter()
        operation.encode(into: &writer)
        let header = CommandHeader(
            session: SessionID(session), sequence: sequence, acknowledgedBelow: acknowledged, caller: caller)
        pass(i) { replica in
            writer.bytes.withUnsafeBytes { replica.command(token, header: header, operation: $0) }
        }
        return token
    }

    @discardableResult
    mutating func query(
        _ i: Int, _ query: Query, _ consistency: Consistency = .linearizable, timeout: Timeout = .none
    ) -> RequestToken {
        let token = token()
        var writer = ByteWriter()
        query.encode(into: &writer)
        pass(i) { replica in
            writer.bytes.withUnsafeBytes {
                replica.query(token, query: $0, consistency: consistency, timeout: timeout)
            }
        }
        return token
    }

    /// A session, opened at server `i`.
    mutating func open(_ i: Int, session: UInt64 = 1, timeout: UInt64 = 60_000) {
        command(i, .openSession(timeoutMilliseconds: timeout), session: session, 0)
        settle()
    }

    /// An operator's request at server `i`.
    mutating func ask(_ i: Int, _ request: ClusterRequest) -> RequestToken {
        let token = token()
        pass(i) { $0.clusterRequest(token, request) }
        return token
    }

    func outcome(_ i: Int, _ token: RequestToken) -> ClusterOutcome? { servers[i].outcomes[token]?.first }

    func reply(_ i: Int, _ token: RequestToken) -> Reply? { servers[i].replies[token]?.first }
    func replyCount(_ i: Int, _ token: RequestToken) -> Int { servers[i].replies[token]?.count ?? 0 }

    func failure(_ i: Int, _ token: RequestToken) -> Failure.Code? {
        if case .failed(let failure)? = reply(i, token) { failure.code } else { nil }
    }

    func written(_ i: Int, _ token: RequestToken) -> TupleID? {
        if case .written(let id, _)? = reply(i, token) { id } else { nil }
    }

    func found(_ i: Int, _ token: RequestToken) -> Int64? {
        if case .found(let stored, _)? = reply(i, token), case .int(let number)? = stored.tuple.fields.first {
            number
        } else {
            nil
        }
    }

    func events(_ i: Int, _ token: RequestToken) -> [Int64] {
        (servers[i].batches[token] ?? []).flatMap(\.events).compactMap { event in
            if case .int(let number)? = event.tuple.tuple.fields.first { number } else { nil }
        }
    }

    var followers: [Int] { servers.indices.filter { $0 != leader } }

    /// Nobody hears server `i` and it hears nobody.
    mutating func isolate(_ i: Int) {
        let id = NodeID(UInt64(i + 1))
        network.removeAll { $0.from == id || $0.to == id }
        loses = { $0.from == id || $0.to == id }
    }

    mutating func heal() { loses = { _ in false } }
}

func write(_ number: Int64) -> Operation { .write(space: "s", tuple: Tuple([.int(number)])) }
func take(_ timeout: Timeout = .forever, _ number: Int64? = nil) -> Operation {
    .take(space: "s", template: anything(number), timeout: timeout, holds: true)
}
func anything(_ number: Int64? = nil) -> Template { Template([number.map { .literal(.int($0)) } ?? .any]) }
func read(_ number: Int64? = nil) -> Query { .read(space: "s", template: anything(number)) }
func count() -> Query { .count(space: "s", template: Template([.any])) }
func bytes(of operation: Operation) -> [UInt8] {
    var writer = ByteWriter()
    operation.encode(into: &writer)
    return writer.take()
}
