import ByteCoding

extension StateMachine {
    /// Answers from the state as it is. Never changes it.
    public func answer(_ query: Query) -> Reply {
        var writer = ByteWriter()
        query.encode(into: &writer)
        var answer = ByteWriter()
        writer.bytes.withUnsafeBytes { self.answer(encoded: $0, into: &answer) }
        return answer.bytes.withUnsafeBytes { bytes in
            var reader = ByteReader(bytes)
            // What was encoded here a moment ago decodes; the tuples in it were checked when they were written.
            return (try? Reply(from: &reader)) ?? .failed(Failure(.malformed, "malformed reply"))
        }
    }

    /// Like `answer`, on the bytes of an encoded query, appending an encoded reply: the hot path of reads.
    public func answer(encoded query: UnsafeRawBufferPointer, into reply: inout ByteWriter) {
        guard let query = QueryView(query) else {
            return Reply.failed(.malformedQuery(query)).encode(into: &reply)
        }
        guard SpaceName.isValid(query.space) else { return Reply.failed(.invalidSpace).encode(into: &reply) }
        switch query.kind {
        case .read: read(query, into: &reply)
        case .readAll(let page): readAll(query, page, into: &reply)
        case .count:
            guard let count = tuples.count(query.template, in: query.space) else {
                return Reply.failed(.templateTooBroad).encode(into: &reply)
            }
            Reply.count(count).encode(into: &reply)
        }
    }

    private func read(_ query: QueryView, into reply: inout ByteWriter) {
        let start = reply.count
        let complete = tuples.search(query.template, in: query.space) { id, tuple in
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
    private func readAll(_ query: QueryView, _ page: Page, into reply: inout ByteWriter) {
        guard (1...Limits.pageTuples).contains(page.limit) else {
            return Reply.failed(.pageLimit(page.limit)).encode(into: &reply)
        }
        let start = reply.count
        reply.write(ReplyCode.tuples)
        reply.write(false)
        reply.write(UInt32(0))
        var count: UInt32 = 0
        var more = false
        let complete = tuples.search(query.template, in: query.space, TupleTable.Bounds(page)) { id, tuple in
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
    }

    var kind: Kind
    var space: UnsafeRawBufferPointer
    var template: UnsafeRawBufferPointer

    /// Nil if it is malformed.
    init?(_ bytes: UnsafeRawBufferPointer) {
        var scan = ByteScan(bytes)
        let code = scan.byte()
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
