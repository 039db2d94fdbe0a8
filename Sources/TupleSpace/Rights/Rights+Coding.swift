import ByteCoding

// Policies and tokens as bytes: docs/formats/tuples.md.

private enum ConditionCode {
    static let signedIn: UInt8 = 0
    static let user: UInt8 = 1
    static let role: UInt8 = 2
    static let fieldIsCaller: UInt8 = 3
    static let exists: UInt8 = 4
    // Parts.
    static let value: UInt8 = 0
    static let field: UInt8 = 1
    static let caller: UInt8 = 2
    static let anyRole: UInt8 = 3
}

extension Policy {
    public func encode(into writer: inout ByteWriter) {
        for rule in [write, read, take, administer] { rule.encode(into: &writer) }
    }

    /// - Throws: also for what `problem` finds.
    public init(from reader: inout ByteReader) throws(MalformedBytes) {
        let start = reader.offset
        write = try Rule(from: &reader, of: "write")
        read = try Rule(from: &reader, of: "read")
        take = try Rule(from: &reader, of: "take")
        administer = try Rule(from: &reader, of: "administer")
        if let problem = problem() { throw MalformedBytes(problem, at: start) }
    }
}

extension Rule {
    fileprivate func encode(into writer: inout ByteWriter) {
        writer.writeVarint(UInt64(clauses.count))
        for clause in clauses {
            writer.writeVarint(UInt64(clause.count))
            for condition in clause { condition.encode(into: &writer) }
        }
    }

    /// What is too much is refused with a sentence, and not read first.
    fileprivate init(from reader: inout ByteReader, of right: String) throws(MalformedBytes) {
        let start = reader.offset
        var clauses: [[Condition]] = []
        let count = try reader.readCount(of: "clauses")
        guard count <= Limits.clausesPerRule else {
            throw MalformedBytes("\(right): \(Self.tooManyClauses)", at: start)
        }
        for _ in 0..<count {
            let start = reader.offset
            let count = try reader.readCount(of: "conditions")
            guard count <= Limits.conditionsPerClause else {
                throw MalformedBytes("\(right): \(Self.tooManyConditions)", at: start)
            }
            var clause: [Condition] = []
            for _ in 0..<count { clause.append(try Condition(from: &reader)) }
            clauses.append(clause)
        }
        self.init(clauses)
    }
}

extension Condition {
    fileprivate func encode(into writer: inout ByteWriter) {
        switch self {
        case .signedIn: writer.write(ConditionCode.signedIn)
        case .user(let name):
            writer.write(ConditionCode.user)
            writer.write(name)
        case .role(let name):
            writer.write(ConditionCode.role)
            writer.write(name)
        case .fieldIsCaller(let number):
            writer.write(ConditionCode.fieldIsCaller)
            writer.write(field: number)
        case .exists(let space, let parts):
            writer.write(ConditionCode.exists)
            writer.write(space)
            writer.writeVarint(UInt64(parts.count))
            for part in parts {
                switch part {
                case .value(let value):
                    writer.write(ConditionCode.value)
                    value.encode(into: &writer)
                case .field(let number):
                    writer.write(ConditionCode.field)
                    writer.write(field: number)
                case .caller: writer.write(ConditionCode.caller)
                case .role: writer.write(ConditionCode.anyRole)
                }
            }
        }
    }

    fileprivate init(from reader: inout ByteReader) throws(MalformedBytes) {
        let start = reader.offset
        switch try reader.readByte("condition") {
        case ConditionCode.signedIn: self = .signedIn
        case ConditionCode.user: self = .user(try reader.readString("user"))
        case ConditionCode.role: self = .role(try reader.readString("role"))
        case ConditionCode.fieldIsCaller: self = .fieldIsCaller(Int(try reader.readByte("field")))
        case ConditionCode.exists:
            let space = try reader.readString("space")
            var parts: [Part] = []
            for _ in 0..<(try reader.readCount(of: "parts of a condition")) {
                let start = reader.offset
                switch try reader.readByte("part of a condition") {
                case ConditionCode.value: parts.append(.value(try Value(from: &reader)))
                case ConditionCode.field: parts.append(.field(Int(try reader.readByte("field"))))
                case ConditionCode.caller: parts.append(.caller)
                case ConditionCode.anyRole: parts.append(.role)
                default: throw MalformedBytes("unknown part of a condition", at: start)
                }
            }
            self = .exists(space: space, parts)
        default: throw MalformedBytes("unknown condition", at: start)
        }
    }
}

extension ByteWriter {
    /// A number that no field has is read as one that none has.
    fileprivate mutating func write(field number: Int) { write(UInt8(exactly: number) ?? .max) }
}

extension TokenDigest {
    init(from reader: inout ByteReader) throws(MalformedBytes) {
        let start = reader.offset
        guard let digest = TokenDigest(try reader.readString("digest of a token")) else {
            throw MalformedBytes("the digest of a token has 64 lower-case hexadecimal digits", at: start)
        }
        self = digest
    }
}

extension TokenRecord {
    public func encode(into writer: inout ByteWriter) {
        writer.write(digest.text)
        writer.write(user)
        writer.writeVarint(UInt64(roles.count))
        for role in roles { writer.write(role) }
    }

    /// - Throws: also for what `problem` finds.
    public init(from reader: inout ByteReader) throws(MalformedBytes) {
        let start = reader.offset
        digest = try TokenDigest(from: &reader)
        user = try reader.readString("user")
        roles = []
        for _ in 0..<(try reader.readCount(of: "roles")) { roles.append(try reader.readString("role")) }
        if let problem = problem() { throw MalformedBytes(problem, at: start) }
    }
}
