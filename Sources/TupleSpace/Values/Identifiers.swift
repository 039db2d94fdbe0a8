/// A tuple for ever: `max(last id + 1, wall stamp in ms << 16)`, made when the write is applied. Unique in the cluster, ascending
/// in log order, and it tells the time.
public struct TupleID: Hashable, Comparable, Sendable, CustomStringConvertible {
    public let rawValue: UInt64

    @inlinable public init(_ rawValue: UInt64) { self.rawValue = rawValue }
    @inlinable public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
    /// The wall stamp in milliseconds since 1970 that the id was made from (later if more than 65,536 were made in one).
    @inlinable public var milliseconds: UInt64 { rawValue >> 16 }
    public var description: String { String(rawValue) }
}

/// A reservation for ever: made like a tuple's id, of two the later has the higher. So it also fences: whoever keeps the highest that it
/// has seen can refuse one that came before.
public struct ReservationID: Hashable, Comparable, Sendable, CustomStringConvertible {
    public let rawValue: UInt64

    @inlinable public init(_ rawValue: UInt64) { self.rawValue = rawValue }
    @inlinable public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
    public var description: String { String(rawValue) }
}

/// A client's session, by the random number the client chose for it. 0 is nobody's.
public struct SessionID: Hashable, Comparable, Sendable, CustomStringConvertible {
    public let rawValue: UInt64

    @inlinable public init(_ rawValue: UInt64) { self.rawValue = rawValue }
    @inlinable public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
    public var description: String { String(rawValue, radix: 16) }
}

/// A point of the one order: the log index, and which event of that entry. Written `index.ordinal`.
public struct Position: Hashable, Comparable, Sendable, CustomStringConvertible {
    public var index: UInt64
    public var ordinal: UInt32

    public init(index: UInt64, ordinal: UInt32) {
        self.index = index
        self.ordinal = ordinal
    }

    public static func < (a: Self, b: Self) -> Bool { (a.index, a.ordinal) < (b.index, b.ordinal) }
    public var description: String { "\(index).\(ordinal)" }

    /// Reads what `description` writes; nil if it is anything else.
    public init?(_ text: String) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 2, let index = UInt64(parts[0]), let ordinal = UInt32(parts[1]) else { return nil }
        self.init(index: index, ordinal: ordinal)
    }
}
