/// Something that is done as one or not at all, by one entry of the log: the first alternative whose guard finds what it wants, and then
/// all of its steps. If no guard does, the statement waits, or is over with `noMatch`. If a step cannot be done, nothing is.
///
/// What a statement finds can be used in its further steps, by formals (`bind`, `formal`) and by ids. Each tuple is found at most once by a
/// statement, and what it writes is seen by nobody, itself included, before it is over. No tuple is held for it: what it takes is gone.
///
/// After FT-Linda's atomic guarded statements (Bakken and Schlichting, 1995).
public struct Statement: Equatable, Sendable {
    /// 1 to `Limits.alternatives`.
    public var alternatives: [Alternative]
    /// How long it waits for a guard to find something.
    public var timeout: Timeout

    public init(_ alternatives: [Alternative], timeout: Timeout = .none) {
        self.alternatives = alternatives
        self.timeout = timeout
    }

    public struct Alternative: Equatable, Sendable {
        public var guarded: Guard
        /// At most `Limits.steps`.
        public var steps: [Step]

        public init(_ guarded: Guard, _ steps: [Step] = []) {
            self.guarded = guarded
            self.steps = steps
        }
    }

    public enum Guard: Equatable, Sendable {
        case always
        /// Takes the oldest match.
        case take(space: String, TemplateExpression)
        /// Finds the oldest match and leaves it.
        case read(space: String, TemplateExpression)
    }

    /// The guard is step 0, the first of these step 1.
    public enum Step: Equatable, Sendable {
        /// - lease: from now on.
        case write(space: String, TupleExpression, lease: Timeout)
        /// Takes the oldest match; the statement fails if there is none.
        case take(space: String, TemplateExpression)
        /// Takes the oldest match, if there is one. Binds nothing.
        case takeIfAny(space: String, TemplateExpression)
        /// Finds the oldest match and leaves it; the statement fails if there is none.
        case read(space: String, TemplateExpression)
        /// The statement fails if there is a match. Binds nothing.
        case absent(space: String, TemplateExpression)
        /// Puts another tuple in the place of the one that an earlier `read` found, a guard's or a step's.
        case replace(step: Int, TupleExpression)
    }

    /// A value that is known when the statement is done.
    public enum Field: Equatable, Sendable {
        case value(Value)
        /// What an earlier `bind` found.
        case formal(Int)
        /// The id, as an int, of the tuple that an earlier step found or wrote.
        case id(ofStep: Int)
    }

    /// A tuple to be made.
    public struct TupleExpression: Equatable, Sendable {
        public var fields: [Field]

        public init(_ fields: [Field]) { self.fields = fields }
    }

    public enum TemplateField: Equatable, Sendable {
        case plain(TupleSpace.TemplateField)
        /// What equals a value that is known by then: a formal or an id.
        case known(Field)
        /// Matches anything, or anything of a type, and keeps it under a number below `Limits.formals`.
        case bind(Int, ValueType?)
    }

    /// A template to be made.
    public struct TemplateExpression: Equatable, Sendable {
        public var fields: [TemplateField]

        public init(_ fields: [TemplateField]) { self.fields = fields }
    }
}

extension Statement {
    /// What is wrong with it whatever the state is; nil if nothing is.
    public func problem() -> String? {
        guard (1...Limits.alternatives).contains(alternatives.count) else {
            return "a statement has 1 to \(Limits.alternatives) alternatives, and this one has \(alternatives.count)"
        }
        for (number, alternative) in alternatives.enumerated() {
            var check = StatementCheck()
            do throws(StatementCheck.Problem) {
                try check.check(alternative)
            } catch {
                return "alternative \(number + 1), \(error.text)"
            }
        }
        return nil
    }
}

/// Goes through an alternative and keeps what is known so far.
private struct StatementCheck {
    struct Problem: Error {
        var text: String
    }

    private enum Yield {
        case nothing, tuple
        /// A tuple that is still there.
        case read
    }

    private var bound: Set<Int> = []
    private var yields: [Yield] = []
    private var replaced: Set<Int> = []

    private var place: String { yields.isEmpty ? "guard" : "step \(yields.count)" }
    private func problem(_ text: String) -> Problem { Problem(text: "\(place): \(text)") }

    mutating func check(_ alternative: Statement.Alternative) throws(Problem) {
        guard alternative.steps.count <= Limits.steps else {
            throw problem(
                "an alternative has at most \(Limits.steps) steps, and this one has \(alternative.steps.count)")
        }
        switch alternative.guarded {
        case .always: yields.append(.nothing)
        case .take(_, let template):
            try check(template, binds: true)
            yields.append(.tuple)
        case .read(_, let template):
            try check(template, binds: true)
            yields.append(.read)
        }
        for step in alternative.steps { try check(step) }
    }

    private mutating func check(_ step: Statement.Step) throws(Problem) {
        switch step {
        case .write(_, let tuple, _):
            try check(tuple)
            yields.append(.tuple)
        case .take(_, let template):
            try check(template, binds: true)
            yields.append(.tuple)
        case .read(_, let template):
            try check(template, binds: true)
            yields.append(.read)
        case .takeIfAny(_, let template), .absent(_, let template):
            try check(template, binds: false)
            yields.append(.nothing)
        case .replace(let target, let tuple):
            guard yields.indices.contains(target), yields[target] == .read else {
                throw problem("step \(target) is no earlier read, whose tuple could be replaced")
            }
            guard replaced.insert(target).inserted else {
                throw problem("the tuple of step \(target) is replaced twice")
            }
            try check(tuple)
            yields.append(.tuple)
        }
    }

    private func check(_ tuple: Statement.TupleExpression) throws(Problem) {
        guard (1...Limits.fieldsPerTuple).contains(tuple.fields.count) else {
            throw problem("a tuple has 1 to \(Limits.fieldsPerTuple) fields, and this one has \(tuple.fields.count)")
        }
        for field in tuple.fields { try check(field) }
    }

    private func check(_ field: Statement.Field) throws(Problem) {
        switch field {
        case .value: return
        case .formal(let number): if !bound.contains(number) { throw problem("formal \(number) is not bound by then") }
        case .id(let step):
            guard yields.indices.contains(step), yields[step] != .nothing else {
                throw problem("step \(step) finds or writes no tuple whose id could be used")
            }
        }
    }

    private mutating func check(_ template: Statement.TemplateExpression, binds: Bool) throws(Problem) {
        guard (1...Limits.fieldsPerTuple).contains(template.fields.count) else {
            throw problem(
                "a template has 1 to \(Limits.fieldsPerTuple) fields, and this one has \(template.fields.count)")
        }
        var new: [Int] = []
        for field in template.fields {
            switch field {
            case .plain: continue
            case .known(.value): throw problem("a value that is known before is a plain field")
            case .known(let field): try check(field)
            case .bind(let number, _):
                guard binds else { throw problem("what may find nothing binds no formal") }
                guard (0..<Limits.formals).contains(number) else {
                    throw problem("formals are numbered from 0 to \(Limits.formals - 1), and not \(number)")
                }
                guard !bound.contains(number), !new.contains(number) else {
                    throw problem("formal \(number) is bound already")
                }
                new.append(number)
            }
        }
        bound.formUnion(new)
    }
}
