import TupleSpace

/// An alternative as it is tried, step by step, on a model that is thrown away if it fails.
struct ModelStatement {
    let who: SimpleModel.Who
    var caller: String { who.name }
    /// Why it failed: it might not.
    private(set) var isForbidden = false
    var results: [Reply] = []
    var written: [UInt64] = []
    private var formals: [Int: Value] = [:]
    private var found: [UInt64?] = []
    private var used: Set<UInt64> = []

    init(who: SimpleModel.Who) { self.who = who }

    private mutating func finish(_ reply: Reply, _ id: UInt64?) -> Bool {
        results.append(reply)
        found.append(id)
        return true
    }

    private func value(_ field: Statement.Field) -> Value {
        switch field {
        case .value(let value): value
        case .formal(let number): formals[number]!
        case .id(let step): .int(Int64(found[step]!))
        }
    }

    private func template(_ expression: Statement.TemplateExpression) -> Template {
        Template(
            expression.fields.map { field in
                switch field {
                case .plain(let field): field
                case .known(let field): .literal(value(field))
                case .bind(_, let type): type.map { .type($0) } ?? .any
                }
            })
    }

    private mutating func bind(_ stored: SimpleModel.Stored, _ expression: Statement.TemplateExpression) {
        used.insert(stored.id)
        for (field, value) in zip(expression.fields, stored.tuple.fields) {
            if case .bind(let number, _) = field { formals[number] = value }
        }
    }

    private mutating func find(
        _ space: String, _ expression: Statement.TemplateExpression, takes: Bool, _ model: SimpleModel
    ) -> SimpleModel.Stored? {
        let rights: [KeyPath<Policy, Rule>] = takes ? [\.read, \.take] : [\.read]
        if model.isForbidden(rights, space, who) { isForbidden = true }
        return model.visible(space, template(expression), rights, who).filter { !used.contains($0.id) }
            .min { $0.id < $1.id }
    }

    private mutating func may(
        _ right: KeyPath<Policy, Rule>, _ space: String, _ tuple: Tuple, _ model: SimpleModel
    ) -> Bool {
        guard model.isAllowed([right], space, tuple, who) else {
            isForbidden = true
            return false
        }
        return true
    }

    mutating func guarded(_ guarded: Statement.Guard, _ candidate: SimpleModel.Stored?, in model: inout SimpleModel)
        -> Bool
    {
        switch guarded {
        case .always: return finish(.done, nil)
        case .take(_, let expression):
            guard let candidate else { return false }
            bind(candidate, expression)
            return finish(model.takeForStatement(candidate, caller: caller), candidate.id)
        case .read(_, let expression):
            guard let candidate else { return false }
            bind(candidate, expression)
            return finish(
                .found(StoredTuple(id: TupleID(candidate.id), tuple: candidate.tuple), position: model.now),
                candidate.id)
        }
    }

    mutating func add(_ step: Statement.Step, in model: inout SimpleModel) -> Bool {
        switch step {
        case .write(let space, let expression, let lease):
            let tuple = Tuple(expression.fields.map(value))
            guard may(\.write, space, tuple, model) else { return false }
            let (reply, id) = model.makeUnseen(space, tuple, lease, caller: caller)
            if let id { written.append(id) }
            return finish(reply, model.lastID)
        case .take(let space, let expression), .takeIfAny(let space, let expression):
            guard let stored = find(space, expression, takes: true, model) else {
                if case .takeIfAny = step, !isForbidden { return finish(.done, nil) }
                return false
            }
            bind(stored, expression)
            let reply = model.takeForStatement(stored, caller: caller)
            if case .takeIfAny = step { return finish(reply, nil) }
            return finish(reply, stored.id)
        case .read(let space, let expression):
            guard let stored = find(space, expression, takes: false, model) else { return false }
            bind(stored, expression)
            return finish(
                .found(StoredTuple(id: TupleID(stored.id), tuple: stored.tuple), position: model.now), stored.id)
        case .absent(let space, let expression):
            return find(space, expression, takes: false, model) == nil && !isForbidden && finish(.done, nil)
        case .replace(let target, let expression):
            let id = found[target]!
            let tuple = Tuple(expression.fields.map(value))
            guard let old = model.tuples.first(where: { $0.id == id }), may(\.take, old.space, old.tuple, model),
                may(\.write, old.space, tuple, model)
            else { return false }
            written.append(id)
            return finish(model.changeUnseen(id, tuple, caller: caller), id)
        }
    }
}
