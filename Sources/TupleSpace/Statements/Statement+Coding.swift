import ByteCoding

private enum StatementCode {
    static let guardAlways: UInt8 = 0
    static let guardTake: UInt8 = 1
    static let guardRead: UInt8 = 2
    static let write: UInt8 = 1
    static let take: UInt8 = 2
    static let takeIfAny: UInt8 = 3
    static let read: UInt8 = 4
    static let absent: UInt8 = 5
    static let replace: UInt8 = 6
    /// Beside the tags of values.
    static let formal: UInt8 = 10
    static let id: UInt8 = 11
    /// Beside the codes of template fields.
    static let bind: UInt8 = 7
    static let anyType: UInt8 = 0xFF
}

extension Statement {
    public func encode(into writer: inout ByteWriter) {
        timeout.encode(into: &writer)
        writer.writeVarint(UInt64(alternatives.count))
        for alternative in alternatives {
            alternative.guarded.encode(into: &writer)
            writer.writeVarint(UInt64(alternative.steps.count))
            for step in alternative.steps { step.encode(into: &writer) }
        }
    }

    /// - Throws: also for what `problem` finds.
    public init(from reader: inout ByteReader) throws(MalformedBytes) {
        let start = reader.offset
        timeout = try Timeout(from: &reader)
        alternatives = []
        for _ in 0..<(try reader.readCount(of: "alternatives", minimumBytes: 2)) {
            let guarded = try Guard(from: &reader)
            var steps: [Step] = []
            for _ in 0..<(try reader.readCount(of: "steps", minimumBytes: 2)) { steps.append(try Step(from: &reader)) }
            alternatives.append(Alternative(guarded, steps))
            guard alternatives.count <= Limits.alternatives else { break }
        }
        if let problem = problem() { throw MalformedBytes(problem, at: start) }
    }
}

extension Statement.Guard {
    fileprivate func encode(into writer: inout ByteWriter) {
        switch self {
        case .always: writer.write(StatementCode.guardAlways)
        case .take(let space, let template), .read(let space, let template):
            if case .take = self {
                writer.write(StatementCode.guardTake)
            } else {
                writer.write(StatementCode.guardRead)
            }
            writer.write(space)
            template.encode(into: &writer)
        }
    }

    fileprivate init(from reader: inout ByteReader) throws(MalformedBytes) {
        let start = reader.offset
        switch try reader.readByte("guard") {
        case StatementCode.guardAlways: self = .always
        case StatementCode.guardTake:
            self = .take(space: try reader.readString("space"), try Statement.TemplateExpression(from: &reader))
        case StatementCode.guardRead:
            self = .read(space: try reader.readString("space"), try Statement.TemplateExpression(from: &reader))
        default: throw MalformedBytes("unknown kind of guard", at: start)
        }
    }
}

extension Statement.Step {
    fileprivate func encode(into writer: inout ByteWriter) {
        func found(_ code: UInt8, _ space: String, _ template: Statement.TemplateExpression) {
            writer.write(code)
            writer.write(space)
            template.encode(into: &writer)
        }
        switch self {
        case .write(let space, let tuple, let lease):
            writer.write(StatementCode.write)
            writer.write(space)
            lease.encode(into: &writer)
            tuple.encode(into: &writer)
        case .take(let space, let template): found(StatementCode.take, space, template)
        case .takeIfAny(let space, let template): found(StatementCode.takeIfAny, space, template)
        case .read(let space, let template): found(StatementCode.read, space, template)
        case .absent(let space, let template): found(StatementCode.absent, space, template)
        case .replace(let step, let tuple):
            writer.write(StatementCode.replace)
            writer.writeVarint(UInt64(max(0, step)))
            tuple.encode(into: &writer)
        }
    }

    fileprivate init(from reader: inout ByteReader) throws(MalformedBytes) {
        let start = reader.offset
        let code = try reader.readByte("step")
        switch code {
        case StatementCode.write:
            let space = try reader.readString("space")
            let lease = try Timeout(from: &reader)
            self = .write(space: space, try Statement.TupleExpression(from: &reader), lease: lease)
        case StatementCode.replace:
            let step = try Statement.number(&reader, "step")
            self = .replace(step: step, try Statement.TupleExpression(from: &reader))
        case StatementCode.take...StatementCode.absent:
            let space = try reader.readString("space")
            let template = try Statement.TemplateExpression(from: &reader)
            self =
                switch code {
                case StatementCode.take: .take(space: space, template)
                case StatementCode.takeIfAny: .takeIfAny(space: space, template)
                case StatementCode.read: .read(space: space, template)
                default: .absent(space: space, template)
                }
        default: throw MalformedBytes("unknown kind of step", at: start)
        }
    }
}

extension Statement {
    /// Of a step or a formal.
    fileprivate static func number(_ reader: inout ByteReader, _ what: String) throws(MalformedBytes) -> Int {
        let start = reader.offset
        guard let number = Int(exactly: try reader.readVarint(what)) else { throw MalformedBytes(what, at: start) }
        return number
    }
}

extension Statement.Field {
    fileprivate func encode(into writer: inout ByteWriter) {
        switch self {
        case .value(let value): value.encode(into: &writer)
        case .formal(let number):
            writer.write(StatementCode.formal)
            writer.writeVarint(UInt64(max(0, number)))
        case .id(let step):
            writer.write(StatementCode.id)
            writer.writeVarint(UInt64(max(0, step)))
        }
    }

    fileprivate init(from reader: inout ByteReader) throws(MalformedBytes) {
        var peek = reader
        switch try peek.readByte("field") {
        case StatementCode.formal:
            reader = peek
            self = .formal(try Statement.number(&reader, "formal"))
        case StatementCode.id:
            reader = peek
            self = .id(ofStep: try Statement.number(&reader, "step"))
        default: self = .value(try Value(from: &reader))
        }
    }
}

extension Statement.TupleExpression {
    fileprivate func encode(into writer: inout ByteWriter) {
        writer.writeVarint(UInt64(fields.count))
        for field in fields { field.encode(into: &writer) }
    }

    fileprivate init(from reader: inout ByteReader) throws(MalformedBytes) {
        let count = try reader.readCount(of: "fields")
        fields = []
        for _ in 0..<min(count, Limits.fieldsPerTuple + 1) { fields.append(try Statement.Field(from: &reader)) }
    }
}

extension Statement.TemplateExpression {
    fileprivate func encode(into writer: inout ByteWriter) {
        writer.writeVarint(UInt64(fields.count))
        for field in fields {
            switch field {
            case .plain(let field): field.encode(into: &writer)
            case .known(let field):
                writer.write(FieldTag.literal)
                field.encode(into: &writer)
            case .bind(let number, let type):
                writer.write(StatementCode.bind)
                writer.writeVarint(UInt64(max(0, number)))
                writer.write(type?.rawValue ?? StatementCode.anyType)
            }
        }
    }

    fileprivate init(from reader: inout ByteReader) throws(MalformedBytes) {
        let count = try reader.readCount(of: "template fields")
        fields = []
        for _ in 0..<min(count, Limits.fieldsPerTuple + 1) { fields.append(try Statement.TemplateField(from: &reader)) }
    }
}

extension Statement.TemplateField {
    fileprivate init(from reader: inout ByteReader) throws(MalformedBytes) {
        let start = reader.offset
        var peek = reader
        let code = try peek.readByte("template field")
        if code == StatementCode.bind {
            reader = peek
            let number = try Statement.number(&reader, "formal")
            let type = try reader.readByte("type")
            guard type == StatementCode.anyType || ValueType(rawValue: type) != nil else {
                throw MalformedBytes("unknown type", at: start)
            }
            self = .bind(number, ValueType(rawValue: type))
            return
        }
        if code == FieldTag.literal, let tag = try? peek.readByte("field"),
            tag == StatementCode.formal || tag == StatementCode.id
        {
            _ = try reader.readByte()
            self = .known(try Statement.Field(from: &reader))
            return
        }
        self = .plain(try TupleSpace.TemplateField(from: &reader))
    }
}
