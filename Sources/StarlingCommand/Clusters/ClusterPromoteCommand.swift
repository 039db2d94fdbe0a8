import ArgumentParser
import Raft

struct ClusterPromoteCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "promote", abstract: "Make a learner a voter as soon as it has caught up.",
        discussion: """
            starling cluster promote d --operator-file operator.json

            Repeating it does no harm. A leader that fails meanwhile leaves it to the next one.
            """)

    @Argument(help: ArgumentHelp("The learner's name.", valueName: "name"))
    var name: String
    @Option(help: ArgumentHelp("How long to wait for it to catch up, in seconds.", valueName: "seconds"))
    var wait: Double = 300
    @Flag(help: "Say what would happen, and do nothing.")
    var dryRun = false
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        try await connection.withClient(as: dryRun ? .user : .operator) { client in
            let report = try await client.report()
            let member = try report.member(name)
            guard !member.voter else { return Terminal.line("\(member.name) is a voter already") }
            for line in QuorumForesight(report, adding: [member.name]).lines { Terminal.line(line) }
            if dryRun { return }
            if !member.promotedWhenCaughtUp {
                _ = try await ClusterChange(client: client).perform(
                    .change([.setPromoteWhenCaughtUp(member.node, true)])
                ) { report in report.find(member.node.description).map { $0.voter || $0.promotedWhenCaughtUp } ?? false
                }
            }
            let limit = Duration.milliseconds(Int64(max(0, min(wait, 86_400)) * 1_000))
            try await Promotion(client: client, name: member.name).wait(until: ContinuousClock.now + limit)
        }
    }
}
