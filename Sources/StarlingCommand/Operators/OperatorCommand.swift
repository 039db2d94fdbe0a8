import ArgumentParser

struct OperatorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "operator", abstract: "Look into a server's data directory, and recover from the worst.",
        discussion: """
            These work on the files of one server. Inspecting changes nothing and may be done while the server runs; \
            then the newest batch of its log may show as unfinished.
            """,
        subcommands: [OperatorLogCommand.self, OperatorSnapshotCommand.self, RecoverCommand.self])
}
