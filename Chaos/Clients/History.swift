import Simulation
import Synchronization
import TupleSpace

/// What clients asked and were told, and when: as an observer outside the cluster writes it down.
///
/// Operations are spread over many spaces, of some dozen operations each. A history is linearizable if that of each object is (Herlihy and
/// Wing 1990, theorem 1), and each space is an object; so the whole of it is checked, in pieces that can be.
final class History: Sendable {
    enum Kind: String, Sendable, Codable {
        case write, take, read, count
        /// By the id that a write was answered with.
        case takeByID, replace
        case takeAll
        /// A statement: the oldest tuple goes, and another one comes.
        case exchange
        /// For longer than a run lasts; and what becomes of it.
        case reserve, complete, release
    }

    struct Operation: Sendable, Codable {
        var client: Int
        var space: String
        var kind: Kind
        /// Of a write, or of what takes a tuple's place.
        var value: Int?
        /// A tuple's id, or a reservation's.
        var target: UInt64?
        /// Nanoseconds since the beginning.
        var began: UInt64
        /// Nil: nobody knows what came of it.
        var ended: UInt64?
        /// What was found, or how many.
        var found: Int?
        /// The id that came of it.
        var id: UInt64?
        var all: [Int]?
    }

    private let operations = Mutex<[Operation]>([])

    func add(_ operation: Operation) { operations.withLock { $0.append(operation) } }
    var all: [Operation] { operations.withLock { $0 } }
}

/// What is wrong with a history.
struct Verdict: Codable {
    var operations = 0
    var spaces = 0
    /// Spaces whose operations no order explains, and other contradictions, in sentences.
    var violations: [String] = []
    /// Spaces too tangled to be judged within the budget.
    var undecided = 0
    /// The longest time without any write that succeeded, in seconds, and when it began.
    var longestGap = 0.0
    var gapBegan = 0.0

    /// - Parameter end: nanoseconds; until then clients were at work.
    init(_ operations: [History.Operation], until end: UInt64) {
        self.operations = operations.count
        let bySpace = Dictionary(grouping: operations, by: \.space)
        spaces = bySpace.count
        for space in bySpace.keys.sorted() {
            let own = bySpace[space] ?? []
            switch LinearizabilityChecker.check(
                own.compactMap(Self.checked), from: SequentialSpace(), budget: 2_000_000)
            {
            case .linearizable: break
            case .notLinearizable:
                violations.append("no order explains what clients saw in space \(space) (\(own.count) operations)")
            case .undecided: undecided += 1
            }
        }
        findGap(operations, until: end)
    }

    private mutating func findGap(_ operations: [History.Operation], until end: UInt64) {
        let ends = operations.filter { $0.kind == .write }.compactMap(\.ended).sorted()
        var last: UInt64 = 0
        for next in ends + [max(end, ends.last ?? 0)] {
            let gap = Double(next - last) / 1e9
            if gap > longestGap { (longestGap, gapBegan) = (gap, Double(last) / 1e9) }
            last = next
        }
    }

    static let anything = Template([.literal(.string("chaos")), .any])

    static func tuple(_ value: Int) -> Tuple { Tuple([.string("chaos"), .int(Int64(value))]) }

    /// Tuples that one take-all takes.
    static let page = Page(limit: 3)

    static func exchange(_ value: Int, in space: String) -> Statement {
        let fields: [Statement.TemplateField] = [.plain(.literal(.string("chaos"))), .plain(.any)]
        let written: [Statement.Field] = [.value(.string("chaos")), .value(.int(Int64(value)))]
        return Statement([
            .init(
                .take(space: space, .init(fields)), [.write(space: space, .init(written), lease: .forever)])
        ])
    }

    private static func checked(_ operation: History.Operation) -> LinearizabilityChecker<SequentialSpace>.Operation? {
        // What changes nothing says nothing without an answer.
        let onlyReads = operation.kind == .read || operation.kind == .count
        guard operation.ended != nil || !onlyReads, let input = input(operation) else { return nil }
        return .init(
            input: input, began: operation.began, ended: operation.ended,
            output: operation.ended == nil ? nil : output(operation))
    }

    private static func input(_ operation: History.Operation) -> SequentialSpace.Input? {
        let (space, made) = (operation.space, tuple(operation.value ?? 0))
        let target = operation.target ?? 0
        return switch operation.kind {
        case .write: .write(made)
        case .take: .take(anything)
        case .takeByID: .takeByID(TupleID(target))
        case .replace: .replace(TupleID(target), made)
        case .takeAll: .takeAll(anything, page)
        case .exchange: .statement(exchange(operation.value ?? 0, in: space), space: space)
        case .reserve: .reserve(anything)
        case .complete: .reservation(ReservationID(target), .complete)
        case .release: .reservation(ReservationID(target), .release)
        case .read: .query(.read(space: space, template: anything))
        case .count: .query(.count(space: space, template: anything))
        }
    }

    private static func output(_ operation: History.Operation) -> SequentialSpace.Output {
        let found = operation.found.map { tuple($0) }
        switch operation.kind {
        case .write: return .written(operation.id.map { TupleID($0) })
        case .replace: return operation.id.map { .written(TupleID($0)) } ?? .noMatch
        case .take, .takeByID, .read: return found.map { .found($0) } ?? .noMatch
        case .takeAll:
            return .tuples((operation.all ?? []).map { tuple($0) }, more: operation.found == 1)
        case .exchange:
            return found.map { .statement(alternative: 0, [.found($0), .written(nil)]) } ?? .noMatch
        case .reserve:
            guard let found, let id = operation.id else { return .noMatch }
            return .reserved(ReservationID(id), found)
        case .complete, .release: return operation.found == 1 ? .done : .noMatch
        case .count: return .count(UInt64(operation.found ?? 0))
        }
    }
}
