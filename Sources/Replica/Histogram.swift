/// Durations in buckets that double: from 16 µs to about 34 s, and one for the rest. Enough for metrics and for percentiles within a
/// factor that people plan by.
public struct Histogram: Sendable, Equatable {
    /// Upper bounds in nanoseconds; the last bucket has none.
    public static let bounds: [UInt64] = (0..<22).map { 16_000 << UInt64($0) }

    public private(set) var counts = [UInt64](repeating: 0, count: Histogram.bounds.count + 1)
    public private(set) var sumNanoseconds: UInt64 = 0
    public private(set) var count: UInt64 = 0

    public init() {}

    public mutating func record(nanoseconds: UInt64, times: UInt64 = 1) {
        var bucket = 0
        while bucket < Histogram.bounds.count, nanoseconds > Histogram.bounds[bucket] { bucket += 1 }
        counts[bucket] += times
        sumNanoseconds &+= nanoseconds &* times
        count += times
    }

    /// The upper bound of the bucket that holds this quantile; nil if nothing was recorded. The open bucket counts as twice the last bound.
    public func quantile(_ q: Double) -> UInt64? {
        guard count > 0 else { return nil }
        var rest = Int64((Double(count) * q).rounded(.up))
        for (bucket, n) in counts.enumerated() {
            rest -= Int64(n)
            if rest <= 0 {
                return bucket < Histogram.bounds.count ? Histogram.bounds[bucket] : Histogram.bounds[bucket - 1] * 2
            }
        }
        return nil
    }
}
