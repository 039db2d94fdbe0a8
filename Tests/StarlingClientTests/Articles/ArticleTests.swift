import Foundation
import Testing

/// What the articles show is what is built.
@Suite("The client's articles")
struct ArticleTests {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()
    private static let catalogue = root.appending(path: "Sources/StarlingClient/StarlingClient.docc")

    private static func text(_ file: URL) throws -> String { try String(contentsOf: file, encoding: .utf8) }

    private static func pages() throws -> [URL] {
        try FileManager.default.contentsOfDirectory(at: catalogue, includingPropertiesForKeys: nil)
            .filter { $0.pathExtension == "md" }
    }

    /// Between `// example` and `// end`, without the indentation that all lines have.
    private static func examples() throws -> Set<String> {
        let file = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "ArticleExamples.swift")
        var examples: Set<String> = []
        var lines: [Substring]?
        for line in try text(file).split(separator: "\n", omittingEmptySubsequences: false) {
            switch line.trimmingCharacters(in: .whitespaces) {
            case "// example": lines = []
            case "// end":
                let indentation = lines?.filter { !$0.isEmpty }.map { $0.prefix { $0 == " " }.count }.min() ?? 0
                examples.insert((lines ?? []).map { $0.dropFirst(indentation) }.joined(separator: "\n"))
                lines = nil
            default: lines?.append(line)
            }
        }
        return examples
    }

    private static func blocks(_ text: String) -> [String] {
        text.matches(of: /(?s)```swift\n(.*?)\n```/).map { String($0.output.1) }
    }

    @Test("show no code but the examples, which are built, and all of them")
    func examples() throws {
        let examples = try Self.examples()
        var shown: Set<String> = []
        for file in try Self.pages() + [Self.root.appending(path: "README.md")] {
            let blocks = Self.blocks(try Self.text(file))
            #expect(!blocks.isEmpty, "\(file.lastPathComponent) shows nothing")
            for block in blocks {
                #expect(examples.contains(block), "\(file.lastPathComponent) shows what is no example:\n\(block)")
                shown.insert(block)
            }
        }
        for example in examples.subtracting(shown) {
            Issue.record("no page shows the example:\n\(example)")
        }
    }
}
