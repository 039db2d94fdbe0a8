/// What became of a command, as its session remembers it. A reply is made from it again, byte for byte.
enum Outcome: Sendable {
    /// It is a waiter.
    case pending(waiter: UInt64)
    case done
    case noMatch
    case written(id: UInt64, Position)
    /// A take whose tuple is held until this is acknowledged; the tuple stands in the store.
    case held(id: UInt64, Position)
    /// Any other reply, encoded.
    case encoded([UInt8])

    var keptBytes: Int {
        if case .encoded(let bytes) = self { bytes.count } else { 0 }
    }
}

/// A client's session: which of its commands are pending, which are replied, which are done with.
struct Session: Sendable {
    struct Command: Sendable {
        var sequence: UInt64
        var outcome: Outcome
    }

    var id: UInt64
    var timeoutMilliseconds: UInt64
    /// UTF-8 of who opened it.
    var caller: [UInt8]
    /// Commands that are waiters.
    var waiting = 0
    /// Bytes of the replies that are kept encoded.
    private(set) var keptReplyBytes = 0
    /// All sequence numbers below are acknowledged.
    private(set) var floor: UInt64 = 0
    /// Acknowledged at or above the floor: ascending, apart from each other and from the floor.
    private(set) var ranges: ContiguousArray<ClosedRange<UInt64>> = []
    /// Ascending by sequence; those before `head` are gone.
    private var commands: ContiguousArray<Command> = []
    private var head = 0

    init(id: UInt64, timeoutMilliseconds: UInt64, caller: [UInt8]) {
        self.id = id
        self.timeoutMilliseconds = timeoutMilliseconds
        self.caller = caller
    }

    /// A session that a user opened is theirs, whoever comes to know its number.
    func belongs(to name: UnsafeRawBufferPointer) -> Bool {
        caller.isEmpty || caller.withUnsafeBytes { name.isSame(as: $0) }
    }

    /// Commands pending or replied.
    var windowCount: Int { commands.count - head }
    var window: ContiguousArray<Command>.SubSequence { commands[head...] }

    func isAcknowledged(_ sequence: UInt64) -> Bool {
        if sequence < floor { return true }
        if ranges.isEmpty { return false }
        let place = rangeIndex(sequence)
        return place < ranges.count && ranges[place].contains(sequence)
    }

    /// The first range that ends at or above.
    private func rangeIndex(_ sequence: UInt64) -> Int {
        var (low, high) = (0, ranges.count)
        while low < high {
            let middle = (low + high) / 2
            if ranges[middle].upperBound < sequence { low = middle + 1 } else { high = middle }
        }
        return low
    }

    // MARK: - Commands

    /// The place of the first command at or above.
    private func lowerBound(_ sequence: UInt64) -> Int {
        guard let last = commands.last, last.sequence >= sequence else { return commands.count }
        var (low, high) = (head, commands.count)
        while low < high {
            let middle = (low + high) / 2
            if commands[middle].sequence < sequence { low = middle + 1 } else { high = middle }
        }
        return low
    }

    private func find(_ sequence: UInt64) -> Int? {
        let place = lowerBound(sequence)
        return place < commands.count && place >= head && commands[place].sequence == sequence ? place : nil
    }

    func outcome(_ sequence: UInt64) -> Outcome? { find(sequence).map { commands[$0].outcome } }

    /// - Precondition: it is not there yet; otherwise nothing happens.
    mutating func add(_ sequence: UInt64, _ outcome: Outcome) {
        let place = lowerBound(sequence)
        if place == commands.count || commands[place].sequence != sequence { keptReplyBytes += outcome.keptBytes }
        if place == commands.count {
            if head > 0, commands.count == commands.capacity { closeUp() }
            commands.append(Command(sequence: sequence, outcome: outcome))
        } else if commands[place].sequence != sequence {
            commands.insert(Command(sequence: sequence, outcome: outcome), at: place)
        }
    }

    /// Changes what became of a command; nothing if it is not there.
    mutating func change(_ sequence: UInt64, to outcome: Outcome) {
        guard let place = find(sequence) else { return }
        keptReplyBytes += outcome.keptBytes - commands[place].outcome.keptBytes
        commands[place].outcome = outcome
    }

    private mutating func closeUp() {
        commands.removeFirst(head)
        head = 0
    }

    private mutating func dropFirst() {
        keptReplyBytes -= commands[head].outcome.keptBytes
        if head == 0, commands.count == 1 {
            // Whoever acknowledges each before the next, as many do.
            commands.removeLast()
            return
        }
        commands[head].outcome = .done
        head += 1
        if head == commands.count {
            commands.removeAll(keepingCapacity: commands.capacity <= 256)
            head = 0
        } else if head >= 1_024, head * 2 >= commands.count {
            closeUp()
        }
    }

    // MARK: - Acknowledgements

    /// Raises the floor and calls `gone` with the commands that this acknowledges, in order.
    mutating func acknowledge(below newFloor: UInt64, _ gone: (Command) -> Void) {
        guard newFloor > floor else { return }
        while head < commands.count, commands[head].sequence < newFloor {
            gone(commands[head])
            dropFirst()
        }
        raiseFloor(to: newFloor)
    }

    private mutating func raiseFloor(to newFloor: UInt64) {
        floor = newFloor
        var dropped = 0
        while dropped < ranges.count, ranges[dropped].lowerBound <= floor {
            let next = ranges[dropped].upperBound.addingReportingOverflow(1)
            // The very last number cannot be below any floor: it stays a range.
            if next.overflow { break }
            floor = max(floor, next.partialValue)
            dropped += 1
        }
        if dropped > 0 { ranges.removeFirst(dropped) }
    }

    /// - Returns: the command that this acknowledges, if it was there.
    mutating func acknowledge(single sequence: UInt64) -> Command? {
        guard !isAcknowledged(sequence) else { return nil }
        guard let place = find(sequence) else {
            // It was never seen, so that nothing bounds how many such there are but this.
            if ranges.count <= Limits.sessionWindow { acknowledgeNumber(sequence) }
            return nil
        }
        let command = commands[place]
        if place == head {
            dropFirst()
        } else {
            keptReplyBytes -= command.outcome.keptBytes
            commands.remove(at: place)
        }
        acknowledgeNumber(sequence)
        return command
    }

    private mutating func acknowledgeNumber(_ sequence: UInt64) {
        if sequence == floor, sequence < .max { return raiseFloor(to: sequence + 1) }
        let place = rangeIndex(sequence)
        // Neither sum can overflow: the left range ends below the sequence, and the right one begins above it.
        let joinsLeft = place > 0 && ranges[place - 1].upperBound + 1 == sequence
        let joinsRight = place < ranges.count && ranges[place].lowerBound == sequence + 1
        switch (joinsLeft, joinsRight) {
        case (true, true):
            ranges[place - 1] = ranges[place - 1].lowerBound...ranges[place].upperBound
            ranges.remove(at: place)
        case (true, false): ranges[place - 1] = ranges[place - 1].lowerBound...sequence
        case (false, true): ranges[place] = sequence...ranges[place].upperBound
        case (false, false): ranges.insert(sequence...sequence, at: place)
        }
    }

    /// As it was captured.
    mutating func restore(floor: UInt64, ranges: ContiguousArray<ClosedRange<UInt64>>) {
        self.floor = floor
        self.ranges = ranges
    }
}
