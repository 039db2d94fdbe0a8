/// What a sequential object does.
package protocol SequentialObject: Hashable {
    associatedtype Input
    associatedtype Output

    /// The object after `input`, if it may then answer `output`; any answer if that is nil. Nil if it may not.
    func performing(_ input: Input, answering output: Output?) -> Self?
}

/// Wing and Gong, "Testing and verifying concurrent objects" (1993), with Lowe's memory of what was tried (2017): looks
/// for one order of the operations that respects real time and that a sequential object could have answered so.
///
/// Exponential at worst: for histories of a few dozen operations.
package struct LinearizabilityChecker<Object: SequentialObject> {
    package struct Operation {
        package var input: Object.Input
        package var began: UInt64
        /// Nil: without an answer; it may have happened at any time after it began, or not at all.
        package var ended: UInt64?
        package var output: Object.Output?

        package init(input: Object.Input, began: UInt64, ended: UInt64?, output: Object.Output?) {
            self.input = input
            self.began = began
            self.ended = ended
            self.output = output
        }
    }

    package enum Verdict { case linearizable, notLinearizable, undecided }

    private struct Tried: Hashable {
        var done: [UInt64]
        var object: Object
    }

    /// - Parameter budget: states that may be looked at.
    package static func check(_ operations: [Operation], from initial: Object, budget: Int = 200_000) -> Verdict {
        var search = Search(operations: operations, budget: budget)
        if search.extend(initial) { return .linearizable }
        return search.budget > 0 ? .notLinearizable : .undecided
    }

    private struct Search {
        let operations: [Operation]
        var budget: Int
        var done: [UInt64]
        var tried: Set<Tried> = []

        init(operations: [Operation], budget: Int) {
            self.operations = operations.sorted { $0.began < $1.began }
            self.budget = budget
            done = Array(repeating: 0, count: operations.count / 64 + 1)
        }

        func isDone(_ i: Int) -> Bool { done[i / 64] & (1 << UInt64(i % 64)) != 0 }

        mutating func extend(_ object: Object) -> Bool {
            budget -= 1
            guard budget > 0, tried.insert(Tried(done: done, object: object)).inserted else { return false }
            // Whatever began before the first answer among the rest may have happened next.
            var firstEnd = UInt64.max
            var isComplete = true
            for i in operations.indices where !isDone(i) {
                guard let end = operations[i].ended else { continue }
                isComplete = false
                firstEnd = min(firstEnd, end)
            }
            if isComplete { return true }
            for i in operations.indices where !isDone(i) && operations[i].began <= firstEnd {
                let operation = operations[i]
                let output = operation.ended == nil ? nil : operation.output
                guard let next = object.performing(operation.input, answering: output) else { continue }
                done[i / 64] |= 1 << UInt64(i % 64)
                if extend(next) { return true }
                done[i / 64] &= ~(1 << UInt64(i % 64))
            }
            return false
        }
    }
}
