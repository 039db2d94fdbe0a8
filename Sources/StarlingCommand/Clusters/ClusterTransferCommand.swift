import ArgumentParser
import Raft

struct ClusterTransferCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "transfer", abstract: "Hand leadership to another server, as before its machine is stopped.",
        discussion: """
              starling cluster transfer b --operator-file operator.json

            Without a name it goes to whoever has the most of the log. Clients notice a pause of a few milliseconds.
            """)

    @Argument(help: ArgumentHelp("The voter that shall lead.", valueName: "name"))
    var name: String?
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        try await connection.withClient(as: .operator) { client in
            let report = try await client.report()
            let target = try name.map { name throws(Complaint) in try report.member(name) }
            if let target, !target.voter {
                throw Complaint(.failed, "\(target.name) is a learner, and only a voter can lead: promote it first")
            }
            if let target, report.leader == target.name { return Terminal.line("\(target.name) leads already") }
            Terminal.line(
                "leadership goes from \(report.leader ?? "nobody") to \(target?.name ?? "whoever has the most of the log")"
            )
            let outcome = try await ClusterChange(client: client).perform(.transfer(to: target?.node)) { after in
                target.map { after.leader == $0.name } ?? (after.leader != nil && after.leader != report.leader)
            }
            let after = try await client.report()
            var leader = after.leader
            if case .transferred(let id, _)? = outcome {
                leader = after.members.first { $0.node == id }?.name ?? leader
            }
            Terminal.line("\(leader ?? "nobody") leads")
        }
    }
}
