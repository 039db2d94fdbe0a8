import Foundation
import Testing

/// What documents say about tests, held against the tests.
@Suite("Documents")
struct DocumentTests {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    /// Room and title of each test whose title names scenarios, by scenario.
    private static func scenarioTests() throws -> [Int: Set<String>] {
        var found: [Int: Set<String>] = [:]
        let tests = root.appending(path: "Tests")
        for case let file as URL in FileManager.default.enumerator(at: tests, includingPropertiesForKeys: nil)
            ?? .init()
        where file.pathExtension == "swift" {
            let room = file.deletingLastPathComponent().lastPathComponent
            for title in try String(contentsOf: file, encoding: .utf8).matches(of: /@Test\(\s*"([^"]+)"/) {
                for named in title.output.1.matches(of: /[Ss]cenarios? ([0-9]+)(?: and ([0-9]+))?/) {
                    for number in [named.output.1, named.output.2 ?? ""].compactMap({ Int($0) }) {
                        found[number, default: []].insert(room.replacing("Tests", with: ""))
                    }
                }
            }
        }
        return found
    }

    @Test(
        "Each scenario that has bitten real systems has a test of its name, in the rooms that docs/correctness.md names"
    )
    func scenarios() throws {
        let whole = try String(contentsOf: Self.root.appending(path: "docs/correctness.md"), encoding: .utf8)
        let page = try #require(whole.components(separatedBy: "## The scenarios").last)
        let found = try Self.scenarioTests()
        for number in 1...35 {
            let row = try #require(page.firstMatch(of: try Regex("\\| \(number) \\| [^|]+ \\| ([^|]+) \\|")))
            let named = Set("\(row.output[1].substring ?? "")".split(separator: ", ").map(String.init))
            #expect(found[number] == named, "scenario \(number)")
        }
    }

    @Test("Links between documents lead somewhere")
    func links() throws {
        var checked = 0
        for name in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "docs/correctness.md", "docs/fuzzing.md"] {
            let file = Self.root.appending(path: name)
            for link in try String(contentsOf: file, encoding: .utf8).matches(of: /\]\(([^)#:]+)(?:#[^)]*)?\)/) {
                let target = file.deletingLastPathComponent().appending(path: String(link.output.1))
                #expect(
                    FileManager.default.fileExists(atPath: target.path(percentEncoded: false)),
                    "\(name): \(link.output.1)")
                checked += 1
            }
        }
        #expect(checked > 10)
    }
}
