/// A user's picture: a speckled disc, always the same for the same name, with the name's first character.
enum Avatar {
    /// Dark enough for the pale letter in every hue: at least 4.5 to 1.
    static func svg(for name: String) -> String {
        var state = hash(name)
        func next(_ range: Int) -> Int {
            // SplitMix64, so that neighbouring names look nothing alike.
            state &+= 0x9e37_79b9_7f4a_7c15
            var mixed = (state ^ (state >> 30)) &* 0xbf58_476d_1ce4_e5b9
            mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
            return Int((mixed ^ (mixed >> 31)) % UInt64(range))
        }
        let hue = 150 + next(170)
        let speckles = (0..<9).map { _ in
            let (x, y, radius) = (3 + next(34), 3 + next(34), 6 + next(8))
            return "<circle cx=\"\(x)\" cy=\"\(y)\" r=\"\(radius / 10).\(radius % 10)\"/>"
        }
        let letter = MessageHTML.escape(String(name.prefix(1)).uppercased())
        return """
            <svg class="avatar" viewBox="0 0 40 40" aria-hidden="true" focusable="false">\
            <circle cx="20" cy="20" r="20" fill="hsl(\(hue),38%,27%)"/>\
            <g fill="hsl(\(hue),45%,62%)">\(speckles.joined())</g>\
            <circle cx="20" cy="20" r="11" fill="hsl(\(hue),38%,27%)"/>\
            <text x="20" y="25.5" text-anchor="middle" font-size="16" font-weight="600" fill="#f6f1e4">\(letter)</text></svg>
            """
    }

    /// FNV-1a.
    private static func hash(_ name: String) -> UInt64 {
        name.utf8.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    }
}
