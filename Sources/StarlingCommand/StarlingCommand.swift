import ArgumentParser

/// The program `starling`.
@main
struct StarlingCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "starling",
        abstract: "A microblog, and a tuplespace, that no single machine can take down.",
        discussion: """
            Three to seven servers keep one replicated tuplespace; any of them serves any reader or writer, and a \
            majority alive is \
            enough. Begin with a whole cluster on this machine:

              starling demo

            and, while it runs, in another terminal:

              starling post --topic hello "Good morning"
              starling timeline
              starling cluster status

            Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not found or no match in time, 4 not permitted, 5 cluster \
            unavailable, 6 (of serve) removed from the cluster.
            """,
        version: Version.line,
        groupedSubcommands: [
            CommandGroup(
                name: "Cluster",
                subcommands: [
                    DemoCommand.self, ServeCommand.self, UpCommand.self, ClusterCommand.self, CertCommand.self,
                    OperatorCommand.self, AdminCommand.self,
                ]),
            CommandGroup(name: "Microblog", subcommands: [PostCommand.self, TimelineCommand.self, TopicCommand.self]),
            CommandGroup(name: "Tuplespace", subcommands: [TupleCommand.self]),
            CommandGroup(name: "Measuring", subcommands: [BenchCommand.self, SimulateCommand.self]),
            CommandGroup(
                name: "Program", subcommands: [ConfigCommand.self, VersionCommand.self, CompletionsCommand.self]),
        ])

    static func main() async {
        do {
            var command = try parseAsRoot()
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
            Terminal.exit(.done)
        } catch {
            Terminal.exit(Outcome.report(error, root: Self.self))
        }
    }
}
