import ByteCoding

/// The run's fingerprint, its fault schedule, and the last steps in words if they are wanted.
struct TraceLog {
    private(set) var hash = StableHash(0)
    private(set) var schedule: [String] = []
    private var lines: [String] = []
    private var next = 0
    /// The misfortune that is happening, by its number in the run.
    var misfortune: Int?
    private let capacity: Int

    init(lines capacity: Int) { self.capacity = capacity }

    var isReadable: Bool { capacity > 0 }

    mutating func mix(_ words: UInt64...) {
        for word in words { hash.mix(word) }
    }

    mutating func fault(_ time: UInt64, _ text: String) {
        let number = misfortune.map { "#\($0) " } ?? ""
        schedule.append("\(TraceLog.stamp(time)) \(number)\(text)")
        note(time, number + text)
    }

    /// Call it behind `isReadable`: making the text costs more than the step.
    mutating func note(_ time: UInt64, _ text: @autoclosure () -> String) {
        guard capacity > 0 else { return }
        let line = "\(TraceLog.stamp(time)) \(text())"
        if lines.count < capacity { lines.append(line) } else { lines[next % capacity] = line }
        next += 1
    }

    /// Oldest first.
    var latest: [String] {
        guard lines.count == capacity, capacity > 0 else { return lines }
        let start = next % capacity
        return Array(lines[start...] + lines[..<start])
    }

    /// Milliseconds with three decimals.
    static func stamp(_ nanoseconds: UInt64) -> String {
        let micros = nanoseconds / 1_000
        let fraction = String(micros % 1_000)
        return "\(micros / 1_000).\(String(repeating: "0", count: 3 - fraction.utf8.count))\(fraction) ms"
    }
}
