import ArgumentParser

struct ClusterCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cluster", abstract: "Plan a cluster, see how it is, grow, shrink and move it.",
        discussion: """
            Commands that change the cluster need the operator's key: --operator-file, or STARLING_OPERATOR_FILE. Any server \
            takes them. They say beforehand what will happen, and end when it has.
            """,
        groupedSubcommands: [
            CommandGroup(name: "Begin", subcommands: [ClusterPlanCommand.self]),
            CommandGroup(
                name: "Look",
                subcommands: [ClusterStatusCommand.self, ClusterMembersCommand.self, ClusterWatchCommand.self]),
            CommandGroup(
                name: "Change",
                subcommands: [
                    ClusterAddCommand.self, ClusterPromoteCommand.self, ClusterRemoveCommand.self,
                    ClusterTransferCommand.self, ClusterMoveCommand.self, ClusterRotateKeyCommand.self,
                ]),
        ])
}
