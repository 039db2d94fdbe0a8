import ByteCoding

extension StateMachine {
    /// Answers from the state as it is, what somebody may know. Never changes it.
    public func answer(_ query: Query, as credential: Credential = .anonymous) -> Reply {
        var writer = ByteWriter()
        query.encode(into: &writer)
        var answer = ByteWriter()
        writer.bytes.withUnsafeBytes { self.answer(encoded: $0, as: credential, into: &answer) }
        return answer.bytes.withUnsafeBytes { bytes in
            var reader = ByteReader(bytes)
            // What was encoded here a moment ago decodes; the tuples in it were checked when they were written.
            return (try? Reply(from: &reader)) ?? .failed(Failure(.malformed, "malformed reply"))
        }
    }

    /// Like `answer`, on the bytes of an encoded query, appending an encoded reply: the hot path of reads.
    public func answer(
        encoded query: UnsafeRawBufferPointer, as credential: Credential = .anonymous, into reply: inout ByteWriter
    ) {
        guard let query = QueryView(query) else {
            return Reply.failed(.malformedQuery(query)).encode(into: &reply)
        }
        if credential == .anonymous { return answer(query, for: Caller(name: Self.nobody), into: &reply) }
        let isKnown: Void? = credential.withBytes { identify($0) { answer(query, for: $0, into: &reply) } }
        if isKnown == nil { Reply.failed(.unknownToken).encode(into: &reply) }
    }

    private func answer(_ query: QueryView, for caller: Caller, into reply: inout ByteWriter) {
        switch query.kind {
        case .spaces(let after, let limit): spaces(after: after, limit: limit, for: caller).encode(into: &reply)
        case .policy(let name): policy(of: name, for: caller).encode(into: &reply)
        case .tokens(let after, let limit): tokens(after: after, limit: limit, for: caller).encode(into: &reply)
        case .read, .readAll, .count:
            guard SpaceName.isValid(query.space) else { return Reply.failed(.invalidSpace).encode(into: &reply) }
            let permission = permission(.read, in: query.space, for: caller)
            if let failure = permission.failure { return Reply.failed(failure).encode(into: &reply) }
            search(query, permission, for: caller, into: &reply)
        }
    }

    private func search(
        _ query: QueryView, _ permission: Permission, for caller: Caller, into reply: inout ByteWriter
    ) {
        switch query.kind {
        case .readAll(let page): readAll(query, page, permission, for: caller, into: &reply)
        case .count:
            var count: UInt64? = 0
            if permission.isEverything {
                count = tuples.count(query.template, in: query.space)
            } else {
                var allowed: UInt64 = 0
                let complete = tuples.search(
                    query.template, in: query.space, where: { allows(permission, $0, for: caller) }
                ) { _, _ in
                    allowed += 1
                    return true
                }
                count = complete ? allowed : nil
            }
            (count.map { Reply.count($0) } ?? .failed(.templateTooBroad)).encode(into: &reply)
        default: read(query, permission, for: caller, into: &reply)
        }
    }

    private func read(
        _ query: QueryView, _ permission: Permission, for caller: Caller, into reply: inout ByteWriter
    ) {
        let start = reply.count
        let complete = tuples.search(
            query.template, in: query.space, where: { allows(permission, $0, for: caller) }
        ) { id, tuple in
            reply.write(ReplyCode.found)
            reply.write(id)
            lastPosition.encode(into: &reply)
            reply.write(raw: tuple)
            return false
        }
        if reply.count > start { return }
        (complete ? Reply.noMatch : .failed(.templateTooBroad)).encode(into: &reply)
    }

    /// The page ends at its limit of tuples or bytes, or where too many were examined that do not match: then the reader may page on.
    private func readAll(
        _ query: QueryView, _ page: Page, _ permission: Permission, for caller: Caller, into reply: inout ByteWriter
    ) {
        guard (1...Limits.pageTuples).contains(page.limit) else {
            return Reply.failed(.pageLimit(page.limit)).encode(into: &reply)
        }
        let start = reply.count
        reply.write(ReplyCode.tuples)
        reply.write(false)
        reply.write(UInt32(0))
        var count: UInt32 = 0
        var more = false
        let complete = tuples.search(
            query.template, in: query.space, TupleTable.Bounds(page), where: { allows(permission, $0, for: caller) }
        ) { id, tuple in
            let fits = count < page.limit && (count == 0 || reply.count - start + tuple.count + 8 <= Limits.pageBytes)
            guard fits else {
                more = true
                return false
            }
            reply.write(id)
            reply.write(raw: tuple)
            count += 1
            return true
        }
        guard complete || count > 0 else {
            reply.bytes.removeSubrange(start...)
            return Reply.failed(.templateTooBroad).encode(into: &reply)
        }
        if more || !complete { reply.bytes[start + 1] = 1 }
        reply.patch(count, at: start + 2)
    }
}

/// A query as its bytes.
struct QueryView {
    enum Kind {
        case read
        case readAll(Page)
        case count
        case spaces(after: String?, limit: Int)
        case policy(String)
        case tokens(after: TokenDigest?, limit: Int)
    }

    var kind: Kind
    /// Of a query for tuples, and its template.
    var space = UnsafeRawBufferPointer(start: nil, count: 0)
    var template = UnsafeRawBufferPointer(start: nil, count: 0)

    /// Nil if it is malformed.
    init?(_ bytes: UnsafeRawBufferPointer) {
        var scan = ByteScan(bytes)
        let code = scan.byte()
        if code >= QueryCode.spaces {
            guard let kind = Self.rare(bytes) else { return nil }
            self.kind = kind
            return
        }
        space = scan.text()
        switch code {
        case QueryCode.read: kind = .read
        case QueryCode.count: kind = .count
        case QueryCode.readAll:
            var reader = ByteReader(bytes, from: scan.offset)
            guard let page = try? Page(from: &reader) else { return nil }
            kind = .readAll(page)
            scan.offset = reader.offset
        default: return nil
        }
        template = scan.rest
        EncodedTemplate.check(&scan)
        guard scan.endedWell else { return nil }
    }

    private static func rare(_ bytes: UnsafeRawBufferPointer) -> Kind? {
        var reader = ByteReader(bytes)
        guard let query = try? Query(from: &reader), reader.isAtEnd else { return nil }
        switch query {
        case .spaces(let after, let limit): return .spaces(after: after, limit: limit)
        case .policy(let space): return .policy(space)
        case .tokens(let after, let limit): return .tokens(after: after, limit: limit)
        case .read, .readAll, .count: return nil
        }
    }
}

extension Failure {
    /// Why these bytes are no query.
    static func malformedQuery(_ query: UnsafeRawBufferPointer) -> Failure {
        var reader = ByteReader(query)
        do {
            _ = try Query(from: &reader)
            try reader.requireEnd("query")
        } catch {
            return Failure(.malformed, error.description)
        }
        return Failure(.malformed, "malformed query")
    }
}
