import Foundation
import Testing

/// What the program says to those who type something wrong, or ask.
@Suite struct UsageTests {
    @Test(
        "Wrong usage exits 2 and says what is expected",
        arguments: [
            (["tuple", "write", "blog"], "tuple"),
            (["tuple", "write", "blog", "[1", "--servers", "127.0.0.1:1", "--no-curve"], "A tuple is a JSON array"),
            (["tuple", "write", "blog", "{}"], "a tuple is an array, not an object"),
            (["tuple", "read", "blog", "[{\"regex\":\"a{\"}]"], "a repetition is {n}"),
            (["tuple", "read", "blog", "[1]", "--timeout", "soon"], "--timeout is a number of seconds"),
            (["tuple", "read", "blog", "[1]", "--consistency", "sequential"], "--position"),
            (["tuple", "read-all", "blog", "[1]", "--limit", "0"], "--limit is 1 to 1000"),
            (["tuple", "count", "blog", "[1]"], "no servers are known"),
            (["tuple", "count", "blog", "[1]", "--servers", "here"], "\"here\" is not HOST:PORT"),
            (["tuple", "count", "blog", "[1]", "--servers", "127.0.0.1:1"], "--client-file"),
            (["tuple", "count", "blog", "[1]", "--request-timeout", "0"], "--request-timeout"),
            (["post", "--user", "a b", "hi", "--servers", "127.0.0.1:1", "--no-curve"], "letters A to Z"),
            (
                ["post", "--user", "a", "--topic", "a b", "hi", "--servers", "127.0.0.1:1", "--no-curve"],
                "a topic has no spaces"
            ),
            (["timeline", "--before", "x", "--servers", "127.0.0.1:1", "--no-curve"], "--before is the id of a tuple"),
            (["cluster", "plan", "--servers", "a=127.0.0.1", "--out", "p"], "expected NAME=HOST:PORT"),
            (
                ["cluster", "plan", "--servers", "a=127.0.0.1:7000,a=127.0.0.1:7100", "--out", "p"],
                "name a is there twice"
            ),
            (["serve"], "name is missing"),
            (
                ["serve", "--transport", "pigeon", "--data", "d", "--name", "a", "--plan", "p"],
                "the transport is zeromq or http, and not \"pigeon\""
            ),
            (["bench", "write", "--sessions", "0"], "--sessions is 1 to"),
            (["bench", "jump"], "jump"),
            (["bench", "take", "--seconds", "1"], "--requests"),
            (["simulate"], "--seed NUMBER or --seeds COUNT"),
            (["simulate", "--seed", "1", "--seeds", "2"], "--seed NUMBER or --seeds COUNT"),
            (["demo", "--servers", "9"], "--servers is 1 to 7"),
            (["demo", "--check", "--servers", "1"], "at least 3"),
            (["completions", "tcsh"], "bash"),
            (["fly"], "fly"),
            (["config", "show", "--config", "nowhere.yaml"], "nowhere.yaml is not there"),
        ])
    func wrongUsage(arguments: [String], part: String) async throws {
        let result = try await Program.run(arguments, in: try TemporaryDirectory())
        #expect(result.code == 2)
        #expect(result.errors.hasPrefix("starling: "), "\(result.errors)")
        #expect(result.errors.contains(part), "\(result.errors)")
        #expect(result.output.isEmpty)
    }

    @Test(
        "Every command has help with what it does",
        arguments: [
            [], ["demo"], ["serve"], ["cluster"], ["cluster", "plan"], ["cluster", "status"], ["tuple"],
            ["tuple", "write"],
            ["tuple", "read"], ["tuple", "take"], ["tuple", "read-all"], ["tuple", "count"], ["post"], ["timeline"],
            ["topic"],
            ["bench"], ["simulate"], ["config"], ["config", "show"], ["version"], ["completions"],
        ])
    func help(command: [String]) async throws {
        let result = try await Program.run(command + ["--help"], in: try TemporaryDirectory())
        #expect(result.code == 0)
        #expect(result.output.contains("OVERVIEW") && result.output.contains("USAGE: starling"))
        #expect(result.errors.isEmpty)
    }

    @Test("Version is said in words and in JSON") func versionIsSaidInWordsAndInJSON() async throws {
        struct Version: Decodable {
            var name: String
            var version: String
        }
        let directory = try TemporaryDirectory()
        let words = try await Program.run(["version"], in: directory)
        let json = try await Program.run(["version", "--json"], in: directory)
        let version = try json.json(Version.self)
        #expect(version.name == "starling")
        #expect(words.output == "starling \(version.version)\n")
    }

    @Test("Completions are printed for", arguments: ["bash", "zsh", "fish"])
    func completions(shell: String) async throws {
        let result = try await Program.run(["completions", shell], in: try TemporaryDirectory())
        #expect(result.code == 0)
        #expect(result.output.contains("starling") && result.output.contains("timeline"))
    }

    @Test("A seed is simulated the same twice") func aSeedIsSimulatedTheSameTwice() async throws {
        struct Run: Decodable {
            var seeds: Int
            var events: Int
            var traceHash: String
        }
        let directory = try TemporaryDirectory()
        let first = try await Program.run(["simulate", "--seed", "7", "--json"], in: directory)
        let second = try await Program.run(["simulate", "--seed", "7", "--json"], in: directory)
        #expect(first.code == 0, "\(first.errors)")
        let runs = (try first.json(Run.self), try second.json(Run.self))
        #expect(runs.0.traceHash == runs.1.traceHash)
        #expect(runs.0.events == runs.1.events && runs.0.events > 0)
    }

    @Test(
        "The last steps of a seed are printed, of one that holds and of one that fails, and how to see that one again")
    func traces() async throws {
        let directory = try TemporaryDirectory()
        let holds = try await Program.run(["simulate", "--seed", "7", "--trace", "5"], in: directory)
        #expect(holds.code == 0 && holds.output.split(separator: "\n").count == 8, "\(holds.output)")
        let options = ["--without", "ackBeforeDurable", "--certain", "power-loss,crashes"]
        let fails = try await Program.run(["simulate", "--seed", "1", "--trace", "5"] + options, in: directory)
        #expect(fails.code == 1 && fails.errors.contains("is durable before it is acknowledged"), "\(fails.errors)")
        #expect(fails.errors.components(separatedBy: "last steps:\n").last?.split(separator: "\n").count == 5)
        let shrunk = try await Program.run(["simulate", "--seed", "1"] + options, in: directory)
        let command = "starling simulate --seed 1 --certain crashes,power-loss --without ackBeforeDurable --trace 200"
        #expect(shrunk.errors.contains("as it was found: \(command)"), "\(shrunk.errors)")
    }
}
