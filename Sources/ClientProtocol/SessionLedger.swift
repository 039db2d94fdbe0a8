import TupleSpace

/// One session's sequence numbers, seen from its client: which are given out, which the client is done with, and what
/// the next command tells the server of that. A pure value.
///
/// A number is *acknowledged* when the client needs its reply no more: at receipt for most, later for a held take. The
/// server hears of it by later commands: "everything below N", and single numbers above that while an older command
/// still waits. A single number is told once, by a command that certainly arrives or is sent again; it is told anew
/// only if that command was given up.
public struct SessionLedger: Sendable {
    /// Single numbers in one command.
    public static let singlesPerCommand = 128

    /// What a command says beside its operation.
    public struct Ticket: Equatable, Sendable {
        public var sequence: UInt64
        public var acknowledgedBelow: UInt64
        /// Ascending, at or above `acknowledgedBelow`, at most `singlesPerCommand`.
        public var acknowledged: [UInt64]

        public init(sequence: UInt64, acknowledgedBelow: UInt64, acknowledged: [UInt64]) {
            self.sequence = sequence
            self.acknowledgedBelow = acknowledgedBelow
            self.acknowledged = acknowledged
        }
    }

    public let session: SessionID
    /// All numbers below it are acknowledged.
    public private(set) var floor: UInt64
    /// The number that the next command gets.
    public private(set) var nextSequence: UInt64
    /// Acknowledged numbers above the floor: ascending, disjoint, never touching each other or the floor.
    private var ranges: [Range<UInt64>] = []
    private var countInRanges = 0
    /// Acknowledged numbers at or above the floor that no command tells of yet.
    private var untold: [UInt64] = []
    /// Numbers that a command without an answer tells of, by that command.
    private var carried: [(by: UInt64, numbers: [UInt64])] = []

    /// - Parameter firstSequence: at least 1.
    public init(session: SessionID, firstSequence: UInt64 = 1) {
        self.session = session
        floor = firstSequence
        nextSequence = firstSequence
    }

    /// Numbers given out and not acknowledged: what the server keeps for the session, or will.
    public var unacknowledgedCount: Int { Int(clamping: nextSequence - floor) - countInRanges }

    /// No further number may be given out until one is acknowledged.
    public var isFull: Bool { unacknowledgedCount >= Limits.sessionWindow }

    /// True when the server has not been told of every acknowledgement that stands above the floor.
    public var hasUntoldSingles: Bool { !untold.isEmpty }

    public func isAcknowledged(_ sequence: UInt64) -> Bool {
        sequence < floor || ranges.contains { $0.contains(sequence) }
    }

    /// Gives out the next number. Ask `isFull` first: the server refuses what exceeds its window.
    public mutating func begin() -> Ticket {
        let sequence = nextSequence
        nextSequence += 1
        return Ticket(sequence: sequence, acknowledgedBelow: floor, acknowledged: takeUntold(for: sequence))
    }

    /// The reply to a command has come: what the command told has arrived too.
    public mutating func answered(_ sequence: UInt64) {
        guard !carried.isEmpty else { return }
        carried.removeAll { $0.by == sequence }
    }

    /// A command is given up, its outcome unknown: what it told may not have arrived.
    public mutating func abandoned(_ sequence: UInt64) {
        guard let place = carried.firstIndex(where: { $0.by == sequence }) else { return }
        untold.append(contentsOf: carried.remove(at: place).numbers.filter { $0 >= floor })
    }

    /// The client needs the reply of this command no more. Again, or for a number never given out: nothing.
    public mutating func acknowledge(_ sequence: UInt64) {
        guard sequence >= floor, sequence < nextSequence else { return }
        if sequence == floor {
            raiseFloor(to: sequence + 1)
        } else if insert(sequence) {
            untold.append(sequence)
        }
    }

    private mutating func raiseFloor(to sequence: UInt64) {
        floor = sequence
        if let first = ranges.first, first.lowerBound == floor {
            floor = first.upperBound
            countInRanges -= first.count
            ranges.removeFirst()
        }
        if !untold.isEmpty {
            let floor = floor
            untold.removeAll { $0 < floor }
        }
    }

    /// - Returns: false if it was there.
    private mutating func insert(_ sequence: UInt64) -> Bool {
        // Acknowledgements come nearly in order, so the place is sought from the end.
        var place = ranges.count
        while place > 0, ranges[place - 1].lowerBound > sequence { place -= 1 }
        if place > 0, ranges[place - 1].contains(sequence) { return false }
        countInRanges += 1
        let joinsLower = place > 0 && ranges[place - 1].upperBound == sequence
        let joinsUpper = place < ranges.count && ranges[place].lowerBound == sequence + 1
        switch (joinsLower, joinsUpper) {
        case (true, true):
            ranges[place - 1] = ranges[place - 1].lowerBound..<ranges[place].upperBound
            ranges.remove(at: place)
        case (true, false): ranges[place - 1] = ranges[place - 1].lowerBound..<sequence + 1
        case (false, true): ranges[place] = sequence..<ranges[place].upperBound
        case (false, false): ranges.insert(sequence..<sequence + 1, at: place)
        }
        return true
    }

    private mutating func takeUntold(for sequence: UInt64) -> [UInt64] {
        guard !untold.isEmpty else { return [] }
        let count = min(untold.count, Self.singlesPerCommand)
        let told = untold[..<count].sorted()
        untold.removeFirst(count)
        carried.append((by: sequence, numbers: told))
        return told
    }
}
