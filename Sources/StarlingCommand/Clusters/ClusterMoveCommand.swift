import ArgumentParser
import Cluster
import Raft

struct ClusterMoveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "move", abstract: "Tell the cluster its servers' new addresses, all at once if need be.",
        discussion: """
              starling cluster move a=10.1.0.1:7440,b=10.1.0.2:7440 --operator-file operator.json

            Then start each server where it now belongs (--peer, --client, --http). Until a server is reached at its new \
            address the others go on using the old one, so the order does not matter. As for `cluster plan`, the \
            clients' port is 20 above and the HTTP port 40, or say all three: a=HOST:PEER:CLIENT:HTTP.
            """)

    @Argument(help: ArgumentHelp("Names and new addresses: a=HOST:PORT,b=HOST:PORT,…", valueName: "list"))
    var list: String
    @Flag(help: "Say what would happen, and do nothing.")
    var dryRun = false
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let placements: [ServerPlacement]
        do throws(PlanError) {
            placements = try ServerPlacement.parse(list: list)
        } catch {
            throw Complaint(.wrongUsage, error.problem)
        }
        try await connection.withClient(as: dryRun ? .user : .operator) { client in
            let report = try await client.report()
            var changes: [MemberChange] = []
            for placement in placements {
                let member = try report.member(placement.name)
                let (peer, client, http) = placement.addresses
                Terminal.line(
                    "\(member.name): \(member.peer), \(member.client), \(member.http) -> \(peer), \(client), \(http)")
                changes.append(.setAddresses(member.node, peer: peer, client: client, http: http))
            }
            if dryRun { return }
            _ = try await ClusterChange(client: client).perform(.change(changes)) { report in
                placements.allSatisfy { placement in
                    report.find(placement.name).map { ($0.peer, $0.client, $0.http) == placement.addresses } ?? false
                }
            }
            Terminal.line("the cluster knows the new addresses: start the servers there, and give clients the new ones")
        }
    }
}

extension ServerPlacement {
    fileprivate var addresses: (String, String, String) {
        (peerAddress, clientAddress, httpAddress)
    }
}
