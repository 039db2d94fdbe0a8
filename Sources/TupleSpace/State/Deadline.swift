/// When something ends, in lease time, and which: in the order in which things end.
struct Deadline: Comparable, BitwiseCopyable, Sendable {
    var time: UInt64
    var id: UInt64

    static func < (a: Self, b: Self) -> Bool { (a.time, a.id) < (b.time, b.id) }
}
