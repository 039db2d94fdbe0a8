#if canImport(Glibc)
    import Glibc
#endif

extension Duration {
    var nanoseconds: Double {
        let (seconds, attoseconds) = components
        return Double(seconds) * 1e9 + Double(attoseconds) / 1e9
    }
}

struct Samples {
    private var values: [Double] = []

    mutating func add(_ duration: Duration) { values.append(duration.nanoseconds) }

    /// Mean, median, 99th percentile and highest.
    var summary: (mean: Double, p50: Double, p99: Double, highest: Double) {
        let sorted = values.sorted()
        guard let highest = sorted.last else { return (0, 0, 0, 0) }
        let mean = sorted.reduce(0, +) / Double(sorted.count)
        return (mean, sorted[sorted.count / 2], sorted[sorted.count * 99 / 100], highest)
    }
}

struct Report {
    private var lines: [(String, Double)] = []

    mutating func add(_ name: String, _ value: Double) { lines.append((name, value)) }

    mutating func add(_ name: String, _ samples: Samples) {
        let summary = samples.summary
        add(name + "_mean", summary.mean)
        add(name + "_p50", summary.p50)
        add(name + "_p99", summary.p99)
        add(name + "_highest", summary.highest)
    }

    func print() {
        Swift.print("{")
        for (i, line) in lines.enumerated() {
            Swift.print("  \"\(line.0)\": \((line.1 * 1_000).rounded() / 1_000)\(i == lines.count - 1 ? "" : ",")")
        }
        Swift.print("}")
    }
}

enum Memory {
    /// Resident memory of this process by /proc; 0 where there is none.
    static func residentBytes() -> Int {
        #if canImport(Glibc)
            guard let file = fopen("/proc/self/statm", "r") else { return 0 }
            defer { fclose(file) }
            var line = [CChar](repeating: 0, count: 128)
            guard fgets(&line, 128, file) != nil else { return 0 }
            let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            let fields = text.split(separator: " ")
            return fields.count > 1 ? (Int(fields[1]) ?? 0) * Int(sysconf(Int32(_SC_PAGESIZE))) : 0
        #else
            return 0
        #endif
    }
}
