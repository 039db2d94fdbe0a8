import Foundation
import Testing
import TupleSpace

@testable import starling

/// What a shell makes of a line, and what it adds to one.
@Suite struct ShellLineTests {
    @Test(
        "A line is words, and an array, an object and what is quoted are each one",
        arguments: [
            ("", []), ("  \t ", []), ("count", ["count"]),
            (#"write ["a b", 1,{"x":[2]}] --lease 5"#, ["write", #"["a b", 1,{"x":[2]}]"#, "--lease", "5"]),
            (#"write ["]\"["]"#, ["write", #"["]\"["]"#]),
            (#"write '["a", "b"]'"#, ["write", #"["a", "b"]"#]),
            (#"use "my space"  x"#, ["use", "my space", "x"]),
            ("use a[b c", ["use", "a[b", "c"]),
        ])
    func words(line: String, words: [String]) {
        let line = ShellLine(line)
        #expect(line.words == words)
        #expect(line.missing == nil)
    }

    @Test(
        "A line that ends too early says what it lacks",
        arguments: [
            ("write [1", "the closing ]"), (#"run {"a":[1]"#, "the closing }"),
            (#"write ["a]"#, "the closing \" of a string"),
            ("use 'a b", "the closing '"), (#"write ["\"#, "the closing \" of a string"),
        ])
    func unfinished(line: String, missing: String) {
        #expect(ShellLine(line).missing == missing)
    }

    private static let completer: ShellCompleter = {
        let seen = SeenTuples()
        for (id, words) in [["alice", "distsys"], ["albert", "go"], ["bob", "go"]].enumerated() {
            seen.note(
                StoredTuple(id: TupleID(UInt64(id + 70)), tuple: Tuple(words.map { .string($0) } + [.int(7)])),
                in: "blog")
        }
        seen.use("jobs")
        seen.note(typed: #"["alone",null]"#, in: "jobs")
        seen.use("blog")
        return ShellCompleter(seen: seen)
    }()

    @Test(
        "Tab adds what all that fits has in common, and shows what fits",
        arguments: [
            ("", "", 15), ("w", "", 2), ("wr", "ite ", 1), ("take", "", 2), ("take-", "all ", 1), ("fly", "", 0),
            ("use ", "", 2), ("use j", "obs", 1), ("help rene", "w", 1),
            ("read [1] --ti", "meout ", 1), ("read-all [1] --", "", 8), ("write [1] --timeo", "", 0),
            ("delete ", "7", 3), ("replace 71 ", "", 0),
            (#"read [""#, "", 3), (#"read ["a"#, "l", 2), (#"read ["ali"#, #"ce""#, 1), (#"read ["alice","#, "\"", 2),
            (#"read ["alice", "d"#, #"istsys""#, 1), (#"read ["alice",null,"#, "7", 1), (#"read ["x,y","#, "\"", 2),
            (#"read ["alice"] "#, "", 0), (#"read [{"re"#, #"gex":""#, 1), (#"read [["#, "", 0),
        ])
    func completion(typed: String, addition: String, count: Int) {
        let completion = Self.completer.completion(of: typed)
        #expect(completion.addition == addition)
        #expect(completion.candidates.count == count, "\(completion.candidates)")
    }

    @Test("Of what was seen, the newest is kept") func bounded() {
        let seen = SeenTuples()
        for number in 0..<300 {
            seen.use("space-\(number)")
            seen.note(StoredTuple(id: TupleID(UInt64(number)), tuple: Tuple([.int(Int64(number))])), in: "one")
        }
        #expect(seen.spaces.count == SeenTuples.spaceLimit && seen.spaces.last == "space-299")
        #expect(seen.ids(in: "one").count == SeenTuples.valueLimit)
        #expect(seen.values(at: 0, in: "one").first == "200" && seen.values(at: 0, in: "one").last == "299")
        seen.note(typed: "[\"\(String(repeating: "x", count: SeenTuples.valueBytes))\"]", in: "long")
        #expect(seen.values(at: 0, in: "long").isEmpty)
    }

    @Test("The history is kept in a file of the user's own, and cut back when it has grown") func history() throws {
        let directory = try TemporaryDirectory()
        let history = ShellHistory(UserDirectories(["HOME": "/nowhere", "XDG_STATE_HOME": directory.path + "/state"]))
        #expect(history.load().isEmpty)
        for number in 1...2 * ShellHistory.limit { try history.append("count [\(number)]") }
        try history.append(String(repeating: "x", count: ShellHistory.lineBytes + 1))
        #expect(try mode(history.path) == 0o600)
        #expect(try mode(directory.path + "/state/starling") == 0o700)
        let lines = history.load()
        #expect(lines.count == ShellHistory.limit && lines.last == "count [\(2 * ShellHistory.limit)]")
        #expect(try String(contentsOfFile: history.path, encoding: .utf8) == lines.map { $0 + "\n" }.joined())
        #expect(try mode(history.path) == 0o600)
    }

    private func mode(_ path: String) throws -> Int {
        let attributes = try FileManager.default.attributesOfItem(atPath: path)
        return try #require(attributes[.posixPermissions] as? Int)
    }
}
