import ByteCoding

extension StateMachine {
    mutating func perform(
        statement bytes: UnsafeRawBufferPointer, _ command: CommandView, slot: Int, key: Key?,
        into applied: inout Applied
    ) -> Outcome {
        guard let statement = Statement(encoded: bytes) else { return .failed(.malformed(command.operation)) }
        if let failure = statement.refusal { return .failed(failure) }
        guard table[slot].keptReplyBytes <= Limits.keptReplyBytes else { return .failed(.keepsTooMuch) }
        for turn in statement.alternatives.indices {
            let isLastFirst = mutations.contains(.alternativesBackwards)
            let number = isLastFirst ? statement.alternatives.count - 1 - turn : turn
            switch plan(statement, alternative: number, for: command.who) {
            case .noMatch: continue
            case .failed(let failure): return .failed(failure)
            case .planned(let plan): return execute(plan, caller: command.caller, into: &applied)
            }
        }
        if statement.timeout == .none { return .noMatch }
        return wait(statement, bytes, command, slot: slot, key: key)
    }

    // MARK: - Doing it

    /// All of it first, and then whoever waits for what it wrote.
    private mutating func execute(
        _ plan: StatementPlan, caller: UnsafeRawBufferPointer, into applied: inout Applied
    ) -> Outcome {
        note(.statement, UInt64(plan.alternative) << 32 | UInt64(plan.steps.count))
        var reply = ByteWriter()
        reply.write(ReplyCode.statement)
        reply.write(UInt8(plan.alternative))
        reply.writeVarint(UInt64(plan.steps.count))
        var offered: [UInt64] = []
        for step in plan.steps {
            switch step {
            case .nothing: reply.write(ReplyCode.done)
            case .read(let id):
                let found = tuples.with(id) { _, tuple in Self.found(id, lastPosition, tuple) }
                reply.write(raw: found ?? [])
            case .take(let id): encode(takeOut(id, caller: caller), into: &reply)
            case .write(let id, let space, let tuple, let lease):
                if lease != 0 { offered.append(id) }
                encode(.written(id: id, write(id, space, tuple, lease, caller: caller)), into: &reply)
            case .replace(let id, let tuple):
                offered.append(id)
                encode(.written(id: id, replace(id, tuple, caller: caller)), into: &reply)
            }
        }
        offerAll(mutations.contains(.statementsShowOne) ? Array(offered.prefix(1)) : offered, into: &applied)
        return .encoded(reply.bytes)
    }

    private mutating func write(
        _ id: UInt64, _ space: String, _ tuple: [UInt8], _ lease: UInt64?, caller: UnsafeRawBufferPointer
    ) -> Position {
        Array(space.utf8).withUnsafeBytes { space in
            tuple.withUnsafeBytes { tuple in
                guard let number = tuples.addSpace(space) else {
                    preconditionFailure("the plan has room for its spaces")
                }
                return store(id, tuple, in: space, number, lease: lease, caller: caller)
            }
        }
    }

    private mutating func replace(_ id: UInt64, _ tuple: [UInt8], caller: UnsafeRawBufferPointer) -> Position {
        let space = tuples.with(id) { space, _ in [UInt8](space) } ?? []
        return tuple.withUnsafeBytes { tuple in
            space.withUnsafeBytes { exchange(id, for: tuple, space: $0, caller: caller) }
        }
    }

    // MARK: - Waiting

    /// One waiter for each guard that may yet find something. The first stands for all of them.
    private mutating func wait(
        _ statement: Statement, _ bytes: UnsafeRawBufferPointer, _ command: CommandView, slot: Int, key: Key?
    ) -> Outcome {
        guard waiters.count < Limits.waiters else { return .failed(.tooManyWaiters) }
        guard table[slot].waiting < Limits.waitersPerSession else { return .failed(.tooManyWaitersInSession) }
        let first = lastWaiterID + 1
        note(.waits, first)
        let guards = statement.alternatives.enumerated().compactMap { number, alternative in
            alternative.guarded.looksFor.map { (number, $0.space, $0.template) }
        }
        for (ordinal, (number, space, template)) in guards.enumerated() {
            var writer = ByteWriter()
            template.encode(into: &writer)
            let name = Array(space.utf8)
            writer.bytes.withUnsafeBytes { template in
                name.withUnsafeBytes { name in
                    var waiter = WaiterView(
                        command, deadline: ordinal == 0 ? deadline(statement.timeout) : WaiterView.forever, key: key,
                        space: name, template: template)
                    waiter.place(
                        in: bytes, alternative: UInt8(number), ordinal: UInt8(ordinal), of: UInt8(guards.count))
                    lastWaiterID += 1
                    waiters.insert(lastWaiterID, waiter)
                }
            }
        }
        if let key { keys.addPending(first, caller: command.caller, key: key.key) }
        table[slot].waiting += 1
        return .pending(waiter: first)
    }

    /// A tuple that nobody sees has come to match a waiting statement's guard.
    /// - Returns: whether the tuple is still to be offered to others.
    mutating func trigger(
        _ waiter: UInt64, _ view: WaiterView, _ id: UInt64, into applied: inout Applied
    ) -> Bool {
        let first = waiter - UInt64(view.ordinal)
        guard let statement = Statement(encoded: view.statement),
            statement.alternatives.indices.contains(Int(view.alternative))
        else {
            // No statement is stored that was not read before.
            settle(first, view, .failed(.malformed(view.statement)), keeps: false, into: &applied)
            return true
        }
        let verdict = identify(view) {
            plan(statement, alternative: Int(view.alternative), for: $0, candidate: id)
        }
        switch verdict ?? .failed(.unknownToken) {
        case .noMatch: return true
        case .failed(let failure):
            settle(first, view, .failed(failure), keeps: true, into: &applied)
            return true
        case .planned(let plan):
            // It waits no more, and so cannot be met by what it writes itself.
            if mutations.contains(.doneStatementsWait) { waiters.remove(waiter) } else { forget(first, view) }
            let outcome = execute(plan, caller: view.caller, into: &applied)
            conclude(first, view, outcome, keeps: true, into: &applied)
            // What is left as it was goes on to others; what was replaced is offered anew.
            let isTouched = plan.steps.contains {
                switch $0 {
                case .take(id), .replace(id, _): true
                default: false
                }
            }
            return !isTouched
        }
    }
}

extension Statement {
    init?(encoded bytes: UnsafeRawBufferPointer) {
        var reader = ByteReader(bytes)
        guard let statement = try? Statement(from: &reader), reader.isAtEnd else { return nil }
        self = statement
    }

    /// What apply answers with whatever the state is.
    var refusal: Failure? {
        if case .milliseconds(let time) = timeout, time > Limits.timeoutMilliseconds { return .timeoutTooLong(time) }
        for alternative in alternatives {
            if let space = alternative.guarded.looksFor?.space, !SpaceName.isValid(space) { return .invalidSpace }
            for step in alternative.steps {
                switch step {
                case .write(let space, _, let lease):
                    if !SpaceName.isValid(space) { return .invalidSpace }
                    if case .milliseconds(let lease) = lease, lease > Limits.leaseMilliseconds {
                        return .leaseTooLong(lease)
                    }
                case .take(let space, _), .takeIfAny(let space, _), .read(let space, _), .absent(let space, _):
                    if !SpaceName.isValid(space) { return .invalidSpace }
                case .replace: continue
                }
            }
        }
        return nil
    }
}

extension Statement.Guard {
    var takes: Bool { if case .take = self { true } else { false } }

    /// Its template, in which no formal is known yet.
    var looksFor: (space: String, template: Template)? {
        switch self {
        case .always: nil
        case .take(let space, let expression), .read(let space, let expression):
            (space, expression.template { _ in nil })
        }
    }
}

extension Statement.TemplateExpression {
    /// The template that it is when so much is known.
    func template(_ value: (Statement.Field) -> Value?) -> Template {
        Template(
            fields.map { field in
                switch field {
                case .plain(let field): field
                case .known(let field): value(field).map { .literal($0) } ?? .any
                case .bind(_, let type): type.map { .type($0) } ?? .any
                }
            })
    }
}
