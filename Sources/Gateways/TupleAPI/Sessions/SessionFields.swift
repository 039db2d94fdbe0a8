import TupleSpace

extension RequestFields {
    /// Milliseconds; nil if it is absent.
    mutating func sessionTimeout() throws(APIError) -> UInt64? {
        let seconds: Double
        switch remove("timeout") {
        case nil: return nil
        case .int(let value)?: seconds = Double(value)
        case .double(let value)?: seconds = value
        case let other?: throw .malformed("'timeout' is a number of seconds, not \(other.kind)")
        }
        let limits = Limits.sessionTimeoutMilliseconds
        let (lower, upper) = (limits.lowerBound / 1_000, limits.upperBound / 1_000)
        guard seconds >= Double(lower), seconds <= Double(upper) else {
            throw .malformed("'timeout' is \(lower) to \(upper) seconds")
        }
        return UInt64((seconds * 1_000).rounded(.up))
    }

    /// Nil if they are absent.
    mutating func failureTuples() throws -> [FailureTuple]? {
        guard let json = remove("failure") else { return nil }
        guard case .array(let elements) = json else {
            throw APIError.malformed("'failure' is an array of objects, not \(json.kind)")
        }
        guard elements.count <= Limits.failureTuplesPerSession else {
            throw APIError.malformed(
                "'failure' has at most \(Limits.failureTuplesPerSession) tuples, not \(elements.count)")
        }
        return try elements.enumerated().map { index, element in
            guard case .object(let members) = element else {
                throw APIError.malformed("failure[\(index)] is an object, not \(element.kind)")
            }
            do {
                var fields = RequestFields(members)
                let space = try fields.space()
                let tuple = try fields.tuple()
                let lease = try fields.lease()
                try fields.finish(allowing: "space, tuple, lease")
                return FailureTuple(tuple, to: space, lease: lease.map(Timeout.milliseconds) ?? .forever)
            } catch var error as APIError {
                error.message = "failure[\(index)]: \(error.message)"
                throw error
            }
        }
    }

    private mutating func space() throws -> String {
        switch remove("space") {
        case .string(let name):
            do { try SpaceName.validate(name) } catch { throw APIError(error) }
            return name
        case nil: throw APIError.malformed("'space' is missing")
        case let other?: throw APIError.malformed("'space' is a space's name, not \(other.kind)")
        }
    }

    /// Of a take in the same session.
    mutating func sequence() throws(APIError) -> UInt64 {
        guard let json = remove("sequence") else { throw .malformed("'sequence' is missing: the number of a take") }
        return try Self.sequence(json, "'sequence'")
    }

    /// Ascending, each once.
    mutating func sequences() throws(APIError) -> [UInt64] {
        guard let json = remove("sequences") else {
            throw .malformed("'sequences' is missing: the numbers of requests whose replies have arrived")
        }
        guard case .array(let elements) = json, (1...Limits.sessionWindow).contains(elements.count) else {
            throw .malformed("'sequences' is an array of 1 to \(Limits.sessionWindow) numbers")
        }
        var numbers: Set<UInt64> = []
        for element in elements { numbers.insert(try Self.sequence(element, "each of 'sequences'")) }
        return numbers.sorted()
    }

    private static func sequence(_ json: JSON, _ what: String) throws(APIError) -> UInt64 {
        let range = CommandHeader.sequences
        guard let number = json.integer.flatMap(UInt64.init(exactly:)), range.contains(number) else {
            throw .malformed("\(what) is an integer from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }
}
