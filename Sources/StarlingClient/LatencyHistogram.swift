/// Counts durations so that every percentile is known to one part in a thousand, in memory that is allocated once (250
/// KiB).
///
/// Values below 2,048 have a bucket each; above, every power of two is divided into 1,024 equal buckets.
public struct LatencyHistogram: Sendable {
    private static let linear: UInt64 = 2_048
    /// Nanoseconds from here on (18 minutes) count as this.
    private static let largest: UInt64 = 1 << 40 - 1
    private var counts = [UInt64](repeating: 0, count: 31 * 1_024 + 1_024)
    public private(set) var total: UInt64 = 0

    public init() {}

    public mutating func record(_ nanoseconds: UInt64) {
        counts[Self.bucket(of: nanoseconds)] += 1
        total += 1
    }

    /// The smallest value that `fraction` (0 to 1) of all values do not exceed, to a thousandth; 0 if there are none.
    public func value(at fraction: Double) -> UInt64 {
        guard total > 0 else { return 0 }
        let wanted = max(1, UInt64((fraction * Double(total)).rounded(.up)))
        var seen: UInt64 = 0
        for (bucket, count) in counts.enumerated() {
            seen += count
            if seen >= wanted { return Self.highest(in: bucket) }
        }
        return Self.largest
    }

    static func bucket(of value: UInt64) -> Int {
        let value = min(value, largest)
        guard value >= linear else { return Int(value) }
        let shift = 63 - value.leadingZeroBitCount - 10
        return shift * 1_024 + Int(value >> UInt64(shift))
    }

    static func highest(in bucket: Int) -> UInt64 {
        guard bucket >= Int(linear) else { return UInt64(bucket) }
        let shift = UInt64(bucket / 1_024 - 1)
        let mantissa = UInt64(bucket % 1_024 + 1_024)
        return (mantissa + 1) << shift - 1
    }
}
