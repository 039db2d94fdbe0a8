import ArgumentParser
import Glibc

struct TupleShellCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "shell", abstract: "Ask for one command after the other, over one connection.",
        discussion: """
              starling tuple shell blog
              blog> write ["alice","distsys","hi"]
              blog> take ["alice",null,null] --timeout 30

              starling tuple shell jobs < commands.txt   prints results only

            Commands are those of `starling tuple` without their space, and `use SPACE`, `help` and `exit`. Tab completes, and \
            Ctrl-C stops what runs: a take that waits takes nothing then. The last 1,000 lines are kept in \
            ~/.local/state/starling/tuple-history ($XDG_STATE_HOME).

            Without a terminal it ends at the first failure, with that command's exit code. With --keep-going it goes on, \
            and ends with the exit code of the first failure all the same.
            """)

    @OptionGroup var connection: ConnectionOptions
    @Argument(help: "The space to begin with.")
    var space: String?
    @Flag(help: "Print JSON, as if each command were given --json.")
    var json = false
    @Flag(help: "Go on after a failure when standard input is no terminal.")
    var keepGoing = false

    func run() async throws {
        let isTerminal = isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1
        let interrupts = Interrupts { if !isTerminal { Terminal.exit(.interrupted) } }
        try await connection.withClient { client in
            let shell = Shell(client, Shell.Options(json: json, isTerminal: isTerminal), interrupts: interrupts)
            if let space { try shell.use(space) }
            if isTerminal { try await converse(shell) } else { try await runScript(shell) }
        }
    }

    // MARK: At a terminal

    private func converse(_ shell: Shell) async throws {
        let history = ShellHistory()
        let completer = ShellCompleter(seen: shell.seen)
        let editor = LineEditor(history: history.load()) { completer.completion(of: $0) }
        guard let editor else {
            throw Complaint(.failed, "this terminal cannot be used; give the commands on standard input")
        }
        Terminal.line("Starling's tuplespace. help lists the commands, Tab completes, Ctrl-D ends.")
        var keepsHistory = true
        var begun = ""
        while !shell.isOver {
            let prompt = begun.isEmpty ? shell.prompt : "... "
            switch await blocking({ editor.read(prompt: prompt) }) {
            case .end:
                Terminal.line()
                return
            case .abandoned:
                Terminal.line("^C")
                begun = ""
            case .line(let text):
                if keepsHistory, !text.isEmpty {
                    do throws(Complaint) {
                        try history.append(text)
                    } catch {
                        keepsHistory = false
                        Terminal.complain(error.text)
                    }
                }
                guard let line = Self.join(&begun, text) else { continue }
                let end = await shell.run(line)
                if !end.text.isEmpty { end.outcome == .done ? Terminal.line(end.text) : Terminal.say(end.text) }
            }
        }
    }

    // MARK: Without

    private func runScript(_ shell: Shell) async throws {
        var first: Outcome?
        var number = 0
        var begun = ""
        while !shell.isOver, let text = await blocking({ readLine() }) {
            number += 1
            guard let line = Self.join(&begun, text) else { continue }
            let end = await shell.run(line)
            if end.outcome == .done {
                if !end.text.isEmpty { Terminal.line(end.text) }
                continue
            }
            Terminal.complain("line \(number): \(end.text)")
            first = first ?? end.outcome
            if !keepGoing || end.outcome == .interrupted { break }
        }
        if !begun.isEmpty { throw Complaint(.wrongUsage, "the last line ends in \\, and nothing follows") }
        if let first { throw Complaint(first, "") }
    }

    /// A line that ends in a backslash waits for the next.
    private static func join(_ begun: inout String, _ text: String) -> String? {
        if text.hasSuffix("\\") {
            begun += text.dropLast() + " "
            return nil
        }
        defer { begun = "" }
        return begun + text
    }
}
