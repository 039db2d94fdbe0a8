import Testing
import TupleSpace

@testable import Simulation

@Suite("The Wing & Gong checker")
struct LinearizabilityTests {
    typealias Checker = LinearizabilityChecker<SequentialSpace>

    static func tuple(_ number: Int64) -> Tuple { Tuple([.string("t"), .int(number)]) }
    static let any = Template([.any, .any])

    func write(_ number: Int64, _ began: UInt64, _ ended: UInt64?) -> Checker.Operation {
        .init(input: .write(Self.tuple(number)), began: began, ended: ended, output: ended == nil ? nil : .written)
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

    @Test("Refuses order against age: the oldest match comes first")
    func oldestFirst() {
        #expect(verdict([write(1, 0, 1), write(2, 2, 3), take(2, 4, 5)]) == .notLinearizable)
    }
}
