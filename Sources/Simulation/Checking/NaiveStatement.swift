import TupleSpace

/// A statement's alternative, worked out on the tuples that stood there before it: no step sees what another does, and so all of them can be
/// known before any is done.
struct NaiveStatement {
    struct Seen: Equatable {
        var id: TupleID
        var space: String
        var tuple: Tuple
    }

    enum Effect {
        case nothing
        case read(Seen)
        case take(Seen)
        case write(id: TupleID, space: String, Tuple, lease: Timeout)
        case replace(Seen, Tuple)

        func changes(_ id: TupleID) -> Bool {
            switch self {
            case .take(let seen), .replace(let seen, _): seen.id == id
            case .nothing, .read, .write: false
            }
        }
    }

    /// What came of trying all alternatives in turn.
    enum Verdict {
        /// No guard finds anything.
        case missed
        /// A guard does, and then a step cannot be done; or whose statement it is may not.
        case failed(Failure.Code)
        case done(alternative: Int, [Effect])
    }

    private struct Impossible: Error {
        var code = Failure.Code.statementFailed
    }

    /// In order of age.
    private let seen: [Seen]
    private let judge: NaiveJudge
    private var nextID: TupleID
    private var effects: [Effect] = []
    /// What each step found or wrote.
    private var found: [Seen?] = []
    private var formals: [Int: Value] = [:]

    /// - Parameters:
    ///   - seen: all that is visible, in order of age.
    ///   - nextID: that the next tuple written will have.
    static func verdict(
        on statement: Statement, seeing seen: [Seen], nextID: TupleID, as judge: NaiveJudge = NaiveJudge()
    ) -> Verdict {
        for (number, alternative) in statement.alternatives.enumerated() {
            guard let (space, template) = alternative.guarded.naiveTarget else {
                return verdict(on: alternative, number, guardFinds: nil, seeing: seen, nextID: nextID, as: judge)
            }
            let rules = alternative.guarded.naiveRules
            if judge.isForbidden(rules, space) { return .failed(.notAllowed) }
            let first = seen.first {
                $0.space == space && naivelyMatches(template, $0.tuple) && judge.isAllowed(rules, space, $0.tuple)
            }
            guard let first else { continue }
            return verdict(on: alternative, number, guardFinds: first, seeing: seen, nextID: nextID, as: judge)
        }
        return .missed
    }

    /// Of one whose guard has found this.
    static func verdict(
        on alternative: Statement.Alternative, _ number: Int, guardFinds target: Seen?, seeing seen: [Seen],
        nextID: TupleID, as judge: NaiveJudge
    ) -> Verdict {
        var trial = NaiveStatement(seen: seen, nextID: nextID, judge: judge)
        do {
            trial.begin(alternative.guarded, target)
            for step in alternative.steps { try trial.add(step) }
            return .done(alternative: number, trial.effects)
        } catch {
            return .failed((error as? Impossible)?.code ?? .statementFailed)
        }
    }

    private init(seen: [Seen], nextID: TupleID, judge: NaiveJudge) {
        self.seen = seen
        self.nextID = nextID
        self.judge = judge
    }

    private mutating func finish(_ effect: Effect, _ what: Seen?) {
        effects.append(effect)
        found.append(what)
    }

    private mutating func begin(_ guarded: Statement.Guard, _ target: Seen?) {
        switch guarded {
        case .always: finish(.nothing, nil)
        case .take(_, let template), .read(_, let template):
            guard let target else { return }
            bind(template, target.tuple)
            if case .take = guarded { finish(.take(target), target) } else { finish(.read(target), target) }
        }
    }

    private mutating func add(_ step: Statement.Step) throws {
        switch step {
        case .write(let space, let expression, let lease):
            let written = Seen(id: nextID, space: space, tuple: made(expression))
            try require([\.write], space, written.tuple)
            finish(.write(id: nextID, space: space, written.tuple, lease: lease), written)
            nextID = TupleID(nextID.rawValue + 1)
        case .take(let space, let template):
            let target = try require(template, space, NaiveJudge.taking)
            bind(template, target.tuple)
            finish(.take(target), target)
        case .read(let space, let template):
            let target = try require(template, space, NaiveJudge.reading)
            bind(template, target.tuple)
            finish(.read(target), target)
        case .takeIfAny(let space, let template):
            guard let target = try found(template, space, NaiveJudge.taking) else { return finish(.nothing, nil) }
            // Further steps know nothing of it, but that it is found no more.
            finish(.take(target), target)
        case .absent(let space, let template):
            if try found(template, space, NaiveJudge.reading) != nil { throw Impossible() }
            finish(.nothing, nil)
        case .replace(let step, let expression):
            guard let target = found[step] else { throw Impossible() }
            let tuple = made(expression)
            try require([\.take], target.space, target.tuple)
            try require([\.write], target.space, tuple)
            finish(.replace(target, tuple), target)
        }
    }

    private func require(_ rules: NaiveJudge.Rules, _ space: String, _ tuple: Tuple) throws {
        guard judge.isAllowed(rules, space, tuple) else { throw Impossible(code: .notAllowed) }
    }

    private func require(
        _ expression: Statement.TemplateExpression, _ space: String, _ rules: NaiveJudge.Rules
    ) throws -> Seen {
        guard let target = try found(expression, space, rules) else { throw Impossible() }
        return target
    }

    /// The oldest that no step has found yet.
    private func found(
        _ expression: Statement.TemplateExpression, _ space: String, _ rules: NaiveJudge.Rules
    ) throws -> Seen? {
        if judge.isForbidden(rules, space) { throw Impossible(code: .notAllowed) }
        let template = Template(
            expression.fields.map { field in
                switch field {
                case .plain(let field): field
                case .known(let field): .literal(value(field))
                case .bind(_, let type): type.map { .type($0) } ?? .any
                }
            })
        return seen.first { candidate in
            candidate.space == space && naivelyMatches(template, candidate.tuple)
                && !found.contains { $0?.id == candidate.id } && judge.isAllowed(rules, space, candidate.tuple)
        }
    }

    private mutating func bind(_ expression: Statement.TemplateExpression, _ tuple: Tuple) {
        for (field, value) in zip(expression.fields, tuple.fields) {
            if case .bind(let number, _) = field { formals[number] = value }
        }
    }

    private func value(_ field: Statement.Field) -> Value {
        switch field {
        case .value(let value): value
        case .formal(let number): formals[number] ?? .null
        case .id(let step): .int(Int64(found[step]?.id.rawValue ?? 0))
        }
    }

    private func made(_ expression: Statement.TupleExpression) -> Tuple { Tuple(expression.fields.map(value)) }
}

extension Statement.Guard {
    var naiveRules: NaiveJudge.Rules {
        if case .take = self { NaiveJudge.taking } else { NaiveJudge.reading }
    }

    /// What a guard looks for; nil if it always holds.
    var naiveTarget: (space: String, template: Template)? {
        switch self {
        case .always: nil
        case .take(let space, let expression), .read(let space, let expression):
            (
                space,
                Template(
                    expression.fields.map { field in
                        switch field {
                        case .plain(let field): field
                        case .bind(_, let type): type.map { .type($0) } ?? .any
                        // Nothing is known yet: no statement that can be read has one here.
                        case .known: .any
                        }
                    })
            )
        }
    }
}
