import Microblog
import Testing

@Suite("A message splitter")
struct MessageSplitterTests {
    /// The bytes of the parts without their numbers. (Bytes, because a mark that begins a part combines with the space
    /// before it.)
    private func joined(_ parts: [String]) -> [UInt8] {
        if parts.count == 1 { return Array(parts[0].utf8) }
        return parts.flatMap { $0.utf8.drop { $0 != UInt8(ascii: " ") }.dropFirst() }
    }

    @Test("leaves a text alone that fits exactly")
    func fits() {
        let text = String(repeating: "x", count: 500)
        #expect(MessageSplitter().split(text) == [text])
    }

    @Test("numbers the parts of a text that is one character too long")
    func oneTooMany() {
        let parts = MessageSplitter().split(String(repeating: "x", count: 501))
        #expect(parts.count == 2)
        #expect(parts[0].hasPrefix("(1/2) xxx") && parts[0].count == 500)
        #expect(parts[1] == "(2/2) xxxxxxx")
    }

    @Test("prefers the end of a paragraph, then of a line, then of a word")
    func boundaries() {
        let splitter = MessageSplitter(characters: 40)
        #expect(
            splitter.split("one two three four five\n\nsix seven eight nine ten")[0]
                == "(1/2) one two three four five\n\n")
        #expect(
            splitter.split("one two three four five\nsix seven eight nine ten")[0] == "(1/2) one two three four five\n")
        #expect(
            splitter.split("one two three four five six seven eight nine ten")[0]
                == "(1/2) one two three four five six seven ")
    }

    @Test("loses no character and keeps every part within the limits, whatever the text")
    func property() {
        var generator = SeededGenerator(state: 1)
        let alphabet = [
            "a", "é", "e\u{301}", "👩‍👩‍👧", " ", "  ", "\n", "\n\n", "\t", "word ", ")", "(1/2) ", "\u{200d}", "𝄞", "\r\n",
        ]
        for round in 0..<400 {
            let length = Int.random(in: 0...(round % 7 == 0 ? 3_000 : 200), using: &generator)
            let text = (0..<length).map { _ in alphabet.randomElement(using: &generator)! }.joined()
            let splitter = MessageSplitter(
                characters: Int.random(in: 32...80, using: &generator),
                bytes: Int.random(in: 64...200, using: &generator))
            let parts = splitter.split(text)
            let isWhole = joined(parts) == Array(text.utf8)
            #expect(isWhole)
            #expect(parts.allSatisfy { $0.count <= splitter.characters && $0.utf8.count <= splitter.bytes })
        }
    }

    @Test("goes on when a part's number needs more digits")
    func manyParts() {
        let text = (0..<1_000).map { "word\($0) " }.joined()
        let parts = MessageSplitter(characters: 32).split(text)
        #expect(parts.count > 99)
        #expect(joined(parts) == Array(text.utf8))
        #expect(parts.allSatisfy { $0.count <= 32 })
        #expect(parts.last?.hasPrefix("(\(parts.count)/\(parts.count)) ") == true)
    }
}

/// SplitMix64: the same texts in every run.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = (state ^ (state >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
