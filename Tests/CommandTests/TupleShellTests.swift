import Foundation
import Testing

/// `starling tuple shell` with a cluster of real servers.
@Suite(.serialized) struct TupleShellTests {
    private func shell(_ cluster: TestCluster, _ arguments: [String] = [], _ lines: String...) async throws
        -> Program.Result
    {
        try await cluster.run(
            ["tuple", "shell"] + arguments, input: lines.map { $0 + "\n" }.joined())
    }

    @Test("Lines from a file are done in turn, and results are all that is printed") func script() async throws {
        try await withCluster(servers: 1) { cluster in
            let result = try await shell(
                cluster, ["blog"], "# a comment", "", #"write ["alice", "distsys","hi there"]"#,
                #"read ["alice",null,null]"#, "use jobs", #"write '["a", 1]' --lease 60"#, #"write ["b",2]"#,
                "read-all [null,null] --newest --limit 1", #"count \"#, "[null,null]",
                #"run [{"guard":{"take":{"space":"jobs","template":[{"bind":"x"},2]}},"steps":[]}]"#,
                "take [null,null] --timeout 5", "watch --count 1 --after 0.0", "use blog", "take-all [null,null,null]",
                "exit",
                "count [1]")
            #expect(result.code == 0 && result.errors.isEmpty, "\(result)")
            let lines = result.output.split(separator: "\n").map { $0.replacing(/[0-9]{6,}|[0-9]+\.[0-9]+/, with: "N") }
            #expect(
                lines == [
                    "id N, position N", #"["alice","distsys","hi there"]"#, "id N, position N", "id N, position N",
                    #"N  ["b",2]"#, "2", "done by alternative 1", #"  0  N  ["b",2]"#, #"["a",1]"#,
                    #"N  write    N  ["a",1]"#, #"N  ["alice","distsys","hi there"]"#,
                ])
        }
    }

    @Test("A tuple is renewed, replaced and deleted by its id, in the shell and by commands") func ids() async throws {
        try await withCluster(servers: 1) { cluster in
            struct Written: Decodable { var id: String }
            let id = try await cluster.run(["tuple", "write", "s", "[1]", "--json", "--lease", "3600"]).json(
                Written.self
            ).id
            let result = try await shell(
                cluster, ["s", "--json"], "renew \(id) --lease forever", "replace \(id) [2]", "count [2]",
                "delete \(id)",
                "delete \(id)")
            #expect(
                result.code == 3 && result.errors.contains("line 5: no tuple in space s has the id \(id)"), "\(result)")
            let lines = result.output.split(separator: "\n")
            #expect(
                lines.count == 4 && lines[0] == #"{"id":"\#(id)"}"# && lines[1].hasPrefix(#"{"id":"\#(id)","position""#)
            )
            #expect(lines.suffix(2) == [#"{"count":1}"#, #"{"id":"\#(id)","tuple":[2]}"#])
            for command in [["renew", "s", id, "--lease", "1"], ["replace", "s", id, "[3]"], ["delete", "s", id]] {
                let gone = try await cluster.run(["tuple"] + command)
                #expect(gone.code == 3 && gone.errors.contains("has the id"), "\(gone)")
            }
            for (line, part) in [
                ("renew x --lease 1", "the id of a tuple is a decimal number"), ("renew 1", "--lease"),
                ("renew 1 --lease x", "or forever; not \"x\""), ("replace 1 {}", "a tuple is an array"),
            ] {
                let wrong = try await shell(cluster, ["s"], line)
                #expect(wrong.code == 2 && wrong.errors.contains(part), "\(wrong)")
            }
        }
    }

    @Test("A script ends at its first failure with that one's exit code, or goes on when told to") func failures()
        async throws
    {
        try await withCluster(servers: 1) { cluster in
            let stopped = try await shell(cluster, ["s"], "count [1]", "take [1]", "count [1]")
            #expect(stopped.code == 3 && stopped.output == "0\n", "\(stopped)")
            #expect(stopped.errors == "starling: line 2: no tuple in space s matches\n")
            let on = try await shell(cluster, ["s", "--keep-going"], "take [1]", "fly", "count [1]")
            #expect(
                on.code == 3 && on.output == "0\n" && on.errors.contains("line 2: there is no command fly"), "\(on)")
            for (line, part) in [
                (#"["alice"]"#, "write [\"alice\"]"), ("count [1", "the line ends without the closing ]"),
                ("read [1] --limit 3", "Unknown option '--limit'"), (#"count \"#, "nothing follows"),
                ("write {}", "a tuple is an array, not an object"), ("use \u{7}", "A space's name"),
                ("take [1] --timeout x", "--timeout is"),
            ] {
                let wrong = try await shell(cluster, ["s"], line)
                #expect(wrong.code == 2 && wrong.errors.contains(part), "\(wrong)")
            }
            let nowhere = try await shell(cluster, [], "count [1]")
            #expect(nowhere.code == 2 && nowhere.errors.contains("no space is chosen yet: use SPACE"), "\(nowhere)")
            let help = try await shell(cluster, [], "help", "help take")
            #expect(help.code == 0 && help.output.contains("USAGE: take <template> [--timeout <seconds>]"), "\(help)")
        }
    }

    @Test("At a terminal: prompt, history, completion, an error, Ctrl-C in a line, Ctrl-D") func terminal() async throws
    {
        try await withCluster(servers: 1) { cluster in
            let terminal = try open(cluster, ["blog"])
            terminal.wait(for: "blog> ")
            terminal.type("wr\t[\"alice\",\"hé\"]\r")
            terminal.wait(for: "position")
            terminal.wait(for: "blog> ")
            terminal.type("delete \t\r")
            terminal.wait(for: "\r\n[\"alice\",\"hé\"]")
            terminal.wait(for: "blog> ")
            terminal.type("\u{1B}[A\u{1B}[A\r")
            terminal.wait(for: "position")
            terminal.wait(for: "blog> ")
            terminal.type("read [\"al\t,null]\r")
            terminal.wait(for: "\r\n[\"alice\",\"hé\"]")
            terminal.wait(for: "blog> ")
            terminal.type("[1]\r")
            terminal.wait(for: "a command comes first")
            terminal.wait(for: "blog> ")
            terminal.type("take-all [null,nu")
            terminal.wait(for: "nu")
            terminal.type("\u{3}")
            terminal.wait(for: "^C")
            terminal.wait(for: "blog> ")
            terminal.type("use jobs\r")
            terminal.wait(for: "jobs> ")
            terminal.type("\u{4}")
            #expect(try await terminal.waitForEnd() == 0)
            #expect(try await cluster.run(["tuple", "count", "blog", "[null,null]"]).output == "1\n")

            let again = try open(cluster, ["blog"])
            again.wait(for: "blog> ")
            again.type("\u{1B}[A\u{1B}[A\u{1B}[A\r")
            again.wait(for: "\r\n[\"alice\",\"hé\"]")
            again.wait(for: "blog> ")
            again.type("exit\r")
            #expect(try await again.waitForEnd() == 0)
            let path = cluster.directory.path + "/state/starling/tuple-history"
            #expect(
                try String(contentsOfFile: path, encoding: .utf8).replacing(/[0-9]{6,}/, with: "N") == """
                    write ["alice","hé"]
                    delete N\u{20}
                    write ["alice","hé"]
                    read ["alice",null]
                    [1]
                    use jobs
                    read ["alice",null]
                    exit

                    """)
        }
    }

    @Test("Ctrl-C stops a take that waits, which takes nothing then, and a watch; the shell lives on") func interrupts()
        async throws
    {
        try await withCluster(servers: 1) { cluster in
            let terminal = try open(cluster, ["jobs"])
            terminal.wait(for: "jobs> ")
            terminal.type("take [\"a\"] --timeout forever\r")
            try await waitForWaiters(1, cluster)
            terminal.type("\u{3}")
            terminal.wait(for: "stopped")
            terminal.wait(for: "jobs> ")
            #expect(try await cluster.run(["tuple", "write", "jobs", #"["a"]"#]).code == 0)
            terminal.type("count [\"a\"]\r")
            terminal.wait(for: "\r\n1\r\n")
            terminal.type("take [\"a\"] --timeout forever\r")
            terminal.wait(for: "\r\n[\"a\"]\r\n")
            terminal.wait(for: "jobs> ")
            terminal.type("watch --after 0.0\r")
            terminal.wait(for: "take ")
            terminal.type("\u{3}")
            terminal.wait(for: "jobs> ")
            terminal.type("\u{4}")
            #expect(try await terminal.waitForEnd() == 0)
        }
    }

    @Test("A lost cluster is said, and the same shell goes on when it returns") func lostCluster() async throws {
        try await withCluster(servers: 1) { cluster in
            let hasty = try open(cluster, ["jobs", "--request-timeout", "1"])
            hasty.wait(for: "jobs> ")
            hasty.type("write [1]\r")
            hasty.wait(for: "position")
            let patient = try open(cluster, ["jobs", "--request-timeout", "60"])
            patient.wait(for: "jobs> ")
            patient.type("take [2] --timeout forever\r")
            try await waitForWaiters(1, cluster)
            cluster.kill("a")
            hasty.type("count [1]\r")
            hasty.wait(for: "unavailable")
            hasty.wait(for: "jobs> ")
            patient.wait(for: "the cluster does not answer")
            try await cluster.startAll()
            patient.wait(for: "the cluster answers again")
            #expect(try await cluster.run(["tuple", "write", "jobs", "[2]"]).code == 0)
            patient.wait(for: "[2]\r\n")
            hasty.type("count [1]\r")
            hasty.wait(for: "\r\n1\r\n")
        }
    }

    @Test("SIGINT ends a script, with 130; what it waited for stays") func interruptedScript() async throws {
        try await withCluster(servers: 1) { cluster in
            let process = Process()
            process.executableURL = try Program.executable()
            process.arguments = ["tuple", "shell", "jobs", "--keep-going"]
            process.environment = Program.environment(cluster.environment(), home: cluster.directory.path)
            let input = Pipe()
            process.standardInput = input
            process.standardOutput = FileHandle.nullDevice
            process.standardError = FileHandle.nullDevice
            try process.run()
            try input.fileHandleForWriting.write(contentsOf: Data("take [1] --timeout forever\nwrite [2]\n".utf8))
            try await waitForWaiters(1, cluster)
            process.interrupt()
            try await Program.waitForEnd(process, within: 15, ["tuple", "shell"])
            #expect(process.terminationStatus == 130)
            #expect(try await cluster.run(["tuple", "write", "jobs", "[1]"]).code == 0)
            #expect(try await cluster.run(["tuple", "read-all", "jobs", "[null]"]).output.hasSuffix("  [1]\n"))
            #expect(try await cluster.run(["tuple", "count", "jobs", "[null]"]).output == "1\n")
        }
    }

    private func open(_ cluster: TestCluster, _ arguments: [String]) throws -> PseudoTerminal {
        try PseudoTerminal(
            ["tuple", "shell"] + arguments, in: cluster.directory, environment: cluster.environment())
    }

    private func waitForWaiters(_ count: Int, _ cluster: TestCluster) async throws {
        struct Status: Decodable { var waiters: Int }
        let deadline = Date(timeIntervalSinceNow: 15)
        while try await cluster.run(["cluster", "status", "--json"]).json(Status.self).waiters != count {
            try #require(Date() < deadline, "nothing waits")
        }
    }
}
