import ArgumentParser
import TupleSpace

/// What can be typed in a shell: the requests of the command line without their space, and a few words more.
struct ShellRoot: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "", abstract: "The commands of this shell.", usage: "<command> …",
        discussion: """
            Commands act on the space of the prompt; `use SPACE` changes it. A tuple or template is a JSON array as on the \
            command line, and needs no quotes around it. A line that ends in \\ goes on in the next; # begins a comment. \
            Tab completes commands, options, spaces, values and ids; the arrow keys and Ctrl-R find earlier lines; Ctrl-C \
            stops what runs, or gives up the line; Ctrl-D ends the shell.

              use jobs
              write ["resize","photo-17"] --lease 60
              take ["resize",null] --timeout 30
            """,
        subcommands: [
            UseCommand.self, InShell<WriteRequest>.self, InShell<ReadRequest>.self, InShell<TakeRequest>.self,
            InShell<ReadAllRequest>.self, InShell<TakeAllRequest>.self, InShell<CountRequest>.self,
            InShell<WatchRequest>.self, InShell<RenewRequest>.self, InShell<ReplaceRequest>.self,
            InShell<DeleteRequest>.self, InShell<RunRequest>.self, InShell<SpacesRequest>.self, ExitCommand.self,
        ])

    static let names = configuration.subcommands.map(name) + ["help"]

    private static func name(_ command: any ParsableCommand.Type) -> String { command.configuration.commandName ?? "" }

    /// As the command's help lists them.
    static func options(of command: String) -> [String] {
        guard let type = configuration.subcommands.first(where: { name($0) == command }) else { return [] }
        return helpMessage(for: type, columns: 200).matches(of: /(?m)^ +(?:-\w, )?(--[a-z-]+)/).map {
            String($0.output.1)
        }
    }
}

/// A command of the shell.
protocol ShellCommand: ParsableCommand {
    func run(in shell: Shell) async throws
}

/// A request as a command of the shell.
struct InShell<Request: TupleRequest>: ShellCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: Request.name, abstract: Request.abstract,
            discussion: Request.discussion { "\(Request.name) \($0.words)" })
    }

    @OptionGroup var request: Request
    @Flag(help: "Print JSON.")
    var json = false

    func run(in shell: Shell) async throws {
        let space = Request.namesSpaces ? "" : try shell.spaceInUse()
        let lines = Shell.Lines()
        var output = TupleOutput(json: json || shell.options.json)
        output.line = { lines.add($0) }
        output.saw = { [seen = shell.seen] in seen.note($0, in: space) }
        try await shell.perform(try request.prepare(in: space, output), lines)
    }
}

struct UseCommand: ShellCommand {
    static let name = "use"
    static let configuration = CommandConfiguration(
        commandName: name, abstract: "Choose the space of the commands that follow.", discussion: "  use jobs")

    @Argument(help: "The space. It exists from its first write on.")
    var space: String

    func run(in shell: Shell) throws { try shell.use(space) }
}

struct ExitCommand: ShellCommand {
    static let configuration = CommandConfiguration(commandName: "exit", abstract: "End the shell, as Ctrl-D does.")

    func run(in shell: Shell) { shell.isOver = true }
}
