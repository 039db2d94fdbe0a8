import Foundation
import Testing

/// Each file in `Scripts` is a story of servers: commands behind `> `, and what is seen of each below it. With
/// `STARLING_REWRITE_SCRIPTS=1` the files are rewritten with what is seen now; review the difference before keeping it.
@Suite("Scripts")
struct ScriptTests {
    static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Scripts")

    static let names: [String] = {
        let files = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
        return files.filter { $0.hasSuffix(".txt") }.sorted()
    }()

    @Test("There are scripts")
    func scriptsExist() {
        #expect(ScriptTests.names.count >= 12)
    }

    @Test("A script shows what it says", arguments: names)
    func script(_ name: String) throws {
        let file = ScriptTests.folder.appendingPathComponent(name)
        let expected = try String(contentsOf: file, encoding: .utf8)
        let actual = try ScriptTests.replay(expected)
        if ProcessInfo.processInfo.environment["STARLING_REWRITE_SCRIPTS"] == "1" {
            try actual.write(to: file, atomically: true, encoding: .utf8)
            return
        }
        let expectedLines = expected.split(separator: "\n", omittingEmptySubsequences: false)
        let actualLines = actual.split(separator: "\n", omittingEmptySubsequences: false)
        for (i, (old, new)) in zip(expectedLines, actualLines).enumerated() {
            try #require(old == new, "\(name), line \(i + 1)")
        }
        #expect(expectedLines.count == actualLines.count)
        #expect(!actual.contains("VIOLATION"))
    }

    /// Comments, commands and empty lines stay; everything else is what the commands print now.
    static func replay(_ script: String) throws -> String {
        var cluster = ScriptedCluster()
        var output: [String] = []
        var isBehindCommand = false
        for line in script.split(separator: "\n", omittingEmptySubsequences: false) {
            if line.hasPrefix("> ") {
                output.append(String(line))
                output += try cluster.run(String(line.dropFirst(2)))
                isBehindCommand = true
            } else if line.isEmpty || line.hasPrefix("#") {
                output.append(String(line))
                isBehindCommand = false
            } else if !isBehindCommand {
                throw ScriptError("neither a comment, nor a command, nor below one: \(line)")
            }
        }
        return output.joined(separator: "\n")
    }
}
