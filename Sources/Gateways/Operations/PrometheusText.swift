/// Prometheus' text format 0.0.4.
enum PrometheusText {
    static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    static func render(_ families: [MetricFamily]) -> String {
        var text = ""
        for family in families {
            let name = identifier(family.name)
            text += "# HELP \(name) \(escape(family.help, quotes: false))\n# TYPE \(name) \(family.kind.rawValue)\n"
            for series in family.series {
                switch series.value {
                case .number(let value): text += line(name, series.labels, value)
                case .histogram(let histogram): text += lines(name, series.labels, histogram)
                }
            }
        }
        return text
    }

    private static func lines(_ name: String, _ labels: [MetricFamily.Label], _ histogram: MetricFamily.Histogram)
        -> String
    {
        var text = ""
        var total: UInt64 = 0
        for (index, count) in histogram.counts.enumerated() {
            total += count
            let bound = index < histogram.bounds.count ? number(histogram.bounds[index]) : "+Inf"
            text += line(name + "_bucket", labels + [.init("le", bound)], Double(total))
        }
        return text + line(name + "_sum", labels, histogram.sum) + line(name + "_count", labels, Double(total))
    }

    private static func line(_ name: String, _ labels: [MetricFamily.Label], _ value: Double) -> String {
        let pairs = labels.map { "\(identifier($0.name))=\"\(escape($0.value, quotes: true))\"" }
        return name + (pairs.isEmpty ? "" : "{\(pairs.joined(separator: ","))}") + " \(number(value))\n"
    }

    private static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        if let whole = Int64(exactly: value) { return String(whole) }
        return value.description
    }

    private static func identifier(_ name: String) -> String {
        String(
            String.UnicodeScalarView(
                name.unicodeScalars.enumerated().map { index, scalar in
                    let isLetter = scalar.isASCII && (scalar.properties.isAlphabetic || scalar == "_" || scalar == ":")
                    let isDigit = ("0"..."9").contains(scalar)
                    return isLetter || (isDigit && index > 0) ? scalar : "_"
                }))
    }

    private static func escape(_ text: String, quotes: Bool) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": escaped += "\\\\"
            case "\n": escaped += "\\n"
            case "\"" where quotes: escaped += "\\\""
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }
}
