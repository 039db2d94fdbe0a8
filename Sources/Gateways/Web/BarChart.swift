/// Bars of milliseconds as SVG, and the same figures for the table beside it.
struct BarChart: Sendable {
    struct Row: Sendable {
        var name: String
        var value: String
    }

    let title: String
    let firstColumn: String
    let svg: String
    let rows: [Row]

    private static let width = 300.0
    private static let rowHeight = 26.0
    private static let barStart = 64.0
    private static let barWidth = 172.0

    /// Nil if there is nothing to show.
    init?(_ title: String, firstColumn: String, _ values: [(name: String, milliseconds: Double)]) {
        guard !values.isEmpty else { return nil }
        self.title = title
        self.firstColumn = firstColumn
        rows = values.map { Row(name: $0.name, value: Figures.milliseconds($0.milliseconds)) }
        let most = values.map(\.milliseconds).filter(\.isFinite).max() ?? 0
        let bars = values.enumerated().map { index, value in
            Self.bar(at: Double(index) * Self.rowHeight, value.name, value.milliseconds, most: most)
        }
        let height = Double(values.count) * Self.rowHeight
        let label = MessageHTML.escape("\(title): " + rows.map { "\($0.name) \($0.value) ms" }.joined(separator: ", "))
        svg = "<svg viewBox=\"0 0 \(Self.width) \(height)\" role=\"img\" aria-label=\"\(label)\">\(bars.joined())</svg>"
    }

    private static func bar(at top: Double, _ name: String, _ milliseconds: Double, most: Double) -> String {
        let share = most > 0 && milliseconds.isFinite ? max(0, milliseconds / most) : 0
        let length = (max(2, share * barWidth) * 10).rounded() / 10
        let name = MessageHTML.escape(name.prefix(8))
        return """
            <text x="0" y="\(top + 17)">\(name)</text>\
            <rect class="track" x="\(barStart)" y="\(top + 8)" width="\(barWidth)" height="10" rx="5"/>\
            <rect class="value" x="\(barStart)" y="\(top + 8)" width="\(length)" height="10" rx="\(min(5, length / 2))"/>\
            <text x="\(width)" y="\(top + 17)" text-anchor="end">\(Figures.milliseconds(milliseconds))</text>
            """
    }
}
