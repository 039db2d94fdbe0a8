import TupleSpace

/// Statements as a client comes to want them: any that can be said of tuples of two fields.
extension SimulatedClient {
    func statement(_ cluster: SimulatedCluster) -> Statement {
        while true {
            let count = random.pick([1, 1, 2, 2, 3]) ?? 1
            let alternatives = (0..<count).map { _ in alternative(cluster) }
            // One that waits sees less than all when it is done: of what another writes nothing but its guard's tuple.
            let timeout = cluster.options.isSmallHistory ? .none : timeout(cluster)
            let statement = Statement(alternatives, timeout: timeout)
            // What is drawn may use what is not known by then.
            if statement.problem() == nil { return statement }
        }
    }

    private func alternative(_ cluster: SimulatedCluster) -> Statement.Alternative {
        let guarded: Statement.Guard =
            switch random.below(10) {
            case 0: .always
            case 1..<6: .take(space: anySpace(cluster), expression(cluster))
            default: .read(space: anySpace(cluster), expression(cluster))
            }
        let count = random.pick([0, 1, 1, 2, 2, 3]) ?? 1
        return Statement.Alternative(guarded, (1..<1 + count).map { step($0, cluster) })
    }

    private func step(_ number: Int, _ cluster: SimulatedCluster) -> Statement.Step {
        let space = anySpace(cluster)
        switch random.below(20) {
        case 0..<8: return .write(space: space, made(number, cluster), lease: stepLease(cluster))
        case 8..<10: return .take(space: space, expression(of: number, binds: true, cluster))
        case 10..<12: return .takeIfAny(space: space, expression(of: number, binds: false, cluster))
        case 12..<14: return .read(space: space, expression(of: number, binds: true, cluster))
        case 14..<18: return .absent(space: space, expression(of: number, binds: false, cluster))
        default: return .replace(step: random.below(number), made(number, cluster))
        }
    }

    private func anySpace(_ cluster: SimulatedCluster) -> String {
        cluster.options.isSmallHistory || random.chance(percent: 65) ? Self.spaces[0] : Self.spaces[1]
    }

    private func stepLease(_ cluster: SimulatedCluster) -> Timeout {
        if cluster.options.isSmallHistory || random.chance(percent: 70) { return .forever }
        return random.chance(percent: 8) ? .none : .milliseconds(random.within(1...1_000))
    }

    /// What a guard looks for.
    private func expression(_ cluster: SimulatedCluster) -> Statement.TemplateExpression {
        Statement.TemplateExpression(binding(0, plain(cluster)))
    }

    /// What a step looks for: often what an earlier one has found.
    private func expression(of step: Int, binds: Bool, _ cluster: SimulatedCluster) -> Statement.TemplateExpression {
        var fields = plain(cluster)
        if binds { fields = binding(2 * step, fields) }
        if random.chance(percent: 30) { fields[0] = .known(.formal(2 * random.below(step))) }
        if random.chance(percent: 10) { fields[1] = .known(anyNumber(step, cluster)) }
        return Statement.TemplateExpression(fields)
    }

    private func plain(_ cluster: SimulatedCluster) -> [Statement.TemplateField] {
        var fields = template(cluster).fields.map { Statement.TemplateField.plain($0) }
        if random.chance(percent: 10) { fields[0] = .plain(regex()) }
        if random.chance(percent: 30) { fields[0] = .plain(.literal(.string(rareTopic()))) }
        return fields
    }

    private func binding(_ first: Int, _ fields: [Statement.TemplateField]) -> [Statement.TemplateField] {
        var fields = fields
        if random.chance(percent: 50) { fields[0] = .bind(first, random.chance(percent: 30) ? .string : nil) }
        if random.chance(percent: 50) { fields[1] = .bind(first + 1, random.chance(percent: 30) ? .int : nil) }
        return fields
    }

    /// Moves what was found, or is new, or some of both.
    private func made(_ step: Int, _ cluster: SimulatedCluster) -> Statement.TupleExpression {
        let topic: Statement.Field =
            random.chance(percent: 50) ? .formal(2 * random.below(step)) : .value(.string(anyTopic()))
        if random.chance(percent: 30) { return Statement.TupleExpression([topic, anyNumber(step, cluster)]) }
        cluster.nextUnique += 1
        return Statement.TupleExpression([topic, .value(.int(cluster.nextUnique))])
    }

    /// A formal of a second field, or an id.
    private func anyNumber(_ steps: Int, _ cluster: SimulatedCluster) -> Statement.Field {
        let step = random.below(steps)
        return cluster.options.isSmallHistory || random.chance(percent: 60) ? .formal(2 * step + 1) : .id(ofStep: step)
    }
}
