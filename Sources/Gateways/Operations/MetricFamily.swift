/// All values of one metric, as Prometheus means it.
public struct MetricFamily: Sendable, Equatable {
    public enum Kind: String, Sendable {
        case counter, gauge, histogram
    }

    /// `[a-zA-Z_:][a-zA-Z0-9_:]*`; other characters are written as `_`.
    public var name: String
    public var help: String
    public var kind: Kind
    public var series: [Series]

    public init(name: String, help: String, kind: Kind, series: [Series]) {
        self.name = name
        self.help = help
        self.kind = kind
        self.series = series
    }

    public struct Label: Sendable, Equatable {
        public var name: String
        public var value: String

        public init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }
    }

    public struct Series: Sendable, Equatable {
        public var labels: [Label]
        public var value: Value

        public init(labels: [Label] = [], value: Value) {
            self.labels = labels
            self.value = value
        }
    }

    public enum Value: Sendable, Equatable {
        case number(Double)
        case histogram(Histogram)
    }

    /// Counts of readings by upper bound. Not cumulative: `counts[i]` lie above `bounds[i - 1]` and not above
    /// `bounds[i]`; one more count than bounds, for what lies above the last.
    public struct Histogram: Sendable, Equatable {
        public var bounds: [Double]
        public var counts: [UInt64]
        public var sum: Double

        public init(bounds: [Double], counts: [UInt64], sum: Double) {
            self.bounds = bounds
            self.counts = counts
            self.sum = sum
        }

        public init(bounds: [Double]) {
            self.init(bounds: bounds, counts: Array(repeating: 0, count: bounds.count + 1), sum: 0)
        }

        public mutating func record(_ value: Double) {
            counts[bounds.firstIndex { value <= $0 } ?? bounds.count] += 1
            sum += value
        }
    }

    /// A metric of one value without labels.
    public static func gauge(_ name: String, _ help: String, _ value: Double) -> MetricFamily {
        MetricFamily(name: name, help: help, kind: .gauge, series: [Series(value: .number(value))])
    }

    public static func counter(_ name: String, _ help: String, _ value: Double) -> MetricFamily {
        MetricFamily(name: name, help: help, kind: .counter, series: [Series(value: .number(value))])
    }
}
