import ByteCoding

// Checks for what was made in Swift; what was decoded from bytes has passed them already. Edges call them before they propose.

extension Value {
    /// - Throws: `invalid-tuple` if a double is not finite, a map's keys are not unique and ascending, or nesting is too deep.
    public func validate() throws(Failure) { try validate(depth: 0) }

    private func validate(depth: Int) throws(Failure) {
        switch self {
        case .null, .bool, .int, .string, .bytes, .symbol: return
        case .double(let value):
            guard value.isFinite else { throw Failure(.invalidTuple, "A double must be finite.") }
        case .list(let values):
            try Self.requireDepth(depth)
            for value in values { try value.validate(depth: depth + 1) }
        case .map(let entries):
            try Self.requireDepth(depth)
            var previous: String?
            for entry in entries {
                if let previous, !previous.precedesInUTF8(entry.key) {
                    throw Failure(.invalidTuple, "The keys of a map must be unique and ascending as UTF-8.")
                }
                previous = entry.key
                try entry.value.validate(depth: depth + 1)
            }
        }
    }

    private static func requireDepth(_ depth: Int) throws(Failure) {
        guard depth < Limits.nestingDepth else {
            throw Failure(.invalidTuple, "Lists and maps are nested deeper than the limit of \(Limits.nestingDepth).")
        }
    }

    /// Bytes of the encoding, without making it.
    var encodedByteCount: Int {
        switch self {
        case .null, .bool: 1
        case .int(let value): 1 + varintByteCount(ZigZag.encode(value))
        case .double: 9
        case .string(let text), .symbol(let text): 1 + prefixedByteCount(text.utf8.count)
        case .bytes(let bytes): 1 + prefixedByteCount(bytes.count)
        case .list(let values):
            values.reduce(1 + varintByteCount(UInt64(values.count))) { $0 + $1.encodedByteCount }
        case .map(let entries):
            entries.reduce(1 + varintByteCount(UInt64(entries.count))) {
                $0 + prefixedByteCount($1.key.utf8.count) + $1.value.encodedByteCount
            }
        }
    }
}

private func varintByteCount(_ value: UInt64) -> Int { max(1, (64 - value.leadingZeroBitCount + 6) / 7) }
private func prefixedByteCount(_ count: Int) -> Int { varintByteCount(UInt64(count)) + count }

extension Tuple {
    /// - Throws: `invalid-tuple`, or `tuple-too-large` with the limit.
    public func validate() throws(Failure) {
        guard (1...Limits.fieldsPerTuple).contains(fields.count) else {
            throw Failure(
                .invalidTuple, "A tuple has 1 to \(Limits.fieldsPerTuple) fields, and this one has \(fields.count).")
        }
        for field in fields { try field.validate() }
        let size = 1 + fields.reduce(0) { $0 + $1.encodedByteCount }
        guard size <= Limits.tupleBytes else { throw .tupleTooLarge(size) }
    }
}

extension Template {
    /// - Throws: `invalid-template`, with the reason.
    public func validate() throws(Failure) {
        guard (1...Limits.fieldsPerTuple).contains(fields.count) else {
            throw Failure(
                .invalidTemplate,
                "A template has 1 to \(Limits.fieldsPerTuple) fields, and this one has \(fields.count).")
        }
        var size = 1
        for field in fields {
            do {
                size += try field.validatedByteCount()
            } catch {
                throw Failure(.invalidTemplate, error.message)
            }
        }
        guard size <= Limits.tupleBytes else {
            throw Failure(
                .invalidTemplate, "A template of \(size) bytes exceeds the limit of \(Limits.tupleBytes) bytes.")
        }
    }
}

extension TemplateField {
    fileprivate func validatedByteCount() throws(Failure) -> Int {
        switch self {
        case .any: return 1
        case .type: return 2
        case .literal(let value):
            try value.validate()
            return 1 + value.encodedByteCount
        case .range(let lower, let upper, _):
            guard lower.canBound(with: upper) else {
                throw Failure(.invalidTemplate, "The ends of a range must be two numbers or two strings.")
            }
            try lower.validate()
            try upper.validate()
            return 1 + lower.encodedByteCount + upper.encodedByteCount
        case .prefix(let text): return 1 + prefixedByteCount(text.utf8.count)
        case .regex(let pattern):
            if let problem = RegexDialect.problem(in: pattern) {
                throw Failure(
                    .invalidTemplate, "The regular expression \(pattern.prefix(64)) cannot be used: \(problem).")
            }
            return 1 + prefixedByteCount(pattern.utf8.count)
        }
    }
}

/// What may name a space.
public enum SpaceName {
    /// - Throws: `invalid-space` if it is empty, too long or has control characters.
    public static func validate(_ name: String) throws(Failure) {
        var name = name
        let valid = name.withUTF8 { isValid(UnsafeRawBufferPointer($0)) }
        guard valid else { throw .invalidSpace }
    }

    /// Of bytes that are valid UTF-8.
    static func isValid(_ name: UnsafeRawBufferPointer) -> Bool {
        guard !name.isEmpty, name.count <= Limits.spaceNameBytes else { return false }
        var previous: UInt8 = 0
        for byte in name {
            if byte < 0x20 || byte == 0x7F { return false }
            // U+0080 to U+009F are C2 80 to C2 9F.
            if previous == 0xC2, byte < 0xA0 { return false }
            previous = byte
        }
        return true
    }
}

extension SpaceName {
    static func isValid(_ name: String) -> Bool {
        var name = name
        return name.withUTF8 { isValid(UnsafeRawBufferPointer($0)) }
    }
}

extension Statement {
    /// - Throws: of the first value or field that no tuple or template may have.
    fileprivate func validateValues() throws(Failure) {
        for alternative in alternatives {
            if let template = alternative.guarded.looksFor?.template { try template.validate() }
            for step in alternative.steps {
                switch step {
                case .write(_, let tuple, _), .replace(_, let tuple): try Self.validate(tuple)
                case .take(_, let template), .takeIfAny(_, let template), .read(_, let template),
                    .absent(_, let template):
                    for case .plain(let field) in template.fields { try Template([field]).validate() }
                }
            }
        }
    }

    private static func validate(_ tuple: TupleExpression) throws(Failure) {
        for case .value(let value) in tuple.fields { try value.validate() }
    }
}

extension Timeout {
    func validate() throws(Failure) {
        if case .milliseconds(let ms) = self, ms > Limits.timeoutMilliseconds { throw .timeoutTooLong(ms) }
    }
}

extension Operation {
    /// - Throws: the failure that apply would answer with, whatever the state.
    public func validate() throws(Failure) {
        switch self {
        case .openSession(let timeout):
            guard Limits.sessionTimeoutMilliseconds.contains(timeout) else { throw .sessionTimeout(timeout) }
        case .statement(let statement):
            if let problem = statement.problem() {
                throw Failure(.malformed, "The statement cannot be used: \(problem).")
            }
            if let refusal = statement.refusal { throw refusal }
            try statement.validateValues()
        case .endSession, .expireSessions, .raiseLevel, .cancel, .release, .acknowledge, .removeToken: return
        case .reserve(let space, let template, let timeout, let reservation):
            try SpaceName.validate(space)
            try timeout.validate()
            try template.validate()
            guard reservation <= Limits.reservationMilliseconds else { throw .reservationTooLong(reservation) }
        case .reservation(_, .extend(let milliseconds)):
            guard milliseconds <= Limits.reservationMilliseconds else { throw .reservationTooLong(milliseconds) }
        case .reservation: return
        case .leave(let tuples):
            guard tuples.count <= Limits.failureTuplesPerSession else { throw .tooManyFailureTuples(tuples.count) }
            for one in tuples {
                if let refusal = one.refusal { throw refusal }
                try one.tuple.validate()
            }
            let bytes = tuples.reduce(0) { $0 + $1.encodedTuple.count }
            guard bytes <= Limits.failureTupleBytesPerSession else { throw .failureTuplesTooLarge(bytes) }
        case .setPolicy(let space, let policy):
            if !space.isEmpty { try SpaceName.validate(space) }
            if let problem = policy?.problem() { throw Failure(.malformed, "The policy cannot be used: \(problem).") }
        case .setToken(let token):
            if let problem = token.problem() { throw Failure(.malformed, "The token cannot be used: \(problem).") }
        case .write(let space, let tuple):
            try SpaceName.validate(space)
            try tuple.validate()
        case .writeLeased(let space, let tuple, let lease):
            try SpaceName.validate(space)
            guard lease <= Limits.leaseMilliseconds else { throw .leaseTooLong(lease) }
            try tuple.validate()
        case .renew(let space, _, let lease):
            try SpaceName.validate(space)
            if case .milliseconds(let lease) = lease, lease > Limits.leaseMilliseconds { throw .leaseTooLong(lease) }
        case .takeByID(let space, _): try SpaceName.validate(space)
        case .takeAll(let space, let template, let page):
            try SpaceName.validate(space)
            try template.validate()
            guard (1...Limits.pageTuples).contains(page.limit) else { throw .pageLimit(page.limit) }
        case .replace(let space, _, let tuple):
            try SpaceName.validate(space)
            try tuple.validate()
        case .take(let space, let template, let timeout, _):
            try SpaceName.validate(space)
            try timeout.validate()
            try template.validate()
        case .keyed(let key, let digest, let operation):
            guard IdempotencyRules.isValid(keyBytes: key.utf8.count, digestBytes: digest.count) else {
                throw .idempotencyKey
            }
            switch operation {
            case .take(_, _, _, holds: true), .leave, .openSession, .endSession, .expireSessions, .raiseLevel, .cancel,
                .release,
                .acknowledge, .keyed:
                throw .notKeyable
            default: try operation.validate()
            }
        }
    }
}

/// Sizes of what comes with an idempotency key.
enum IdempotencyRules {
    static let digestBytes = 64

    static func isValid(keyBytes: Int, digestBytes: Int) -> Bool {
        keyBytes >= 1 && keyBytes <= Limits.idempotencyKeyBytes && digestBytes <= Self.digestBytes
    }
}

extension Query {
    public func validate() throws(Failure) {
        switch self {
        case .read(let space, let template), .count(let space, let template):
            try SpaceName.validate(space)
            try template.validate()
        case .readAll(let space, let template, let page):
            try SpaceName.validate(space)
            try template.validate()
            guard (1...Limits.pageTuples).contains(page.limit) else { throw .pageLimit(page.limit) }
        case .spaces(_, let limit), .tokens(_, let limit):
            guard (1...Limits.pageTuples).contains(limit) else { throw .pageLimit(limit) }
        case .policy(let space): if !space.isEmpty { try SpaceName.validate(space) }
        }
    }
}
