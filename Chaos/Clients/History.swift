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
    }

    struct Operation: Sendable, Codable {
        var client: Int
        var space: String
        var kind: Kind
        /// Of a write.
        var value: Int?
        /// Nanoseconds since the beginning.
        var began: UInt64
        /// Nil: nobody knows what came of it.
        var ended: UInt64?
        /// What was found, or how many.
        var found: Int?
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

    private static func checked(_ operation: History.Operation) -> LinearizabilityChecker<SequentialSpace>.Operation? {
        let input: SequentialSpace.Input
        let output: SequentialSpace.Output?
        switch operation.kind {
        case .write:
            input = .write(tuple(operation.value ?? 0))
            output = .written(nil)
        case .take:
            input = .take(anything)
            output = operation.found.map { .found(tuple($0)) } ?? .noMatch
        case .read, .count:
            // It changes nothing: one without an answer says nothing.
            guard operation.ended != nil else { return nil }
            let isCount = operation.kind == .count
            input = .query(
                isCount
                    ? .count(space: operation.space, template: anything)
                    : .read(space: operation.space, template: anything))
            output =
                isCount ? .count(UInt64(operation.found ?? 0)) : operation.found.map { .found(tuple($0)) } ?? .noMatch
        }
        return .init(input: input, began: operation.began, ended: operation.ended, output: output)
    }
}
