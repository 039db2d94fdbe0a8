import ArgumentParser
import Raft

struct ClusterRemoveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Remove servers from the cluster, dead ones too.",
        discussion: """
              starling cluster remove d --operator-file operator.json

            A server that runs is told, and stops for good; its data directory may then be deleted. A leader hands over \
            first. Several at once are removed together, in one step. Refused: the last voter; what would leave too few \
            that are heard; and, unless --force is said, a majority at once.
            """)

    @Argument(help: ArgumentHelp("The members' names.", valueName: "name"))
    var names: [String]
    @Flag(help: "Remove a majority of the voters at once.")
    var force = false
    @Flag(help: "Say what would happen, and do nothing.")
    var dryRun = false
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        try await connection.withClient(as: dryRun ? .user : .operator) { client in
            let report = try await client.report()
            var leaving: [ClusterReport.Member] = []
            for name in names {
                let member = try report.member(name)
                if !leaving.contains(where: { $0.node == member.node }) { leaving.append(member) }
            }
            let foresight = QuorumForesight(report, removing: leaving.map(\.name))
            for line in foresight.lines { Terminal.line(line) }
            if let objection = foresight.objection(removing: leaving.map(\.name)), !force || foresight.voters.isEmpty {
                throw Complaint(.failed, "nothing was changed: \(objection).")
            }
            if dryRun { return }
            _ = try await ClusterChange(client: client).perform(.change(leaving.map { .remove($0.node) })) { report in
                leaving.allSatisfy { report.find($0.node.description) == nil }
            }
            let list = ClusterReport.list(leaving.map(\.name))
            Terminal.line("\(list) \(leaving.count == 1 ? "is no member" : "are no members") any more")
        }
    }
}
