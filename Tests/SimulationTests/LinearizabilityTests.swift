import Testing
import TupleSpace

@testable import Simulation

@Suite("The Wing & Gong checker")
struct LinearizabilityTests {
    typealias Checker = LinearizabilityChecker<SequentialSpace>

    static func tuple(_ number: Int64) -> Tuple { Tuple([.string("t"), .int(number)]) }
    static let any = Template([.any, .any])

    func write(_ number: Int64, _ began: UInt64, _ ended: UInt64?) -> Checker.Operation {
        .init(input: .write(Self.tuple(number)), began: began, ended: ended, output: ended == nil ? nil : .written(nil))
    }

    func take(_ found: Int64?, _ began: UInt64, _ ended: UInt64?) -> Checker.Operation {
        .init(
            input: .take(Self.any), began: began, ended: ended, output: found.map { .found(Self.tuple($0)) } ?? .noMatch
        )
    }

    func read(_ found: Int64?, _ began: UInt64, _ ended: UInt64?) -> Checker.Operation {
        .init(
            input: .query(.read(space: "s", template: Self.any)), began: began, ended: ended,
            output: found.map { .found(Self.tuple($0)) } ?? .noMatch)
    }

    func count(_ number: UInt64, _ began: UInt64, _ ended: UInt64) -> Checker.Operation {
        .init(input: .query(.count(space: "s", template: Self.any)), began: began, ended: ended, output: .count(number))
    }

    func verdict(_ operations: [Checker.Operation]) -> Checker.Verdict {
        Checker.check(operations, from: SequentialSpace())
    }

    @Test("Accepts operations one after another that answer as a list would")
    func sequential() {
        #expect(
            verdict([write(1, 0, 1), read(1, 2, 3), take(1, 4, 5), read(nil, 6, 7), count(0, 8, 9)]) == .linearizable)
        #expect(verdict([]) == .linearizable)
    }

    @Test("Accepts concurrent writes in either order, but only in one")
    func concurrent() {
        let writes = [write(1, 0, 10), write(2, 0, 10)]
        #expect(verdict(writes + [take(1, 11, 12), take(2, 13, 14)]) == .linearizable)
        #expect(verdict(writes + [take(2, 11, 12), take(1, 13, 14)]) == .linearizable)
        #expect(verdict(writes + [read(2, 11, 12), read(1, 13, 14)]) == .notLinearizable)
    }

    @Test("Refuses a stale read")
    func stale() {
        #expect(verdict([write(1, 0, 1), read(nil, 2, 3)]) == .notLinearizable)
        #expect(verdict([write(1, 0, 4), read(1, 1, 2), read(nil, 3, 5)]) == .notLinearizable)
    }

    @Test("Accepts a read that overlaps the write, whichever it saw")
    func overlapping() {
        #expect(verdict([write(1, 0, 10), read(nil, 5, 6)]) == .linearizable)
        #expect(verdict([write(1, 0, 10), read(1, 5, 6)]) == .linearizable)
    }

    @Test("Refuses a tuple that two takers got, and one that was lost")
    func takenTwice() {
        #expect(verdict([write(1, 0, 1), take(1, 2, 10), take(1, 2, 10)]) == .notLinearizable)
        #expect(verdict([write(1, 0, 1), take(nil, 2, 3)]) == .notLinearizable)
        #expect(verdict([take(1, 0, 1), write(1, 2, 3)]) == .notLinearizable)
    }

    @Test("Lets an operation without an answer happen late, or never")
    func unanswered() {
        #expect(verdict([write(1, 0, nil), read(nil, 1, 2), read(1, 3, 4)]) == .linearizable)
        #expect(verdict([write(1, 0, nil), read(nil, 1, 2), read(nil, 3, 4)]) == .linearizable)
        #expect(verdict([write(1, 0, nil), read(1, 1, 2), read(nil, 3, 4)]) == .notLinearizable)
        #expect(verdict([write(1, 0, 1), take(1, 2, nil), take(nil, 3, 4)]) == .linearizable)
    }

    func begin(_ input: SequentialSpace.Input, _ output: SequentialSpace.Output, _ began: UInt64) -> Checker.Operation {
        .init(input: input, began: began, ended: began + 1, output: output)
    }

    @Test("Takes and replaces by the ids that writes were answered with, and a tuple in another's place keeps its age")
    func ids() {
        let writes = (1...2 as ClosedRange<Int64>).map { number in
            begin(.write(Self.tuple(number)), .written(TupleID(UInt64(number))), 2 * UInt64(number))
        }
        let replaced = begin(.replace(TupleID(1), Self.tuple(3)), .written(TupleID(1)), 6)
        #expect(verdict(writes + [replaced, take(3, 8, 9), take(2, 10, 11)]) == .linearizable)
        #expect(verdict(writes + [replaced, take(2, 8, 9)]) == .notLinearizable)
        let taken = begin(.takeByID(TupleID(1)), .found(Self.tuple(1)), 6)
        #expect(verdict(writes + [taken, take(2, 8, 9)]) == .linearizable)
        #expect(verdict(writes + [taken, begin(.takeByID(TupleID(1)), .noMatch, 8)]) == .linearizable)
        #expect(verdict(writes + [taken, begin(.takeByID(TupleID(1)), .found(Self.tuple(1)), 8)]) == .notLinearizable)
    }

    @Test("A take-all takes what it answers with, all of it and nothing else")
    func many() {
        let writes = [write(1, 0, 1), write(2, 2, 3), write(3, 4, 5)]
        let page = Page(limit: 2, order: .newest)
        let both = begin(.takeAll(Self.any, page), .tuples([Self.tuple(3), Self.tuple(2)], more: true), 6)
        #expect(verdict(writes + [both, take(1, 8, 9), take(nil, 10, 11)]) == .linearizable)
        #expect(verdict(writes + [both, take(2, 8, 9)]) == .notLinearizable)
        let wrong = begin(.takeAll(Self.any, page), .tuples([Self.tuple(2), Self.tuple(1)], more: true), 6)
        #expect(verdict(writes + [wrong]) == .notLinearizable)
    }

    @Test("A statement happens as one, or not at all")
    func statement() {
        let guarded = Statement.Guard.take(space: "s", .init([.plain(.any), .bind(0, nil)]))
        let move = Statement.Step.write(space: "s", .init([.value(.string("t")), .value(.int(9))]), lease: .forever)
        let absent = Statement.Step.absent(space: "s", .init([.plain(.any), .plain(.literal(.int(2)))]))
        let input = SequentialSpace.Input.statement(Statement([.init(guarded, [absent, move])]), space: "s")
        let done = SequentialSpace.Output.statement(alternative: 0, [.found(Self.tuple(1)), .done, .written(nil)])
        #expect(verdict([write(1, 0, 1), begin(input, done, 2), take(9, 4, 5)]) == .linearizable)
        #expect(verdict([write(1, 0, 1), begin(input, done, 2), take(1, 4, 5)]) == .notLinearizable)
        let second = write(2, 2, 3)
        #expect(verdict([write(1, 0, 1), second, begin(input, .failed, 4), take(1, 6, 7)]) == .linearizable)
        #expect(verdict([write(1, 0, 1), second, begin(input, done, 4)]) == .notLinearizable)
        #expect(verdict([begin(input, .noMatch, 0)]) == .linearizable)
    }

    @Test("A reserved tuple is nobody's until it is released, to its place, or completed")
    func reserved() {
        let writes = [write(1, 0, 1), write(2, 2, 3)]
        let reserve = begin(.reserve(Self.any), .reserved(ReservationID(7), Self.tuple(1)), 4)
        func act(_ action: TupleSpace.Operation.ReservationAction, _ output: SequentialSpace.Output, _ began: UInt64)
            -> Checker.Operation
        {
            begin(.reservation(ReservationID(7), action), output, began)
        }
        #expect(verdict(writes + [reserve, count(1, 6, 7), act(.release, .done, 8), take(1, 10, 11)]) == .linearizable)
        #expect(verdict(writes + [reserve, act(.release, .done, 8), take(2, 10, 11)]) == .notLinearizable)
        #expect(verdict(writes + [reserve, take(1, 6, 7)]) == .notLinearizable)
        let completed = writes + [reserve, act(.extend(milliseconds: 1), .done, 6), act(.complete, .done, 8)]
        #expect(verdict(completed + [take(2, 10, 11), take(nil, 12, 13)]) == .linearizable)
        #expect(verdict(completed + [act(.release, .done, 10)]) == .notLinearizable)
        #expect(verdict(completed + [act(.release, .noMatch, 10)]) == .linearizable)
        let lost = Checker.Operation(input: .reserve(Self.any), began: 4, ended: nil, output: nil)
        #expect(verdict(writes + [lost, take(2, 6, 7), take(nil, 8, 9)]) == .linearizable)
    }

    @Test("Refuses order against age: the oldest match comes first")
    func oldestFirst() {
        #expect(verdict([write(1, 0, 1), write(2, 2, 3), take(2, 4, 5)]) == .notLinearizable)
    }
}
