/// Splits a text that is too long for one post into several, numbered `(1/3) …`. Nothing is lost: the parts without
/// their numbers, joined, are the text, white space and all. Splits after a paragraph if one ends in the latter half
/// of a part, else after a line, else after a word, else wherever the part is full.
public struct MessageSplitter: Sendable {
    /// Characters and bytes of one part, its number included. A cluster that alone exceeds the bytes stands in a part
    /// of its own.
    public var characters: Int
    public var bytes: Int

    public init(characters: Int = PostRules.messageLength.upperBound, bytes: Int = PostRules.messageBytes) {
        precondition(characters >= 32 && bytes >= 32, "a part needs room for its number and some text")
        self.characters = characters
        self.bytes = bytes
    }

    /// The parts in order; the text itself if it fits.
    public func split(_ text: String) -> [String] {
        if text.count <= characters, text.utf8.count <= bytes { return [text] }
        let clusters = Array(text)
        var digits = 1
        while true {
            // `(` number `/` count `) `
            let parts = parts(of: clusters, prefix: 2 * digits + 4)
            if String(parts.count).utf8.count <= digits {
                return parts.enumerated().map { "(\($0.offset + 1)/\(parts.count)) \(String(clusters[$0.element]))" }
            }
            digits += 1
        }
    }

    /// - prefix: characters, all ASCII, that each part needs besides.
    private func parts(of clusters: [Character], prefix: Int) -> [Range<Int>] {
        var parts: [Range<Int>] = []
        var start = 0
        while start < clusters.count {
            let full = fill(clusters, from: start, prefix: prefix)
            let end = full == clusters.count ? full : boundary(in: clusters, start..<full)
            parts.append(start..<end)
            start = end
        }
        return parts
    }

    /// The end of the longest part that fits; at least one cluster.
    private func fill(_ clusters: [Character], from start: Int, prefix: Int) -> Int {
        var end = start
        var room = bytes - prefix
        while end < clusters.count, end - start < characters - prefix {
            room -= clusters[end].utf8.count
            if room < 0 { break }
            end += 1
        }
        return max(end, start + 1)
    }

    private func boundary(in clusters: [Character], _ range: Range<Int>) -> Int {
        let latterHalf = (range.lowerBound + range.count / 2)..<range.upperBound
        func last(in part: Range<Int>, where isBoundary: (Int) -> Bool) -> Int? {
            part.last(where: isBoundary).map { $0 + 1 }
        }
        return last(in: latterHalf) { clusters[$0].isNewline && $0 > range.lowerBound && clusters[$0 - 1].isNewline }
            ?? last(in: latterHalf) { clusters[$0].isNewline }
            ?? last(in: range) { clusters[$0].isWhitespace }
            ?? range.upperBound
    }
}
