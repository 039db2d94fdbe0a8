import ByteCoding

/// What an alternative will do, once it is known that all of it can be done. Making a plan changes nothing.
struct StatementPlan {
    enum Step {
        case nothing
        case read(UInt64)
        case take(UInt64)
        /// - lease: in ms; nil for none.
        case write(id: UInt64, space: String, tuple: [UInt8], lease: UInt64?)
        case replace(UInt64, tuple: [UInt8])
    }

    /// Counted from 0.
    var alternative: Int
    /// The guard's first.
    var steps: [Step] = []
}

enum StatementVerdict {
    /// The guard finds nothing.
    case noMatch
    /// Nothing is done.
    case failed(Failure)
    case planned(StatementPlan)
}

extension StateMachine {
    /// - Parameter candidate: what the guard finds: it matches, and nobody sees it. Nil: the guard looks.
    func plan(
        _ statement: Statement, alternative number: Int, for caller: Caller, candidate: UInt64? = nil
    ) -> StatementVerdict {
        var planner = StatementPlanner(machine: self, caller: caller, alternative: number)
        let alternative = statement.alternatives[number]
        do throws(StatementPlanner.Stop) {
            try planner.guarded(alternative.guarded, candidate)
            for step in alternative.steps { try planner.add(step) }
            return .planned(planner.plan)
        } catch {
            switch error {
            case .noMatch: return .noMatch
            case .failed(let failure):
                let isBegun = mutations.contains(.statementsDoHalf) && planner.plan.steps.count > 1
                return isBegun ? .planned(planner.plan) : .failed(failure)
            }
        }
    }
}

private struct StatementPlanner {
    enum Stop: Error {
        case noMatch
        case failed(Failure)
    }

    private let machine: StateMachine
    private let caller: Caller
    private(set) var plan: StatementPlan
    private var formals: [Int: Value] = [:]
    /// Of each step's tuple.
    private var ids: [UInt64?] = []
    private var used: Set<UInt64> = []
    /// Those written to that do not exist yet.
    private var newSpaces: Set<String> = []
    private var lastID: UInt64
    private var foundBytes = 0
    private var writtenBytes = 0

    init(machine: StateMachine, caller: Caller, alternative: Int) {
        self.machine = machine
        self.caller = caller
        plan = StatementPlan(alternative: alternative)
        lastID = machine.lastTupleID
    }

    private func failure(_ what: String) -> Stop {
        .failed(
            Failure(
                .statementFailed,
                "Alternative \(plan.alternative + 1), step \(ids.count): \(what); nothing of the statement was done."))
    }

    private mutating func finish(_ step: StatementPlan.Step, _ id: UInt64?) {
        plan.steps.append(step)
        ids.append(id)
    }

    mutating func guarded(_ guarded: Statement.Guard, _ candidate: UInt64?) throws(Stop) {
        let template: Statement.TemplateExpression
        let space: String
        var takes = false
        switch guarded {
        case .always: return finish(.nothing, nil)
        case .read(let name, let expression): (space, template) = (name, expression)
        case .take(let name, let expression):
            (space, template) = (name, expression)
            takes = true
        }
        let permission = try permission(takes, in: space)
        let found: UInt64
        if let candidate {
            guard isAllowed(candidate, permission) else { throw .noMatch }
            found = candidate
        } else {
            guard let id = try oldest(template, space, permission) else { throw .noMatch }
            found = id
        }
        try use(found, template)
        finish(takes ? .take(found) : .read(found), found)
    }

    mutating func add(_ step: Statement.Step) throws(Stop) {
        switch step {
        case .write(let space, let expression, let lease):
            let tuple = try encode(expression)
            try requireRight(to: .write, tuple, in: space)
            try makeRoom(for: space)
            lastID = machine.tupleID(after: lastID)
            finish(.write(id: lastID, space: space, tuple: tuple, lease: lease.milliseconds), lastID)
        case .take(let space, let template):
            let id = try find(template, space, takes: true)
            finish(.take(id), id)
        case .read(let space, let template):
            let id = try find(template, space, takes: false)
            finish(.read(id), id)
        case .takeIfAny(let space, let template):
            let id = try oldest(template, space, try permission(true, in: space))
            if let id { try use(id, template) }
            finish(id.map { .take($0) } ?? .nothing, nil)
        case .absent(let space, let template):
            let isChecked = !machine.mutations.contains(.absenceIsNotChecked)
            if isChecked, try oldest(template, space, try permission(false, in: space)) != nil {
                throw failure("a tuple in space \(space) matches")
            }
            finish(.nothing, nil)
        case .replace(let step, let expression):
            guard let id = ids[step] else { throw failure("step \(step) found nothing") }
            let tuple = try encode(expression)
            let (space, old) =
                machine.tuples.with(id) { (String(decoding: $0, as: UTF8.self), [UInt8]($1)) } ?? ("", [])
            try requireRight(to: .take, old, in: space)
            try requireRight(to: .write, tuple, in: space)
            finish(.replace(id, tuple: tuple), id)
        }
    }

    // MARK: - Finding

    private mutating func find(
        _ template: Statement.TemplateExpression, _ space: String, takes: Bool
    ) throws(Stop) -> UInt64 {
        guard let id = try oldest(template, space, try permission(takes, in: space)) else {
            throw failure("no tuple in space \(space) matches")
        }
        try use(id, template)
        return id
    }

    /// Of what this statement has not used yet.
    private func oldest(
        _ expression: Statement.TemplateExpression, _ space: String, _ permission: Permission
    ) throws(Stop) -> UInt64? {
        var writer = ByteWriter()
        let knows = !machine.mutations.contains(.formalsMatchAnything)
        expression.template { knows ? value($0) : nil }.encode(into: &writer)
        var found: UInt64?
        var name = space
        let complete = writer.bytes.withUnsafeBytes { template in
            name.withUTF8 { name in
                machine.tuples.search(
                    template, in: UnsafeRawBufferPointer(name),
                    where: { machine.allows(permission, $0, for: caller) }
                ) { id, _ in
                    guard !used.contains(id) || machine.mutations.contains(.statementsFindTwice) else { return true }
                    found = id
                    return false
                }
            }
        }
        guard complete else { throw .failed(.templateTooBroad) }
        return found
    }

    /// - Throws: if the caller may find nothing there.
    private func permission(_ takes: Bool, in space: String) throws(Stop) -> Permission {
        var name = space
        let permission = name.withUTF8 { name in
            let name = UnsafeRawBufferPointer(name)
            return takes
                ? machine.permission(.read, .take, in: name, for: caller)
                : machine.permission(.read, in: name, for: caller)
        }
        if let failure = permission.failure { throw .failed(failure) }
        return permission
    }

    private func isAllowed(_ id: UInt64, _ permission: Permission) -> Bool {
        machine.tuples.with(id) { _, tuple in machine.allows(permission, tuple, for: caller) } ?? false
    }

    private func requireRight(to right: Right, _ tuple: [UInt8], in space: String) throws(Stop) {
        var name = space
        let failure = name.withUTF8 { name in
            tuple.withUnsafeBytes { machine.refusal(right, $0, in: UnsafeRawBufferPointer(name), for: caller) }
        }
        if let failure { throw .failed(failure) }
    }

    private mutating func use(_ id: UInt64, _ expression: Statement.TemplateExpression) throws(Stop) {
        used.insert(id)
        let bytes = machine.tuples.with(id) { _, tuple in [UInt8](tuple) } ?? []
        foundBytes += bytes.count
        guard foundBytes <= Limits.statementBytes else {
            throw failure("what the statement finds exceeds the limit of \(Limits.statementBytes) bytes")
        }
        let binds = expression.fields.contains { if case .bind = $0 { true } else { false } }
        guard binds else { return }
        let tuple = bytes.withUnsafeBytes { raw in
            var reader = ByteReader(raw)
            return try? Tuple(from: &reader)
        }
        for (field, value) in zip(expression.fields, tuple?.fields ?? []) {
            if case .bind(let number, _) = field { formals[number] = value }
        }
    }

    // MARK: - Making

    private mutating func makeRoom(for space: String) throws(Stop) {
        var name = space
        let exists = name.withUTF8 { machine.tuples.spaces.number(of: UnsafeRawBufferPointer($0)) != nil }
        if !exists { newSpaces.insert(space) }
        guard machine.spaceCount + newSpaces.count <= Limits.spaces else { throw .failed(.tooManySpaces) }
    }

    private func value(_ field: Statement.Field) -> Value? {
        switch field {
        case .value(let value): value
        case .formal(let number): formals[number]
        case .id(let step): ids[step].map { .int(Int64(clamping: $0)) }
        }
    }

    private mutating func encode(_ expression: Statement.TupleExpression) throws(Stop) -> [UInt8] {
        var writer = ByteWriter()
        writer.writeVarint(UInt64(expression.fields.count))
        for field in expression.fields {
            (value(field) ?? .null).encode(into: &writer)
            guard writer.count <= Limits.tupleBytes else { throw .failed(.tupleTooLarge(writer.count)) }
        }
        writtenBytes += writer.count
        guard writtenBytes <= Limits.statementBytes else {
            throw failure("what the statement writes exceeds the limit of \(Limits.statementBytes) bytes")
        }
        return writer.bytes
    }
}
