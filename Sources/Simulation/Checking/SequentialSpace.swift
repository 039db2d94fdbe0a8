import TupleSpace

/// One tuplespace as a sequential object, for the Wing & Gong checker: tuples in the order in which they were written.
package struct SequentialSpace: SequentialObject {
    package enum Input {
        case write(Tuple)
        case take(Template)
        /// For longer than any history.
        case reserve(Template)
        case reservation(ReservationID, TupleSpace.Operation.ReservationAction)
        case takeByID(TupleID)
        case replace(TupleID, Tuple)
        case takeAll(Template, Page)
        /// All of it in the space of this name; it writes without leases and uses no ids.
        case statement(Statement, space: String)
        case query(Query)
    }

    /// Without positions, and without ids but those that writes were answered with: the others are not known before the order is.
    package enum Output: Equatable {
        case done
        case written(TupleID?)
        case found(Tuple)
        case reserved(ReservationID, Tuple)
        case noMatch
        case tuples([Tuple], more: Bool)
        case count(UInt64)
        case statement(alternative: Int, [Output])
        /// A statement, by a step that cannot be done.
        case failed
    }

    private struct Element: Hashable {
        var tuple: Tuple
        /// Nil if no client knows it.
        var id: TupleID?
        var isReserved = false
        /// Nil if nobody has reserved it, or no client knows the number.
        var reservation: ReservationID?
    }

    private var elements: [Element] = []

    package init() {}

    package func performing(_ input: Input, answering output: Output?) -> SequentialSpace? {
        var next = self
        let answer = next.perform(input, answering: output)
        return output == nil || output == answer ? next : nil
    }

    private mutating func perform(_ input: Input, answering output: Output?) -> Output {
        switch input {
        case .write(let tuple):
            let id = if case .written(let id) = output { id } else { nil as TupleID? }
            elements.append(Element(tuple: tuple, id: id))
            return .written(id)
        case .take(let template): return take { naivelyMatches(template, $0.tuple) }
        case .takeByID(let id): return take { $0.id == id }
        case .reserve(let template):
            guard let place = find({ naivelyMatches(template, $0.tuple) }) else { return .noMatch }
            elements[place].isReserved = true
            guard case .reserved(let id, _) = output else { return .found(elements[place].tuple) }
            elements[place].reservation = id
            return .reserved(id, elements[place].tuple)
        case .reservation(let id, let action):
            guard let place = elements.firstIndex(where: { $0.reservation == id }) else { return .noMatch }
            switch action {
            case .complete: elements.remove(at: place)
            case .extend: break
            case .release:
                elements[place].isReserved = false
                elements[place].reservation = nil
            }
            return .done
        case .replace(let id, let tuple):
            guard let place = find({ $0.id == id }) else { return .noMatch }
            elements[place].tuple = tuple
            return .written(id)
        case .takeAll(let template, let page):
            var places = visible.filter { naivelyMatches(template, elements[$0].tuple) }
            if page.order == .newest { places.reverse() }
            let taken = places.prefix(page.limit)
            let tuples = taken.map { elements[$0].tuple }
            for place in taken.sorted(by: >) { elements.remove(at: place) }
            return .tuples(tuples, more: places.count > page.limit)
        case .statement(let statement, let space): return perform(statement, in: space)
        case .query(.read(_, let template)):
            guard let place = find({ naivelyMatches(template, $0.tuple) }) else { return .noMatch }
            return .found(elements[place].tuple)
        case .query(.count(_, let template)), .query(.readAll(_, let template, _)):
            return .count(UInt64(visible.count { naivelyMatches(template, elements[$0].tuple) }))
        case .query(.spaces), .query(.policy), .query(.tokens): return .noMatch
        }
    }

    private mutating func take(where isWanted: (Element) -> Bool) -> Output {
        guard let place = find(isWanted) else { return .noMatch }
        return .found(elements.remove(at: place).tuple)
    }

    private var visible: [Int] { elements.indices.filter { !elements[$0].isReserved } }

    private func find(_ isWanted: (Element) -> Bool) -> Int? {
        elements.firstIndex { !$0.isReserved && isWanted($0) }
    }

    private mutating func perform(_ statement: Statement, in space: String) -> Output {
        // In the place of ids stand places.
        let seen = visible.map { place in
            NaiveStatement.Seen(id: TupleID(UInt64(place)), space: space, tuple: elements[place].tuple)
        }
        let nextID = TupleID(UInt64(elements.count))
        switch NaiveStatement.verdict(on: statement, seeing: seen, nextID: nextID) {
        case .missed: return .noMatch
        case .failed: return .failed
        case .done(let alternative, let effects):
            var taken: [Int] = []
            let outputs = effects.map { perform($0, &taken) }
            for place in taken.sorted(by: >) { elements.remove(at: place) }
            return .statement(alternative: alternative, outputs)
        }
    }

    private mutating func perform(_ effect: NaiveStatement.Effect, _ taken: inout [Int]) -> Output {
        switch effect {
        case .nothing: return .done
        case .read(let seen): return .found(seen.tuple)
        case .take(let seen):
            taken.append(Int(seen.id.rawValue))
            return .found(seen.tuple)
        case .write(_, _, let tuple, _):
            elements.append(Element(tuple: tuple))
            return .written(nil)
        case .replace(let seen, let tuple):
            elements[Int(seen.id.rawValue)].tuple = tuple
            return .written(nil)
        }
    }
}

extension SequentialSpace.Output {
    /// Nil for what no such space answers.
    package init?(_ reply: Reply) {
        switch reply {
        case .done: self = .done
        case .written(let id, _): self = .written(id)
        case .found(let stored, _): self = .found(stored.tuple)
        case .reserved(let id, let stored, _): self = .reserved(id, stored.tuple)
        case .noMatch: self = .noMatch
        case .count(let count): self = .count(count)
        case .tuples(let tuples, let more): self = .tuples(tuples.map(\.tuple), more: more)
        case .statement(let alternative, let results):
            let outputs = results.map { result -> SequentialSpace.Output? in
                if case .written = result { return .written(nil) }
                return SequentialSpace.Output(result)
            }
            self = .statement(alternative: alternative, outputs.compactMap { $0 })
        case .failed(let failure) where failure.code == .statementFailed: self = .failed
        case .failed, .spaces, .policy, .tokens: return nil
        }
    }
}

extension HistoryRecorder {
    /// The operations of a small history on its one space.
    func operations() -> [LinearizabilityChecker<SequentialSpace>.Operation] {
        entries.compactMap { entry in
            // A reservation of another user's: nothing is done.
            guard let input = input(entry.kind), entry.reply?.isRefused != true else { return nil }
            let output = entry.reply.flatMap { SequentialSpace.Output($0) }
            return .init(input: input, began: entry.began, ended: entry.ended, output: output)
        }
    }

    private func input(_ kind: ClientOperation.Kind) -> SequentialSpace.Input? {
        switch kind {
        case .command(.write(_, let tuple)): .write(tuple)
        case .command(.take(_, let template, _, _)): .take(template)
        case .command(.takeByID(_, let id)): .takeByID(id)
        case .command(.reserve(_, let template, _, _)): .reserve(template)
        case .command(.reservation(let id, let action)): .reservation(id, action)
        case .command(.replace(_, let id, let tuple)): .replace(id, tuple)
        case .command(.takeAll(_, let template, let page)): .takeAll(template, page)
        case .command(.statement(let statement)): .statement(statement, space: SimulatedClient.spaces[0])
        case .query(let query, .linearizable, _): .query(query)
        default: nil
        }
    }
}
