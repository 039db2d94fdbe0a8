import TupleSpace

/// The members of a request's body, each taken out once; whatever is left is unknown, and refused.
struct RequestFields {
    private var members: [JSON.Member]

    init(_ body: [UInt8]) throws {
        guard case .object(let members) = try JSONParser.parse(body) else {
            throw APIError.malformed("the body must be a JSON object")
        }
        self.members = members
    }

    init(_ members: [JSON.Member]) { self.members = members }

    mutating func remove(_ name: String) -> JSON? {
        members.firstIndex { $0.name == name }.map { members.remove(at: $0).value }
    }

    /// Call after all members were taken.
    func finish(allowing names: String) throws(APIError) {
        guard let member = members.first else { return }
        throw .malformed("unknown member '\(member.name.prefix(64))': this request takes \(names)")
    }

    mutating func tuple() throws -> Tuple {
        guard let json = remove("tuple") else { throw APIError.malformed("'tuple' is missing") }
        do {
            return try TupleJSON.tuple(json)
        } catch {
            throw APIError(error, code: "invalid-tuple")
        }
    }

    mutating func template() throws -> Template {
        guard let json = remove("template") else { throw APIError.malformed("'template' is missing") }
        do {
            return try TemplateJSON.template(json)
        } catch {
            throw APIError(error, code: "invalid-template")
        }
    }

    /// Absent is 0, null waits for ever.
    mutating func timeout() throws(APIError) -> Timeout {
        let seconds: Double
        switch remove("timeout") {
        case nil: return .none
        case .null: return .forever
        case .int(let value): seconds = Double(value)
        case .double(let value): seconds = value
        case let other?: throw .malformed("'timeout' is a number of seconds or null, not \(other.kind)")
        }
        let limit = Double(Limits.timeoutMilliseconds / 1_000)
        guard seconds >= 0 else { throw .malformed("'timeout' must not be negative") }
        guard seconds <= limit else {
            throw .malformed("'timeout' is at most \(Int(limit)) seconds; null waits for ever")
        }
        return .milliseconds(UInt64((seconds * 1_000).rounded(.up)))
    }

    mutating func statement() throws -> Statement {
        guard let json = remove("alternatives") else { throw APIError.malformed("'alternatives' is missing") }
        let timeout = try timeout()
        do {
            return try StatementJSON.statement(json, timeout: timeout)
        } catch {
            throw APIError(error, code: "malformed")
        }
    }

    /// Milliseconds; absent or null is nil, which lasts for ever.
    mutating func lease() throws(APIError) -> UInt64? {
        switch remove("lease") {
        case nil, .null: return nil
        case let json?: return try Self.lease(json)
        }
    }

    /// Of a tuple that is there: null is for ever.
    mutating func newLease() throws(APIError) -> Timeout {
        switch remove("lease") {
        case nil: throw .malformed("'lease' is missing: a number of seconds from now on, or null for none")
        case .null: return .forever
        case let json?: return .milliseconds(try Self.lease(json))
        }
    }

    /// Milliseconds; nil if it is absent.
    mutating func reservation() throws(APIError) -> UInt64? {
        let seconds: Double
        switch remove("reservation") {
        case nil: return nil
        case .int(let value)?: seconds = Double(value)
        case .double(let value)?: seconds = value
        case let other?: throw .malformed("'reservation' is a number of seconds, not \(other.kind)")
        }
        let limit = Double(Limits.reservationMilliseconds / 1_000)
        guard seconds >= 0, seconds <= limit else { throw .malformed("'reservation' is 0 to \(Int(limit)) seconds") }
        return UInt64((seconds * 1_000).rounded(.up))
    }

    static func lease(_ json: JSON) throws(APIError) -> UInt64 {
        let seconds: Double
        switch json {
        case .int(let value): seconds = Double(value)
        case .double(let value): seconds = value
        default: throw .malformed("'lease' is a number of seconds or null, not \(json.kind)")
        }
        let limit = Double(Limits.leaseMilliseconds / 1_000)
        guard seconds >= 0, seconds <= limit else {
            throw .malformed("'lease' is 0 to \(Int(limit)) seconds; null lasts for ever")
        }
        return UInt64((seconds * 1_000).rounded(.up))
    }

    mutating func page() throws(APIError) -> Page {
        var page = Page(limit: 100)
        switch remove("limit") {
        case nil: break
        case let json? where json.integer.map((1...Int64(Limits.pageTuples)).contains) == true:
            page.limit = json.integer.map(Int.init) ?? page.limit
        default: throw .malformed("'limit' is an integer from 1 to \(Limits.pageTuples)")
        }
        switch remove("order") {
        case nil, .string("oldest"): break
        case .string("newest"): page.order = .newest
        default: throw .malformed("'order' is \"oldest\" or \"newest\"")
        }
        page.after = try tupleID("after")
        page.before = try tupleID("before")
        return page
    }

    private mutating func tupleID(_ name: String) throws(APIError) -> TupleID? {
        switch remove(name) {
        case nil: return nil
        case .string(let text):
            guard let id = UInt64(text) else {
                throw .malformed("'\(name)' is a tuple's id, a decimal number in a string")
            }
            return TupleID(id)
        default: throw .malformed("'\(name)' is a tuple's id, a decimal number in a string")
        }
    }
}
