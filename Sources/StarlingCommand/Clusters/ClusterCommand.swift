import ArgumentParser

struct ClusterCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cluster", abstract: "Plan a cluster, and see how it is.",
        subcommands: [ClusterPlanCommand.self, ClusterStatusCommand.self])
}
