/// Numbers for people.
enum Figures {
    /// `12,345`.
    static func grouped(_ number: Int) -> String {
        var groups: [String] = []
        var digits = String(number.magnitude)
        while digits.count > 3 {
            groups.insert(String(digits.suffix(3)), at: 0)
            digits.removeLast(3)
        }
        return (number < 0 ? "-" : "") + ([digits] + groups).joined(separator: ",")
    }

    /// `1 post`, `2 posts`.
    static func count(_ number: Int, _ noun: String) -> String {
        "\(grouped(number)) \(noun)\(number == 1 ? "" : "s")"
    }

    /// With so many decimals.
    static func decimal(_ number: Double, _ decimals: Int = 1) -> String {
        guard number.isFinite else { return "-" }
        var unit = 1
        for _ in 0..<decimals { unit *= 10 }
        let scaled = Int((number.magnitude * Double(unit)).rounded())
        let fraction = String(scaled % unit)
        let padded = String(repeating: "0", count: decimals - fraction.count) + fraction
        return (number < 0 ? "-" : "") + grouped(scaled / unit) + (decimals > 0 ? ".\(padded)" : "")
    }

    static func milliseconds(_ duration: Duration) -> Double {
        let parts = duration.components
        return Double(parts.seconds) * 1_000 + Double(parts.attoseconds) / 1e15
    }

    /// `830 ms` or `4.2 s`.
    static func text(_ duration: Duration) -> String {
        let milliseconds = milliseconds(duration)
        return milliseconds < 1_000 ? "\(Int(milliseconds.rounded())) ms" : "\(decimal(milliseconds / 1_000)) s"
    }
}
