/// Dates from milliseconds since 1970, in UTC, by the proleptic Gregorian calendar.
package enum Timestamp {
    /// By this machine's wall clock.
    package static var now: String { iso8601(milliseconds: WallClock.now()) }

    /// Such as `2026-02-28T23:59:07Z`.
    package static func iso8601(milliseconds: UInt64) -> String {
        let (date, time) = parts(milliseconds)
        return "\(date)T\(time)Z"
    }

    /// For people: `2026-02-28 23:59:07 UTC`.
    static func readable(milliseconds: UInt64) -> String {
        let (date, time) = parts(milliseconds)
        return "\(date) \(time) UTC"
    }

    private static func parts(_ milliseconds: UInt64) -> (date: String, time: String) {
        let seconds = milliseconds / 1_000
        let (year, month, day) = civil(days: Int(seconds / 86_400))
        let second = Int(seconds % 86_400)
        return (
            "\(pad(year, 4))-\(pad(month, 2))-\(pad(day, 2))",
            "\(pad(second / 3_600, 2)):\(pad(second / 60 % 60, 2)):\(pad(second % 60, 2))"
        )
    }

    /// Counts in eras of 400 years that begin on the first of March, so that the leap day is the last.
    private static func civil(days: Int) -> (year: Int, month: Int, day: Int) {
        let shifted = days + 719_468
        let era = shifted / 146_097
        let dayOfEra = shifted % 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        return (era * 400 + yearOfEra + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
    }

    private static func pad(_ number: Int, _ width: Int) -> String {
        let text = String(number)
        return String(repeating: "0", count: max(0, width - text.count)) + text
    }

    /// `just now`, `5 min ago`, `3 h ago`, `2 d ago`, then the date.
    static func relative(milliseconds: UInt64, now: UInt64) -> String {
        let seconds = now > milliseconds ? (now - milliseconds) / 1_000 : 0
        switch seconds {
        case ..<45: return "just now"
        case ..<3_600: return "\(max(1, seconds / 60)) min ago"
        case ..<86_400: return "\(seconds / 3_600) h ago"
        case ..<(7 * 86_400): return "\(seconds / 86_400) d ago"
        default: return parts(milliseconds).date
        }
    }
}
