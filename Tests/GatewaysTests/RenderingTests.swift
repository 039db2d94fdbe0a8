import Testing

@testable import Gateways

@Suite("Rendering")
struct RenderingTests {
    private func link(_ address: String) -> String {
        "<a href=\"\(address)\" rel=\"nofollow noopener noreferrer\">\(address)</a>"
    }

    @Test("http and https addresses become links, without the punctuation around them")
    func links() {
        #expect(MessageHTML.render("see https://a.example/x.") == "see \(link("https://a.example/x")).")
        #expect(MessageHTML.render("(http://a.example/b_(c))") == "(\(link("http://a.example/b_(c)")))")
        #expect(MessageHTML.render("https://a.example/?x=1&y=2") == link("https://a.example/?x=1&amp;y=2"))
        #expect(
            MessageHTML.render("http://a.example\nhttps://b.example")
                == "\(link("http://a.example"))\n\(link("https://b.example"))")
    }

    @Test("nothing else becomes a link, and nothing escapes the quotes")
    func noLinks() {
        for text in [
            "javascript:alert(1)", "http://", "https:// x", "xhttp://a.example", "ftp://a.example", "http:/a",
            "https://...",
        ] {
            #expect(!MessageHTML.render(text).contains("<a"), "\(text)")
        }
        #expect(
            MessageHTML.render(#"http://a.example/"onmouseover="x"#)
                == link("http://a.example/") + "&quot;onmouseover=&quot;x")
    }

    @Test("text is escaped, and control characters are shown as what they are not")
    func escaping() {
        #expect(MessageHTML.escape("<&>\"'\u{0}\t\n") == "&lt;&amp;&gt;&quot;&#39;\u{fffd}\t\n")
    }

    @Test("drawings keep their columns; prose with an indented author does not count as one")
    func verbatim() {
        #expect(MessageHTML.isVerbatim("a     b\nc     d\ne     f"))
        #expect(!MessageHTML.isVerbatim("To be or not to be.\nThat is it.\n\t\t-- William"))
    }

    @Test("dates are those of the calendar")
    func dates() {
        #expect(Timestamp.iso8601(milliseconds: 0) == "1970-01-01T00:00:00Z")
        #expect(Timestamp.iso8601(milliseconds: 951_782_399_999) == "2000-02-28T23:59:59Z")
        #expect(Timestamp.iso8601(milliseconds: 951_868_800_000) == "2000-03-01T00:00:00Z")
        #expect(Timestamp.iso8601(milliseconds: 1_709_164_800_000) == "2024-02-29T00:00:00Z")
        #expect(Timestamp.readable(milliseconds: 4_102_444_799_000) == "2099-12-31 23:59:59 UTC")
    }

    @Test("times are told as people tell them")
    func relative() {
        let now: UInt64 = 1_700_000_000_000
        for (ago, text) in [
            (0, "just now"), (44, "just now"), (45, "1 min ago"), (3_599, "59 min ago"), (3_600, "1 h ago"),
            (86_400, "1 d ago"),
        ] as [(UInt64, String)] {
            #expect(Timestamp.relative(milliseconds: now - ago * 1_000, now: now) == text)
        }
        #expect(Timestamp.relative(milliseconds: now - 8 * 86_400_000, now: now) == "2023-11-06")
        #expect(Timestamp.relative(milliseconds: now + 5_000, now: now) == "just now")
    }

    @Test("figures have the digits that matter")
    func figures() {
        #expect(Figures.count(1_234_567) == "1,234,567" && Figures.count(999) == "999" && Figures.count(nil) == "–")
        #expect(
            Figures.milliseconds(0.314) == "0.31" && Figures.milliseconds(12.44) == "12.4"
                && Figures.milliseconds(1_234.5) == "1,235")
        #expect(Figures.milliseconds(0.05) == "0.05" && Figures.milliseconds(.nan) == "–")
    }

    @Test("a user's picture is the same every time and differs between users")
    func avatars() {
        #expect(
            Avatar.svg(for: "alice") == Avatar.svg(for: "alice") && Avatar.svg(for: "alice") != Avatar.svg(for: "alicf")
        )
        #expect(Avatar.svg(for: "<").contains("&lt;") && !Avatar.svg(for: "").contains("nil"))
    }
}
