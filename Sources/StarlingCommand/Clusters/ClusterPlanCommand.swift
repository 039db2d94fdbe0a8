import ArgumentParser
import Cluster
import Gateways
import Raft

struct ClusterPlanCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan",
        abstract: "Make a new cluster's id and keys: one plan file a server, one for operators and one for clients.",
        discussion: """
              starling cluster plan --servers a=127.0.0.1:7440,b=127.0.0.1:7441,c=127.0.0.1:7442 --out plan
              starling serve --data a --name a --plan plan/a.plan.json

            The port is the peers'; the clients' is 20 above it and the HTTP port 40, or say all three: \
            a=HOST:PEER:CLIENT:HTTP. \
            A plan file holds its server's secret key: bring it to that server only. Files that exist are never \
            overwritten.
            """)

    @Option(help: ArgumentHelp("Names and addresses: a=HOST:PORT,b=HOST:PORT,…", valueName: "list"))
    var servers: String
    @Option(help: ArgumentHelp("The directory for the files; made if need be.", valueName: "directory"))
    var out: String
    @Flag(help: "Print JSON.")
    var json = false

    func run() throws {
        let plan: ClusterPlan
        do throws(PlanError) {
            plan = try ClusterPlan(try ServerPlacement.parse(list: servers))
        } catch {
            throw Complaint(.wrongUsage, error.description)
        }
        let files = try plan.write(to: UserDirectories.expanded(out))
        if json {
            Terminal.line(
                JSON.object([
                    .init("cluster", .string(plan.client.cluster.description)),
                    .init("files", .array(files.map { .string($0) })),
                ]).text)
            return
        }
        Terminal.line("cluster \(plan.client.cluster) of \(plan.servers.count); written:")
        for file in files { Terminal.line("  \(file)") }
        Terminal.line(
            """
            Each .plan.json holds a secret key: bring it to its own server only. operator.json holds the key of whoever may \
            change the cluster: keep it safe. client.json is for everybody.
            """)
    }
}
