import TupleSpace

/// One tuplespace as a sequential object, for the Wing & Gong checker: tuples in the order in which they were written.
package struct SequentialSpace: SequentialObject {
    package enum Input {
        case write(Tuple)
        case take(Template)
        case query(Query)
    }

    /// Without ids and positions: those are not known before the order is.
    package enum Output: Equatable {
        case written
        case found(Tuple)
        case noMatch
        case count(UInt64)
    }

    package private(set) var tuples: [Tuple] = []

    package init() {}

    package func performing(_ input: Input, answering output: Output?) -> SequentialSpace? {
        var next = self
        let answer = next.perform(input)
        return output == nil || output == answer ? next : nil
    }

    private mutating func perform(_ input: Input) -> Output {
        switch input {
        case .write(let tuple):
            tuples.append(tuple)
            return .written
        case .take(let template):
            guard let place = tuples.firstIndex(where: { naivelyMatches(template, $0) }) else { return .noMatch }
            return .found(tuples.remove(at: place))
        case .query(.read(_, let template)):
            guard let tuple = tuples.first(where: { naivelyMatches(template, $0) }) else { return .noMatch }
            return .found(tuple)
        case .query(.count(_, let template)), .query(.readAll(_, let template, _)):
            return .count(UInt64(tuples.count { naivelyMatches(template, $0) }))
        case .query(.spaces), .query(.policy), .query(.tokens): return .noMatch
        }
    }
}

extension HistoryRecorder {
    /// The operations of a small history on its one space.
    func operations() -> [LinearizabilityChecker<SequentialSpace>.Operation] {
        entries.compactMap { entry in
            let input: SequentialSpace.Input
            switch entry.kind {
            case .command(.write(_, let tuple)): input = .write(tuple)
            case .command(.take(_, let template, _, _)): input = .take(template)
            case .query(let query, .linearizable, _): input = .query(query)
            default: return nil
            }
            return .init(input: input, began: entry.began, ended: entry.ended, output: entry.reply.flatMap(output))
        }
    }

    private func output(_ reply: Reply) -> SequentialSpace.Output? {
        switch reply {
        case .written: .written
        case .found(let stored, _): .found(stored.tuple)
        case .noMatch: .noMatch
        case .count(let count): .count(count)
        default: nil
        }
    }
}
