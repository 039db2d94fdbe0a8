/// A server, by the random number made when its data directory was initialised. A wiped disk is a new node. Never 0.
public struct NodeID: Hashable, Comparable, Sendable, CustomStringConvertible {
    public let rawValue: UInt64

    @inlinable public init(_ rawValue: UInt64) { self.rawValue = rawValue }
    @inlinable public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }

    /// 16 hexadecimal digits, as operators see it.
    public var description: String { paddedHexadecimal(rawValue) }
}

/// A cluster, by the random number that `starling cluster plan` made. Never 0.
public struct ClusterID: Hashable, Sendable, CustomStringConvertible {
    public let rawValue: UInt64

    @inlinable public init(_ rawValue: UInt64) { self.rawValue = rawValue }
    public var description: String { paddedHexadecimal(rawValue) }
}

/// Raft's logical clock: at most one leader in each. 0 is before any election.
public struct Term: Hashable, Comparable, Sendable, CustomStringConvertible {
    public let rawValue: UInt64

    @inlinable public init(_ rawValue: UInt64) { self.rawValue = rawValue }
    @inlinable public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
    @inlinable public var next: Term { Term(rawValue + 1) }
    public static let zero = Term(0)
    public var description: String { String(rawValue) }
}

/// A place in the log. The first entry has 1; 0 is before it.
public struct LogIndex: Hashable, Comparable, Sendable, CustomStringConvertible {
    public let rawValue: UInt64

    @inlinable public init(_ rawValue: UInt64) { self.rawValue = rawValue }
    @inlinable public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
    @inlinable public var next: LogIndex { LogIndex(rawValue + 1) }
    /// The index before this one; 0 stays 0.
    @inlinable public var previous: LogIndex { LogIndex(rawValue == 0 ? 0 : rawValue - 1) }
    @inlinable public static func + (a: LogIndex, n: Int) -> LogIndex { LogIndex(a.rawValue + UInt64(n)) }
    /// How many indices lie between: negative when `b` is later.
    @inlinable public static func - (a: LogIndex, b: LogIndex) -> Int {
        Int(Int64(bitPattern: a.rawValue &- b.rawValue))
    }
    public static let zero = LogIndex(0)
    public var description: String { String(rawValue) }
}

/// The number of a write handed to storage. Ascends by one; storage completes them in order.
public struct WriteSequence: Hashable, Comparable, Sendable {
    public let rawValue: UInt64

    @inlinable public init(_ rawValue: UInt64) { self.rawValue = rawValue }
    @inlinable public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
    @inlinable public var next: WriteSequence { WriteSequence(rawValue + 1) }
    public static let zero = WriteSequence(0)
}

/// Monotonic time of one machine in nanoseconds from an arbitrary origin. Never compared between machines.
public struct MonotonicTime: Hashable, Comparable, Sendable {
    public let nanoseconds: UInt64

    @inlinable public init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }
    @inlinable public static func < (a: Self, b: Self) -> Bool { a.nanoseconds < b.nanoseconds }
    @inlinable public func advanced(byMilliseconds ms: UInt64) -> MonotonicTime {
        MonotonicTime(nanoseconds: nanoseconds &+ ms &* 1_000_000)
    }
    /// Nanoseconds from `earlier` to here; 0 if `earlier` is later.
    @inlinable public func since(_ earlier: MonotonicTime) -> UInt64 {
        nanoseconds > earlier.nanoseconds ? nanoseconds - earlier.nanoseconds : 0
    }
    public static let zero = MonotonicTime(nanoseconds: 0)
}

func paddedHexadecimal(_ value: UInt64) -> String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
}
