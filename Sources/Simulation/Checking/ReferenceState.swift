import Raft
import TupleSpace

/// The committed log, applied by a state machine that no fault befalls, and by the naive model.
struct ReferenceState {
    private(set) var machine: StateMachine
    private var applied = Applied()
    private var digests: [UInt64] = [0]
    private(set) var model = NaiveModel()

    init(_ mutations: TupleMutations) { machine = StateMachine(mutations: mutations) }

    /// - Parameter level: the committed feature level.
    mutating func apply(_ entry: Entry, level: UInt32) {
        if entry.kind == .command {
            applied.reset()
            model.level = level
            entry.payload.withUnsafeBytes { machine.apply($0, at: entry.index.rawValue, into: &applied) }
            model.apply(entry.payload, at: entry.index.rawValue)
        } else {
            machine.skip(to: entry.index.rawValue)
            model.skip(to: entry.index.rawValue)
        }
        digests.append(machine.digest)
    }

    func digest(at index: LogIndex) -> UInt64 { digests[min(Int(index.rawValue), digests.count - 1)] }

    /// In what the state machine differs from the model after the entry just applied; nil if in nothing.
    func difference() -> String? {
        let size = NaiveModel.Size(
            visible: machine.tupleCount, held: machine.heldCount, waiters: machine.waiterCount,
            leases: machine.leaseCount, reservations: machine.reservationCount, level: machine.featureLevel)
        if size != model.size { return "\(size) instead of \(model.size)" }
        let before = Position(index: model.index - 1, ordinal: .max)
        let told = machine.events(after: before, limit: .max)?.map(NaiveModel.Happening.init)
        let happened = model.events.suffix(while: { $0.position > before })
        return told == happened ? nil : "the events \(told ?? []) instead of \(happened)"
    }
}

extension Array {
    /// The last ones that all fulfil a condition.
    fileprivate func suffix(while condition: (Element) -> Bool) -> [Element] {
        Array(self[(lastIndex { !condition($0) }.map { $0 + 1 } ?? 0)...])
    }
}
